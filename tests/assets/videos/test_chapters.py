"""Chapters: creators' lists with odd values, lines of descriptions, and what the table keeps of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.lake import Lake
from assets.sources.chapter_lists import listed_chapters
from assets.sources.folder import FolderSource
from assets.sources.journal import Record
from assets.sources.protocol import ListedChapter
from assets.sources.synthetic import SyntheticSource
from assets.sources.youtube.player import metadata, read_metadata
from assets.values import Fields
from assets.videos.chapters import chapter_at, chapters_of_video, find_chapters, of_description, used_chapters, verdicts

RELEASED = pl.DataFrame(schema={"video_id": pl.String, "start_s": pl.Float64, "end_s": pl.Float64, "text": pl.String})


def listed(*chapters: tuple[float | None, str | None]) -> list[ListedChapter]:
    return [ListedChapter(start, None, title) for start, title in chapters]


def test_a_chapter_ends_where_the_next_one_begins_and_odd_ones_have_a_reason() -> None:
    found = verdicts(
        [
            ListedChapter(0, 40, " Cut  the\twood "),
            ListedChapter(30, 20, "Sand"),
            ListedChapter(10, 20, "back in time"),
            ListedChapter(None, 5, "no time"),
            ListedChapter(50, None, "<Untitled Chapter 3>"),
            ListedChapter(60, 999, "油を塗る"),
            ListedChapter(100, 120, "after the end"),
        ],
        duration_s=90,
    )
    assert [(each.start_s, each.end_s, each.title) for each in found if each.reason is None] == [
        (0, 30, "Cut the wood"),
        (30, 60, "Sand"),
        (60, 90, "油を塗る"),
    ]
    assert [each.reason for each in found if each.reason] == [
        "does not start after the chapter before it",
        "no start",
        "no title",
        "starts after the end of the video",
    ]
    assert verdicts(listed((0, "a"), (5, "b")), None)[1].reason == "no end"


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Tools below\n0:00 Intro\n1:05 - Cut the wood -\nPaint it (10:00)", ["Intro", "Cut the wood", "Paint it"]),
        ("00:00:00 a1\n1:00:02 b2\nhttps://x.org/?t=9:99:99", ["a1", "b2"]),
        ("ratio 100:20\n1:02:03:04 code\n12:99 no minute\n0:00 A1\n0:30 B1", ["A1", "B1"]),
        ("see 2:30", []),
        ("0:30 first\n0:10 second", []),
        ("0:00 a\n0:10 b", []),
        ("", []),
    ],
)
def test_lines_of_a_description(description: str, expected: list[str]) -> None:
    found = of_description(description, 5000)
    assert [each.title for each in found if each.reason is None] == expected
    assert expected or all(each.reason for each in found)


def test_one_source_is_used_and_the_others_are_kept_with_the_reason() -> None:
    rows = chapters_of_video(
        {"creator": listed((None, "x")), "vidchapters": listed((0, "c"), (4, "d"))}, "0:00 Saw it\n0:20 Glue it", 60
    )
    assert [(kind, each.reason) for kind, _, each in rows] == [
        ("creator", "no start"),
        ("description", None),
        ("description", None),
        ("vidchapters", "the chapters of the source description are used"),
        ("vidchapters", "the chapters of the source description are used"),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
CHAPTERS = st.lists(
    st.fixed_dictionaries({}, optional={"start_time": JSON, "end_time": JSON, "title": JSON | st.text()}) | JSON
)


@given(CHAPTERS | JSON, st.none() | st.floats(0, 1e4), st.text(alphabet="01234569: a\né", max_size=60))
def test_whatever_is_listed_makes_segments_that_the_table_holds(value: Any, length: float | None, text: str) -> None:
    """Kept chapters are in order, apart and within the video; nothing is lost and every problem is storable."""
    fields = Fields({"chapters": value}, "info")
    chapters = listed_chapters(fields)
    assert len(chapters) == (len(value) if isinstance(value, list) else 0)
    json.dumps([each.problem for each in fields.problems]).encode()
    for found in (verdicts(chapters, length), of_description(text, length)):
        kept = [each for each in found if each.reason is None]
        times = [time for each in kept for time in (each.start_s, each.end_s)]
        assert all(time is not None and math.isfinite(time) for time in times) and times == sorted(times)
        assert all(each.start_s < each.end_s <= (length or math.inf) and each.title for each in kept)


def test_the_table_of_a_folder_and_of_the_players_answer(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "saw.mp4").write_bytes(b"")
    info = {"id": "saw", "chapters": [{"start_time": 0, "title": "Mark"}, {"start_time": "5", "title": "Saw"}, 3]}
    (tmp_path / "saw.info.json").write_text(json.dumps(info))
    source = FolderSource(tmp_path, ())
    about = pl.DataFrame({"video_id": ["saw", "odd"], "description": ["", None], "duration_s": [9.0, None]})
    lake.write("chapters", find_chapters(source, about, RELEASED, "shard-0000"), "shard-0000")
    assert lake.sql("SELECT chapter_index, start_s, end_s, title, reason FROM chapters ORDER BY ALL").fetchall() == [
        (0, 0.0, 5.0, "Mark", None),
        (1, 5.0, 9.0, "Saw", None),
        (2, None, None, None, "no start"),
    ]
    assert {each.problem for each in source.problems()} >= {"chapters: element 2 is 3 instead of an object"}
    used = used_chapters(lake, ["saw", "odd"])
    assert list(used) == ["saw"]
    assert [at and at.title for at in (chapter_at(used["saw"], second) for second in (0, 5, 9))] == [
        "Mark",
        "Saw",
        None,
    ]
    answer = read_metadata(Record("ok", body=metadata({"id": "saw", **info})))
    assert answer.chapters == source.metadata("saw").chapters
    assert read_metadata(Record("ok", body=b"{}")).chapters == ()


def test_every_other_synthetic_video_has_chapters_of_its_scenes() -> None:
    source = SyntheticSource(tasks=2, videos_per_task=2)
    first, second = (source.metadata(video_id) for video_id in ("synthetic-00000", "synthetic-00001"))
    assert second.chapters == () and len(first.chapters) > 2
    assert first.chapters[0].start_s == 0 and first.chapters[-1].end_s == first.duration_s
