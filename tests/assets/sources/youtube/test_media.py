"""Video files: whole or not at all, never twice, never more than the disk may hold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.media.files import fetch_files
from assets.outcomes import FetchError
from assets.sources.youtube import YouTubeSource
from tests.assets.sources.youtube.conftest import Clock
from tests.exhaustion import no_room
from tests.youtube_server import Fault, YouTube, tiny_mp4

MakeSource = Callable[..., YouTubeSource]
VIDEOS = [f"folding000{i}" for i in range(1, 6)]


def test_a_file_is_fetched_once_with_its_checksum(source: MakeSource, youtube: YouTube, tmp_path: Path) -> None:
    files = fetch_files(source(), VIDEOS, "shard-0000", tmp_path)
    assert files["status"].to_list() == ["ok"] * 5
    assert files["sha256"].to_list() == [hashlib.sha256(tiny_mp4(48, each)).hexdigest() for each in VIDEOS]
    assert files.select("uri", "width", "height", "duration_s").row(0) == ("youtube/folding0001.mp4", 64, 48, 2.0)
    assert youtube.counts("folding0001") == {"player": 1, "media": 1}
    requests = len(youtube.log)
    assert fetch_files(source(), VIDEOS, "shard-0000", tmp_path).equals(files)
    assert len(youtube.log) == requests


@pytest.mark.parametrize(("height", "chosen"), [(360, 360), (480, 360), (1080, 720), (144, 360)])
def test_the_height_is_at_most_the_chosen_one(source: MakeSource, tmp_path: Path, height: int, chosen: int) -> None:
    each = source(media_height=height)
    each.media("folding0001", tmp_path)
    known = each.journal.get("media", "folding0001")
    assert known is not None and known.body is not None
    assert f'"height": {chosen}'.encode() in known.body


@pytest.mark.parametrize(
    ("fault", "status"),
    [("429", "blocked"), ("503", "retry"), ("403", "retry"), ("reset", "retry"), ("cut", "retry"), ("empty", "retry")],
)
def test_a_part_is_never_a_file(
    source: MakeSource, youtube: YouTube, tmp_path: Path, clock: Clock, fault: Fault, status: str
) -> None:
    youtube.fail("media", "folding0001", fault)
    with pytest.raises(FetchError) as caught:
        source().media("folding0001", tmp_path)
    assert caught.value.outcome.status == status
    assert not list((tmp_path / "youtube").glob("*.mp4"))
    youtube.fail("media", "folding0001", fault, times=0)
    clock.move(hours=2)
    assert source().media("folding0001", tmp_path).read_bytes() == tiny_mp4(48, "folding0001")


def test_a_download_that_the_disk_cannot_take_is_no_outcome(source: MakeSource, tmp_path: Path) -> None:
    each = source()
    each.journal.get("media", "folding0001")  # makes the file, whose log has a fixed size
    with no_room(35_000), pytest.raises(OSError, match="File too large"):
        each.media("folding0001", tmp_path)
    assert each.journal.get("media", "folding0001") is None
    assert each.media("folding0001", tmp_path).read_bytes() == tiny_mp4(48, "folding0001")


def test_a_killed_download_goes_on_where_it_stopped(source: MakeSource, youtube: YouTube, tmp_path: Path) -> None:
    whole = tiny_mp4(48, "folding0001")
    (tmp_path / "youtube").mkdir()
    (tmp_path / "youtube" / "folding0001.mp4.part").write_bytes(whole[:20_000])
    assert source().media("folding0001", tmp_path).read_bytes() == whole
    assert youtube.log[-1].detail.startswith("bytes=20000-")


def test_a_download_killed_before_its_last_name_is_whole(source: MakeSource, youtube: YouTube, tmp_path: Path) -> None:
    whole = tiny_mp4(48, "folding0001")
    (tmp_path / "youtube").mkdir()
    (tmp_path / "youtube" / "folding0001.mp4.part").write_bytes(whole)
    assert source().media("folding0001", tmp_path).read_bytes() == whole
    assert not list((tmp_path / "youtube").glob("*.part"))


def test_a_slow_file_is_given_up_and_gone_on_with(
    source: MakeSource, youtube: YouTube, tmp_path: Path, clock: Clock
) -> None:
    youtube.fail("media", "folding0001", "drip", times=1)
    with pytest.raises(FetchError, match=r"not whole after 0\.2 s"):
        source(media_timeout_s=0.2).media("folding0001", tmp_path)
    assert (tmp_path / "youtube" / "folding0001.mp4.part").stat().st_size > 0
    clock.move(hours=1)
    assert source().media("folding0001", tmp_path).read_bytes() == tiny_mp4(48, "folding0001")


def test_the_quota_is_kept_and_said(source: MakeSource, youtube: YouTube, tmp_path: Path, clock: Clock) -> None:
    quota = len(tiny_mp4(48, VIDEOS[0])) + len(tiny_mp4(48, VIDEOS[1])) + 1000
    files = fetch_files(source(media_quota_gb=quota / 1e9), VIDEOS, "shard-0000", tmp_path, workers=1)
    assert files["status"].to_list() == ["ok", "ok", "retry", "retry", "retry"]
    assert files["error"][2] == f"the disk quota of {quota:,} bytes is reached; raise HOWTO_MEDIA_QUOTA_GB or make room"
    assert sum(path.stat().st_size for path in (tmp_path / "youtube").iterdir()) <= quota
    assert not any(youtube.counts(video_id) for video_id in VIDEOS[3:]), "no request is sent in vain"

    more = fetch_files(source(media_quota_gb=2 * quota / 1e9), VIDEOS, "shard-0000", tmp_path, workers=1)
    assert more["status"].to_list() == ["ok", "ok", "ok", "ok", "retry"], "the next run goes on at once"
    assert youtube.counts(VIDEOS[0]) == {"player": 1, "media": 1}


def test_a_file_that_was_removed_is_fetched_again_and_a_changed_one_is_named(
    source: MakeSource, youtube: YouTube, tmp_path: Path
) -> None:
    path = source().media("folding0001", tmp_path)
    path.write_bytes(b"short")
    with pytest.raises(FetchError, match=r"folding0001.mp4: 5 bytes, but .* were fetched; delete it"):
        source().media("folding0001", tmp_path)
    path.unlink()
    assert source().media("folding0001", tmp_path).read_bytes() == tiny_mp4(48, "folding0001")
    assert youtube.counts()["media"] == 2


def test_a_file_that_a_killed_run_could_not_note_is_whole(source: MakeSource, youtube: YouTube, tmp_path: Path) -> None:
    (tmp_path / "youtube").mkdir()
    (tmp_path / "youtube" / "folding0001.mp4").write_bytes(tiny_mp4(48))
    each = source()
    assert each.media("folding0001", tmp_path).stat().st_size == len(tiny_mp4(48))
    assert not youtube.log
    assert each.journal.get("media", "folding0001") is not None
