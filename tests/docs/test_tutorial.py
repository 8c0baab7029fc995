"""The shell blocks of the tutorial run as printed, one after the other, on a small folder of videos."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assets.sources.synthetic import SyntheticSource
from orchestration.settings.catalogue import environment
from tests.docs.pages import ROOT, blocks
from tests.world import small_settings

SMALL = ("SHARDS", "JOBS", "CATEGORIES", "EMBEDDING_DIM", "WORD_DIM", "EMBEDDING_EPOCHS", "EMBEDDING_VIDEOS_PER_BATCH")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory with the command ``howto`` and a folder of three videos, two of which have captions."""
    command = tmp_path / "bin" / "howto"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -W ignore -m orchestration.cli "$@"\n')
    command.chmod(0o755)
    videos, source = tmp_path / "videos", SyntheticSource(tasks=12, videos_per_task=2, seed=5)
    videos.mkdir()
    for number, name in enumerate(("fold-1", "fold-2", "silent")):
        shutil.move(source.media(f"synthetic-{number:05d}", tmp_path / "made"), videos / f"{name}.mp4")
        (videos / f"{name}.info.json").write_text(json.dumps({"title": f"How to fold a paper crane {number}"}))
        lines = (f"00:{i:02d}.000 --> 00:{i + 1:02d}.000\nfold crane {number} corner {i}\n" for i in range(10))
        if name != "silent":
            (videos / f"{name}.en.vtt").write_text("WEBVTT\n\n" + "\n".join(lines))
    return tmp_path


def test_the_tutorial_runs_as_printed(home: Path) -> None:
    script = "\n".join(block.code for block in blocks("bash") if block.script == "tutorial")
    small = environment(small_settings(home / "unused"))
    small |= {"HOWTO_CATEGORIES": "Uncategorised", "HOWTO_SHARDS": "1", "HOWTO_JOBS": "1"}
    variables = {
        **os.environ,
        **{f"HOWTO_{name}": small[f"HOWTO_{name}"] for name in SMALL},
        "HOME": str(home),
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=home, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fewer than 100 words" in done.stdout
    assert (home / "exported" / "HowTo100M_v1.csv").is_file()
