"""The filters of tasks and videos: verdicts with reasons, nothing dropped."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from assets.splits import SplitOptions, split_of
from assets.tasks.verbs import TaskRules, primary_verb, verdicts
from assets.training.manifest import manifest
from assets.videos.filters import Limits, candidate_verdicts, video_verdicts
from assets.videos.sharding import Sharding


@pytest.mark.parametrize(
    ("title", "verb"),
    [
        ("Paint a Chair", "paint"),
        ("How to Re-Grout Tile", "re-grout"),
        ("how to be Happy", "be"),
        ("123", None),
    ],
)
def test_the_primary_verb_starts_the_title(title: str, verb: str | None) -> None:
    assert primary_verb(title) == verb


def test_tasks_keep_their_reason() -> None:
    articles = pl.DataFrame(
        {
            "article_id": ["1", "2", "3", "4"],
            "title": ["Paint a Chair", "Accept Change", "Kiss", "Fold a Crane"],
            "categories": [["Home", "Chairs"], ["Home"], ["Relationships"], []],
            "source": ["test"] * 4,
        }
    )
    made = verdicts(articles, TaskRules(("Home", "Uncategorised"), "Uncategorised"))
    assert made.select("task_id", "category_1", "category_2", "kept", "reason").rows() == [
        ("1", "Home", "Chairs", True, None),
        ("2", "Home", None, False, "verb accept is not physical"),
        ("3", "Relationships", None, False, "category Relationships is not kept"),
        ("4", "Uncategorised", None, True, None),
    ]


def results(*rows: tuple) -> pl.DataFrame:
    schema = {"video_id": pl.String, "task_id": pl.String, "rank": pl.Int64, "view_count": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema | {"duration_s": pl.Float64}, orient="row")
    return frame.with_columns(title=pl.lit("t"), channel=pl.lit("c"), category_1=pl.lit("Home"), source=pl.lit("test"))


TASKS = pl.DataFrame({"task_id": ["t1", "t2"], "category_2": ["Chairs", None]})


def test_candidates_fail_at_the_first_limit_and_unknown_is_not_zero() -> None:
    made = candidate_verdicts(
        results(
            ("few views", "t1", 1, 99, 60.0),
            ("just enough", "t1", 2, 100, 2000.0),
            ("too long", "t1", 3, 100, 2000.5),
            ("unknown", "t1", 4, None, None),
            ("too deep", "t1", 201, 500, 60.0),
        ),
        TASKS,
        Limits(),
    )
    assert dict(made.select("video_id", "reason").iter_rows()) == {
        "few views": "fewer than 100 views",
        "just enough": None,
        "too long": "longer than 2000 s",
        "unknown": None,
        "too deep": "rank above 200",
    }


def test_a_video_of_two_tasks_stays_at_its_best_rank() -> None:
    made = candidate_verdicts(results(("v", "t1", 9, 500, 60.0), ("v", "t2", 2, 500, 60.0)), TASKS, Limits())
    assert sorted(made.select("task_id", "kept").rows()) == [("t1", False), ("t2", True)]


def test_videos_need_captions_and_words() -> None:
    candidates = candidate_verdicts(
        results(*[(video_id, "t1", i + 1, 500, 60.0) for i, video_id in enumerate(["rich", "poor", "mute", "later"])]),
        TASKS,
        Limits(),
    )
    fetches = pl.DataFrame(
        {
            "video_id": ["rich", "poor", "mute"],
            "status": ["ok", "ok", "no_captions"],
            "word_count": [100, 99, 0],
            "source": ["asr", "asr", None],
        }
    )
    made = video_verdicts(candidates, fetches, Limits())
    assert dict(made.select("video_id", "reason").iter_rows()) == {
        "rich": None,
        "poor": "fewer than 100 words",
        "mute": "captions: no_captions",
        "later": "captions not fetched yet",
    }


SPLIT = SplitOptions(seed=0, held_out_share=0.2)


def test_a_split_is_of_the_identifier_alone_and_has_the_asked_for_shares() -> None:
    splits = [split_of(f"video-{i}", SPLIT) for i in range(5000)]
    assert split_of("video-7", SPLIT) == splits[7]
    assert splits.count("test") / 5000 == pytest.approx(0.2, abs=0.02)
    assert splits.count("train") / 5000 == pytest.approx(0.6, abs=0.02)


def test_the_manifest_notices_every_change_of_a_video() -> None:
    clips = pl.DataFrame(
        {
            "video_id": ["a", "a", "b", "no features"],
            "clip_index": [0, 1, 0, 0],
            "start_s": [0.0, 1.0, 0.0, 0.0],
            "end_s": [1.0, 2.0, 1.0, 1.0],
            "caption": ["stir", "pour", "fold", "cut"],
            "caption_clean": ["stir", "pour", "fold", "cut"],
        }
    )
    index = pl.DataFrame(
        {
            "video_id": ["a", "b", "failed"],
            "shard": ["shard-0000"] * 3,
            "status": ["ok", "ok", "failed"],
            "rows": [2, 1, 0],
            "content_hash": ["x", "y", None],
        }
    )

    def made(clips: pl.DataFrame) -> pl.DataFrame:
        return manifest(duckdb.from_arrow(clips.to_arrow()), duckdb.from_arrow(index.to_arrow()), SPLIT)

    before = made(clips)
    assert before["video_id"].to_list() == ["a", "b"] and set(before["split"]) == {"test", "validation"}
    after = made(clips.with_columns(pl.col("caption").replace("fold", "bend")))
    changed = before["clips_version"] != after["clips_version"]
    assert changed.to_list() == [False, True]


def test_shards_hold_every_video_once() -> None:
    sharding = Sharding(4)
    videos = [f"v{i}" for i in range(100)]
    assert sorted(v for key in sharding.keys for v in sharding.members(videos, key)) == sorted(videos)
