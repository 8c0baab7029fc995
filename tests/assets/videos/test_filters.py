"""The filters of videos: verdicts with reasons, nothing dropped."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from assets.joint_embedding.manifest import manifest
from assets.sharding import Sharding
from assets.splits import SplitOptions, split_of
from assets.videos.filters import Limits, candidate_verdicts, video_verdicts
from orchestration.settings import load_settings


def results(*rows: tuple) -> pl.DataFrame:
    schema = {"video_id": pl.String, "task_id": pl.String, "rank": pl.Int64, "view_count": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema | {"duration_s": pl.Float64}, orient="row")
    return frame.with_columns(title=pl.lit("t"), channel=pl.lit("c"), category_1=pl.lit("Home"), source=pl.lit("test"))


TASKS = pl.DataFrame({"task_id": ["t1", "t2"], "category_2": ["Chairs", None]})
UNKNOWN = dict.fromkeys(("view_count", "channel_id", "upload_date", "availability"))
NO_LIST = pl.DataFrame(schema={"video_id": pl.String, "benchmark": pl.String})


def test_candidates_fail_at_the_first_limit_and_unknown_is_not_zero() -> None:
    made = candidate_verdicts(
        results(
            ("few views", "t1", 1, 99, 60.0),
            ("just enough", "t1", 2, 100, 2000.0),
            ("too long", "t1", 3, 100, 2000.5),
            ("unknown", "t1", 4, None, None),
            ("too deep", "t1", 201, 500, 60.0),
            ("tested", "t1", 5, 500, 60.0),
        ),
        TASKS,
        pl.DataFrame({"video_id": ["tested"], "benchmark": ["CrossTask"]}),
        Limits(),
    )
    assert dict(made.select("video_id", "reason").iter_rows()) == {
        "few views": "fewer than 100 views",
        "just enough": None,
        "too long": "longer than 2000 s",
        "unknown": None,
        "too deep": "rank above 200",
        "tested": "evaluates CrossTask",
    }


def test_a_video_of_two_tasks_stays_at_its_best_rank() -> None:
    made = candidate_verdicts(results(("v", "t1", 9, 500, 60.0), ("v", "t2", 2, 500, 60.0)), TASKS, NO_LIST, Limits())
    assert sorted(made.select("task_id", "kept").rows()) == [("t1", False), ("t2", True)]


def test_videos_need_captions_and_words_and_a_text_of_their_own() -> None:
    names = ["rich", "poor", "mute", "later", "known long", "copy"]
    found = results(*[(video_id, "t1", i + 1, 500, None) for i, video_id in enumerate(names)])
    candidates = candidate_verdicts(found, TASKS, NO_LIST, Limits())
    fetches = pl.DataFrame(
        {
            "video_id": ["rich", "poor", "mute", "known long", "copy"],
            "status": ["ok", "ok", "no_captions", "ok", "ok"],
            "word_count": [100, 99, 0, 500, 500],
            "source": ["asr", "asr", None, "asr", "asr"],
            "language": ["en", "en", None, "en", "en"],
        }
    )
    metadata = pl.DataFrame(
        {"video_id": ["rich", "known long"], "duration_s": [60.0, 3000.0], "license": ["cc-by", "cc-by"], **UNKNOWN},
        schema_overrides={"view_count": pl.Int64},
    )
    duplicates = pl.DataFrame({"video_id": ["copy"], "duplicate_of": ["rich"], "similarity": [0.9]})
    made = video_verdicts(candidates, fetches, metadata, duplicates, Limits())
    assert dict(made.select("video_id", "reason").iter_rows()) == {
        "rich": None,
        "poor": "fewer than 100 words",
        "mute": "captions: no_captions",
        "later": "captions not fetched yet",
        "known long": "longer than 2000 s",
        "copy": "says what a better-ranked video says",
    }
    assert made.filter(pl.col("video_id") == "rich")["duration_s"].item() == 60


def test_a_video_needs_one_of_the_licences_and_an_unknown_one_is_none() -> None:
    licenses = {"open": "cc-by", "closed": "youtube", "silent": None}
    found = results(*[(video_id, "t1", i + 1, 500, None) for i, video_id in enumerate(licenses)])
    fetches = pl.DataFrame({"video_id": list(licenses), "status": "ok", "word_count": 500, "source": "asr"})
    metadata = pl.DataFrame({"video_id": list(licenses), "license": list(licenses.values()), "duration_s": 60.0})
    made = video_verdicts(
        candidate_verdicts(found, TASKS, NO_LIST, Limits()),
        fetches.with_columns(language=pl.lit("en")),
        metadata.with_columns(pl.lit(None).alias(name) for name in UNKNOWN),
        pl.DataFrame(schema={"video_id": pl.String, "duplicate_of": pl.String}),
        load_settings(licenses="CC BY 4.0, cc0").limits,
    )
    reasons = {"open": None, "closed": "licence: youtube", "silent": "its licence is unknown"}
    assert dict(made.select("video_id", "reason").iter_rows()) == reasons
    assert dict(made.select("video_id", "license").iter_rows()) == licenses


SPLIT = SplitOptions(seed=0, held_out_share=0.2)


def test_a_split_depends_on_the_identifier_only_and_has_the_requested_shares() -> None:
    splits = [split_of(f"video-{i}", SPLIT) for i in range(5000)]
    assert split_of("video-7", SPLIT) == splits[7]
    assert splits.count("test") / 5000 == pytest.approx(0.2, abs=0.02)
    assert splits.count("train") / 5000 == pytest.approx(0.6, abs=0.02)


def test_the_manifest_holds_videos_with_pairs_and_the_version_of_each() -> None:
    index = pl.DataFrame(
        {
            "video_id": ["b", "a", "nothing usable"],
            "shard": ["shard-0000"] * 3,
            "first_row": [4, 0, 9],
            "pairs": [5, 4, 0],
            "content_hash": ["y", "x", "z"],
        }
    )
    made = manifest(duckdb.from_arrow(index.to_arrow()), SPLIT)
    assert made.select("video_id", "first_row", "pairs_version").rows() == [("a", 0, "x"), ("b", 4, "y")]
    assert set(made["split"]) == {"test", "validation"}


def test_shards_hold_every_video_once() -> None:
    sharding = Sharding(4)
    videos = [f"v{i}" for i in range(100)]
    assert sorted(v for key in sharding.keys for v in sharding.members(videos, key)) == sorted(videos)
