"""Checks of what the data is like: what each passes and what it does not, on lakes small enough to count by hand."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from assets.lake import Lake, load_tables
from ml.joint_embedding.pair_store import PairStore
from ml.joint_embedding.pairs import VideoPairs
from orchestration.quality import clip_vectors_differ, measure, read_check
from sql import statement, statements

GOOD, BAD = ["ok"] * 19 + ["failed"], ["ok"] * 8 + ["failed"] * 12


def statuses(values: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"status": values})


def kept(flags: list[bool], reason: str = "fewer than 100 words") -> pl.DataFrame:
    return pl.DataFrame({"kept": flags, "reason": [None if flag else reason for flag in flags]})


def manifest(*splits: str) -> pl.DataFrame:
    return pl.DataFrame({"video_id": [f"v{index}" for index in range(len(splits))], "split": splits})


def videos(*ids: str) -> pl.DataFrame:
    return pl.DataFrame({"video_id": ids}, schema={"video_id": pl.String})


def waiting(count: int) -> pl.DataFrame:
    return pl.DataFrame({"next_try_at": [1] * count + [None] * (20 - count)}, schema={"next_try_at": pl.Int64})


def pair_index(without_features: int) -> pl.DataFrame:
    return pl.DataFrame({"lines": [6, 4], "without_features": [without_features, 0]})


def labels(*counts: int) -> pl.DataFrame:
    return pl.DataFrame({"label": [f"label {index}" for index, count in enumerate(counts) for _ in range(count)]})


@pytest.mark.parametrize(
    ("name", "passing", "failing"),
    [
        ("tasks_kept", {"tasks": kept([True] + [False] * 9)}, {"tasks": kept([True] + [False] * 19)}),
        (
            "candidate_videos_kept",
            {"candidate_videos": kept([True] + [False] * 4)},
            {"candidate_videos": kept([True] + [False] * 9)},
        ),
        ("videos_kept", {"videos": kept([True] + [False] * 4)}, {"videos": kept([True] + [False] * 9)}),
        ("captions_found", {"caption_fetches": statuses(BAD)}, {"caption_fetches": statuses(["ok"] + ["failed"] * 9)}),
        ("captions_waiting", {"caption_fetches": waiting(1)}, {"caption_fetches": waiting(2)}),
        ("video_files_good", {"video_files": statuses(GOOD)}, {"video_files": statuses(BAD)}),
        ("features_good", {"feature_index": statuses(GOOD)}, {"feature_index": statuses(BAD)}),
        ("clips_with_features", {"pair_index": pair_index(5)}, {"pair_index": pair_index(6)}),
        ("training_videos_there", {"training_manifest": manifest("train")}, {"training_manifest": manifest("test")}),
        (
            "evaluation_videos_left_out",
            {"training_manifest": manifest("train"), "evaluation_videos": videos("w")},
            {"training_manifest": manifest("train"), "evaluation_videos": videos("v0")},
        ),
        (
            "benchmark_leaks_left_out",
            {"training_manifest": manifest("train"), "benchmark_leaks": videos("w")},
            {"training_manifest": manifest("train"), "benchmark_leaks": videos("v0")},
        ),
        (
            "hero_benchmark_leaks_left_out",
            {"hero_manifest": manifest("train"), "benchmark_leaks": videos("w")},
            {"hero_manifest": manifest("train"), "benchmark_leaks": videos("v0")},
        ),
        (
            "reuploads_left_out",
            {"training_manifest": manifest("train"), "video_duplicates": videos()},
            {"training_manifest": manifest("train", "test"), "video_duplicates": videos("v1")},
        ),
        ("labels_differ", {"graph_nodes": labels(8, 2)}, {"graph_nodes": labels(19, 1)}),
    ],
)
def test_what_passes_and_what_does_not(
    tmp_path: Path, name: str, passing: dict[str, pl.DataFrame], failing: dict[str, pl.DataFrame]
) -> None:
    check = read_check(name, statement(f"checks/{name}"))
    for number, (tables, passed) in enumerate(((passing, True), (failing, False))):
        lake = Lake(tmp_path / str(number))
        for table, rows in tables.items():
            lake.connection.register("given", rows.to_arrow())
            lake.connection.execute(f"CREATE TABLE {table} AS FROM given")
        result = measure(check, lake)
        assert (result.passed, result.severity) == (passed, check.severity), result.description


def test_a_filter_that_drops_most_rows_says_why_and_how_to_change_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = pl.concat([kept([True] + [False] * 9), kept([False] * 3, "fewer than 50 views")])
    lake.connection.register("given", rows.to_arrow())
    lake.connection.execute("CREATE TABLE videos AS FROM given")
    assert measure(read_check("videos_kept", statement("checks/videos_kept")), lake).description == (
        "videos_kept: 0.07692; 1 of 13 kept; dropped: 9 × fewer than 100 words (HOWTO_MIN_WORDS),"
        " 3 × fewer than 50 views (HOWTO_MIN_VIEWS)"
    )


def test_every_file_is_a_check_of_an_asset_and_tried_above() -> None:
    (tried,) = [
        {arguments[0] for arguments in mark.args[1]}
        for mark in test_what_passes_and_what_does_not.pytestmark  # type: ignore[attr-defined]
    ]
    files = statements("checks")
    assert files.keys() == tried
    assert all(read_check(name, text).asset in load_tables() for name, text in files.items())


def test_an_empty_lake_has_nothing_to_measure(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("video_files", load_tables()["video_files"].frame([]))
    result = measure(read_check("video_files_good", statement("checks/video_files_good")), lake)
    assert result.passed and result.description == "video_files_good: nothing to measure"


def test_a_file_without_a_header_is_named() -> None:
    with pytest.raises(ValueError, match=r"sql/checks/odd\.sql: must begin with what it measures"):
        read_check("odd", "SELECT 1 AS value, true AS passed\n")


@pytest.mark.parametrize(("vectors", "passed"), [("random", True), ("zero", False), ("alike", False)])
def test_vectors_of_a_network_that_saw_nothing(tmp_path: Path, vectors: str, passed: bool) -> None:
    generator = np.random.default_rng(0)
    made = {
        "random": generator.normal(size=(50, 8)),
        "zero": np.vstack([np.zeros((5, 8)), generator.normal(size=(45, 8))]),
        "alike": 1 + 1e-4 * generator.normal(size=(50, 8)),
    }[vectors]
    times = np.arange(50.0)
    store, lake = PairStore(tmp_path / "pairs"), Lake(tmp_path)
    pairs = VideoPairs(times, times + 1, [f"caption {index}" for index in range(50)], made.astype(np.float16), 0, 0)
    (place,) = store.write("shard-0000", [("v", pairs)], 8)
    row = ("v", "shard-0000", "train", place.first_row, place.pairs, store.version_of("shard-0000"))
    lake.write("training_manifest", load_tables()["training_manifest"].frame([row]))
    result = clip_vectors_differ(lake, store)
    assert isinstance(result, dg.AssetCheckResult) and result.passed is passed, result.description
