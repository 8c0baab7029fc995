"""The removal list: what it may contain, and that no write stores a removed id."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from assets.lake import Lake
from assets.lake.removals import Removal, RemovalError, read_removals, removed_ids


def test_the_list_is_read_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "removals.csv"
    assert read_removals(path) == ()
    path.write_text("id,reason,date\nv1,the person objects,2026-11-02\n\n", encoding="utf-8")
    assert read_removals(path) == (Removal("v1", "the person objects", date(2026, 11, 2)),)
    assert removed_ids(path) == {"v1"}
    path.write_text(
        "id,reason,date,kind\nclip 1,,2026-11-02, Video\n12345678901,,2026-11-02,household\ndQw4w9WgXcQ,,2026-11-02,\n"
    )
    assert [each.is_video for each in read_removals(path)] == [True, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: must be the header id,reason,date"),
        ("video\nv1\n", "line 1: must be the header id,reason,date"),
        ("id,reason,date\nv1\n", "line 2: write id,reason,date, with an id"),
        ("id,reason,date\n,why,2026-01-01\n", "line 2: write id,reason,date, with an id"),
        ("id,reason,date,kind\nv1,why,2026-01-01\n", "line 2: write id,reason,date,kind, with an id"),
        ("id,reason,date,kind\nv1,why,2026-01-01,film\n", "line 2: 'film' is no kind; write one of video, household"),
        ("id,reason,date\nv1,why,yesterday\n", "line 2: 'yesterday' is no date; write YYYY-MM-DD"),
    ],
)
def test_a_wrong_line_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "removals.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RemovalError, match=message):
        read_removals(path)


def test_rows_of_removed_ids_are_not_written(lake: Lake) -> None:
    lists = pl.DataFrame({"video_id": ["v1", "v2"], "benchmark": ["A", "A"]})
    assert lake.write("evaluation_videos", lists).rows == 2
    lake.removals.write_text("id,reason,date\nv1,objects,2026-11-02\n", encoding="utf-8")
    assert lake.write("evaluation_videos", lists).rows == 1
    assert lake.read("evaluation_videos").fetchall() == [("v2", "A")]
