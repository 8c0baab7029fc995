"""Each video has one recorded outcome, whatever its file holds."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from assets.captions.embedded import embedded_tracks
from assets.captions.readers import read_captions
from assets.features.decode import decode_clips
from assets.media.files import describe, fetch_files
from assets.sources.folder import FolderSource
from assets.sources.followups.archives import stored_files
from assets.sources.howto100m_release.captions import read_zip
from assets.sources.synthetic import SyntheticSource
from tests.exhaustion import no_more_files, no_room
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


def test_a_full_disk_is_no_outcome_of_a_video(tmp_path: Path) -> None:
    source, video_ids = SyntheticSource(1, 1), ["synthetic-00000"]
    with no_room(100_000), pytest.raises(OSError, match="File too large"):
        fetch_files(source, video_ids, "shard-0000", tmp_path)
    assert not list(tmp_path.glob("*/*.mp4"))
    assert fetch_files(source, video_ids, "shard-0000", tmp_path)["status"].to_list() == ["ok"]


READERS: dict[str, Callable[[Path], object]] = {
    "frames of a video": lambda folder: list(decode_clips(folder / "a.mp4", {})),
    "streams of captions": lambda folder: embedded_tracks(folder / "a.mp4"),
    "file of captions": lambda folder: read_captions(folder / "a.en.vtt"),
    "file of a release": lambda folder: list(stored_files(folder / "a.en.vtt", (".vtt",))),
    "zip of captions": lambda folder: list(read_zip(folder / "a.zip")),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_this_machine_cannot_open_now_is_no_outcome(tmp_path: Path, reader: str) -> None:
    numbered(tmp_path / "a.mp4", steady(Fraction(10), 1))
    (tmp_path / "a.en.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nstir\n")
    with ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.csv", "start,end,text\n0,1,stir\n")
    READERS[reader](tmp_path)
    with no_more_files(), pytest.raises(OSError, match="Too many open files"):
        READERS[reader](tmp_path)
