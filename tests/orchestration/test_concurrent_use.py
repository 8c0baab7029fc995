"""A refresh and other processes at the same time: neither removes what the other is writing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ml.files import whole_file
from orchestration.refresh.lock import remove_unfinished_files


def test_only_files_that_nobody_is_writing_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with whole_file(tmp_path / "video.mp4") as new:
        machine = new.name.split(".")[-2].split("-")[0]
        new.touch()
    left = tmp_path / "a" / f".video.mp4.{machine}-{ended.pid}-1.part"
    download, old = tmp_path / "b.mp4.part", tmp_path / "c.mp4.part"
    left.parent.mkdir()
    for path in (left, download, old):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    with whole_file(tmp_path / "mine.mp4") as new:
        new.write_bytes(b"content")
        remove_unfinished_files(tmp_path)
    assert (tmp_path / "mine.mp4").read_bytes() == b"content"
    assert [path.name for path in tmp_path.rglob("*.part")] == ["b.mp4.part"]
