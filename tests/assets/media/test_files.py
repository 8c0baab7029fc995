"""Each video has one recorded outcome, whatever its file holds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from assets.media.files import describe, fetch_files
from assets.sources.folder import FolderSource
from tests.videos import numbered, steady


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.avi", "v.ts", "v.flv"])
def test_a_damaged_file_is_described_or_named(tmp_path: Path, name: str) -> None:
    codec = {"v.avi": "mpeg4", "v.flv": "flv"}.get(name, "libx264")
    whole = numbered(tmp_path / name, steady(Fraction(10), 2), codec).read_bytes()
    rng, path = np.random.default_rng(0), tmp_path / f"odd{name}"
    for _ in range(60):
        content = bytearray(whole[: rng.integers(1, len(whole) + 1)])
        for place in rng.integers(0, min(len(content), 4096), rng.integers(0, 9)):
            content[place] = rng.integers(256)
        path.write_bytes(content)
        row = describe(path)
        assert (row["status"] == "ok") == (row.get("error") is None)
        assert row["status"] == "ok" or str(row["error"]).startswith(f"odd{name}: ")


def test_a_file_that_vanishes_spares_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a", "b"):
        numbered(folder / f"{name}.mp4", steady(Fraction(10), 1))
    source = FolderSource(folder, ())
    assert source.media("a", tmp_path).is_file()
    (folder / "a.mp4").unlink()
    files = fetch_files(source, ["a", "b"], "shard-0000", tmp_path / "media")
    assert files.select("status", "error").rows() == [("failed", "a.mp4: No such file or directory"), ("ok", None)]
