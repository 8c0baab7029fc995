"""Memory that the C library keeps and returns."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np
from ml.host_memory import keep_freed_memory, return_freed_memory
from ml.memory_counters import resident_mib

keep_freed_memory()
before = resident_mib()
for _ in range(2):
    np.ones(2**27, np.uint8)
print(resident_mib() - before)
return_freed_memory()
print(resident_mib() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_process_keeps_what_it_frees_until_it_returns_it() -> None:
    command = [sys.executable, "-c", PROGRAM]
    kept_mib, left_mib = map(float, subprocess.run(command, capture_output=True, check=True).stdout.split())
    assert kept_mib > 120
    assert left_mib < 20
