"""Differences of two snapshots, by table and reason."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import polars as pl
import pytest

from assets.lake import Lake, load_tables
from assets.lake.difference import REQUESTED, snapshot_differences
from assets.lake.snapshot import Snapshot
from assets.videos.filters import Limits
from assets.videos.thresholds import limit_differences

VERDICTS = ("kept", "few words", "too long")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def videos(verdicts: dict[int, str], views: int = 7) -> pl.DataFrame:
    """Videos by number, each with its verdict."""
    columns = load_tables()["videos"].columns
    rows = [
        {
            **{"video_id": f"v{number}", "task_id": "t", "rank": 1, "category_1": "Home", "title": "Fold"},
            **{"source": "folder", "word_count": 3, "view_count": views, "kept": verdict == "kept"},
            "reason": None if verdict == "kept" else verdict,
        }
        for number, verdict in verdicts.items()
    ]
    return load_tables()["videos"].frame(tuple(row.get(column.name) for column in columns) for row in rows)


def clips(lake: Lake, numbers: list[int], caption: str = "fold it") -> None:
    columns = load_tables()["clips"].columns
    row = {"shard": "s", "clip_index": 0, "start_s": 0.0, "end_s": 1.0, "caption_clean": "", "word_count": 2}
    rows = [{**row, "video_id": f"v{number}", "caption": caption} for number in numbers]
    frame = load_tables()["clips"].frame(tuple(row.get(column.name) for column in columns) for row in rows)
    lake.write("clips", frame, "s")


def found(lake: Lake, before: int, after: int) -> list[tuple[str, str, str, int]]:
    return snapshot_differences(Snapshot(lake, before), Snapshot(lake, after)).rows()


def test_each_row_has_its_reason(lake: Lake) -> None:
    lake.write("videos", videos({0: "kept", 1: "kept", 2: "few words", 3: "kept", 4: "kept"}))
    clips(lake, [0, 1, 3, 4])
    before = lake.snapshot()
    lake.removals.write_text("id,reason,date\nv3,a request,2026-05-04\n")
    lake.write("videos", videos({0: "kept", 1: "few words", 2: "kept", 3: "kept", 5: "too long"}))
    clips(lake, [0, 2, 3], "fold the corner")
    assert found(lake, before, lake.snapshot()) == [
        ("clips", "added", "video: few words → kept", 1),
        ("clips", "changed", "other values", 1),
        ("clips", "removed", REQUESTED, 1),
        ("clips", "removed", "video: kept → few words", 1),
        ("clips", "removed", "video: kept → not found", 1),
        ("videos", "added", "too long", 1),
        ("videos", "changed", "few words → kept", 1),
        ("videos", "changed", "kept → few words", 1),
        ("videos", "removed", REQUESTED, 1),
        ("videos", "removed", "was: kept", 1),
    ]


@pytest.mark.parametrize("recreated", [False, True])
def test_the_change_feed_gives_what_comparing_all_rows_gives(lake: Lake, recreated: bool) -> None:
    rng, snapshots = Random(recreated), []
    states = [{number: rng.choice(VERDICTS) for number in rng.sample(range(9), 6)} for _ in range(3)]
    for state in states:
        if recreated and snapshots:
            lake.connection.execute("DROP TABLE videos")
        lake.write("videos", videos(state))
        snapshots.append(lake.snapshot())
    first, last = states[0], states[-1]
    expected = {
        "added": len(last.keys() - first.keys()),
        "removed": len(first.keys() - last.keys()),
        "changed": sum(first[number] != last[number] for number in first.keys() & last.keys()),
    }
    for (one, other), names in (((0, -1), ("added", "removed")), ((-1, 0), ("removed", "added"))):
        made = {"added": 0, "removed": 0, "changed": 0}
        for _, change, _, rows in found(lake, snapshots[one], snapshots[other]):
            made[change] += rows
        assert made == {**expected, names[0]: expected["added"], names[1]: expected["removed"]}


def test_a_filter_at_another_threshold(lake: Lake) -> None:
    def write(table: str, *rows: dict[str, object]) -> None:
        contract = load_tables()[table]
        frame = contract.frame(tuple(row.get(column.name) for column in contract.columns) for row in rows)
        lake.write(
            table, frame, str(rows[0][contract.partition_column]) if contract.partition_column and rows else None
        )

    ids = ["rich", "poor"]
    task = {"task_id": "t", "title": "Fold", "category_1": "Home", "source": "test", "kept": True}
    result = {**task, "query": "how to fold", "view_count": 200, "searched_at": NOW}
    fetch = {"shard": "s", "status": "ok", "source": "asr", "fetched_at": NOW, "attempts": 1}
    write("tasks", task)
    write("search_results", *({**result, "video_id": each, "rank": n + 1} for n, each in enumerate(ids)))
    write("caption_fetches", *({**fetch, "video_id": each, "word_count": 90 + 20 * (each == "rich")} for each in ids))
    for table in ("evaluation_videos", "video_metadata", "video_duplicates"):
        write(table)
    kept = {**task, "view_count": 200, "word_count": 9, "rank": 1}
    reason = "fewer than 100 words"
    write("candidate_videos", *({**kept, "video_id": each} for each in ids))
    write("videos", {**kept, "video_id": "rich"}, {**kept, "video_id": "poor", "kept": False, "reason": reason})
    assert limit_differences(lake, Limits()).is_empty()
    assert limit_differences(lake, Limits(min_words=50)).rows() == [("videos", "changed", f"{reason} → kept", 1)]
    assert limit_differences(lake, Limits(min_views=1000)).rows() == [
        ("candidate_videos", "changed", "kept → fewer than 1000 views", 2),
        ("videos", "removed", f"was: {reason}", 1),
        ("videos", "removed", "was: kept", 1),
    ]
