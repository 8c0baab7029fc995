"""Odd values in an answer cost a field of their video, or that video; every other one is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from assets.captions.fetch import fetch_captions
from assets.lake import Lake
from assets.sources.journal import Record
from assets.sources.youtube import YouTubeSource
from assets.sources.youtube.player import own_tracks, read_metadata
from assets.sources.youtube.search import FIELDS, read_results
from assets.videos.metadata import fetch_metadata
from assets.videos.search import search_tasks
from tests.youtube_collection import tasks
from tests.youtube_server import Track, Video, YouTube

MakeSource = Callable[..., YouTubeSource]
METADATA = ("title", "duration", "view_count", "language", "tags", "asr_captions", "license", "upload_date")
HALF = "Glue a cup \ud83d"
TEXTS = st.text(st.characters(codec=None), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**70), 2**70) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def test_half_an_emoji_costs_no_other_video(source: MakeSource, youtube: YouTube, tmp_path: Path) -> None:
    videos = ["gluing00001", "gluing00002", "gluing00003"]
    youtube.results["how to glue a cup"] = videos
    youtube.videos[videos[1]] = Video(HALF, tracks=(Track(lines=((0.0, 2.0, "hold \udc00 it"),)),))
    each = source()
    results, searches = search_tasks(each, tasks("Glue a Cup"), 3)
    metadata = fetch_metadata(each, videos, "shard-0000")
    captions, fetches = fetch_captions(each, videos, "shard-0000")
    assert results["title"].to_list()[1] == metadata["title"].to_list()[1] == "Glue a cup \ufffd"
    assert results["video_id"].to_list() == metadata["video_id"].to_list() == videos
    assert fetches["status"].to_list() == ["ok"] * 3 and "hold \ufffd it" in captions["text"].to_list()
    assert "result 2: title: holds half" in searches["error"][0] and "title: holds half" in metadata["error"][1]
    lake = Lake(tmp_path / "lake")
    lake.write("search_results", results, "Hobbies and Crafts")
    lake.write("video_metadata", metadata, "shard-0000")
    lake.write("captions", captions, "shard-0000")


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON, max_size=4))
def test_any_search_answer_is_read(rows: list[Any]) -> None:
    good = {"id": "gluing00001", "title": "Glue", "channel": "C", "duration": 61, "view_count": 7}
    read = read_results(json.dumps([*rows, good]).encode(), None)
    assert (read[-1].title, read[-1].duration_s, read[-1].view_count, read[-1].rank) == ("Glue", 61.0, 7, len(rows) + 1)
    left_out = sum("left out" in problem for problem in read.problems)
    assert len(read) + left_out == len(rows) + 1
    frame = pl.DataFrame([[each.title, each.channel, each.duration_s, each.view_count] for each in read], orient="row")
    assert frame.write_json().encode()


@given(st.dictionaries(st.sampled_from(METADATA), JSON))
def test_any_metadata_is_read(known: dict[str, Any]) -> None:
    read = read_metadata(Record("ok", body=json.dumps(known).encode()))
    repr((read.title, read.keywords, read.asr_captions, read.license, read.error)).encode()
    assert read.status == "ok"
    assert read.view_count is None or 0 <= read.view_count < 2**63
    assert read.duration_s is None or 0 <= read.duration_s < float("inf")


@given(JSON)
def test_any_list_of_tracks_is_read(listed: Any) -> None:
    assert all(isinstance(address, str) for address in own_tracks(listed).values())
    assert own_tracks({"en": [{"ext": "json3", "url": "u"}], "de": listed})["en"] == "u"
