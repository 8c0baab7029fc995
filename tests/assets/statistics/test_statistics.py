"""The statistics of the data set: every query of sql/statistics/videos on a lake small enough to count by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.lake import Lake, load_tables
from assets.statistics import plots
from assets.statistics.queries import compute, compute_all
from sql import statements

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DERIVED = {"chapters", "shots", "clip_quality"}
"""Tables that only some statistics read."""
ALWAYS = {"source": "synthetic", "rank": 1, "fetched_at": NOW, "attempts": 1, "uri": "file:v", "shard": "shard-0000"}


def rows_of(table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of a table; columns that they lack have the constants above, or NULL."""
    columns = load_tables()[table].columns
    return load_tables()[table].frame(tuple({**ALWAYS, **row}.get(column.name) for column in columns) for row in rows)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two kept tasks of three, two kept videos of three, five clips."""
    lake = Lake(tmp_path_factory.mktemp("counted"))
    home, food = {"category_1": "Home", "category_2": "Chairs"}, {"category_1": "Food", "category_2": None}
    tasks = [
        {"task_id": "paint", "title": "Paint a Chair", "kept": True, **home},
        {"task_id": "bake", "title": "Bake", "kept": True, **food},
        {"task_id": "trust", "title": "Trust", "kept": False, "reason": "verb trust is not physical", **home},
        {"task_id": "hope", "title": "Hope", "kept": False, "reason": "verb hope is not physical", **home},
    ]
    lake.write("tasks", rows_of("tasks", tasks))
    videos = [
        {"video_id": "a", "task_id": "paint", "title": "A", "duration_s": 1800.0, "rank": 2, "kept": True, **home},
        {"video_id": "b", "task_id": "bake", "title": "B", "duration_s": 5400.0, "rank": 15, "kept": True, **food},
        {"video_id": "c", "task_id": "bake", "title": "C", "kept": False, "reason": "fewer than 100 words", **food},
    ]
    lake.write("videos", rows_of("videos", [{**video, "word_count": 99} for video in videos]))
    lake.write("candidate_videos", rows_of("candidate_videos", [{**v, "kept": True, "reason": None} for v in videos]))
    fetches = [("a", "ok", "asr", 60), ("b", "ok", "asr", 40), ("c", "ok", "manual", 9), ("d", "disabled", None, 0)]
    named = [dict(zip(("video_id", "status", "source", "word_count"), fetch, strict=True)) for fetch in fetches]
    lake.write("caption_fetches", rows_of("caption_fetches", named), "shard-0000")
    spoken = [
        ("a", 0, 0.0, 4.0, "now stir the bowl", "stir bowl"),
        ("a", 1, 4.0, 6.0, "stir", "stir"),
        ("a", 2, 6.0, 10.0, "and so on", ""),
        ("a", 3, 30.0, 60.0, "fold the dough", "fold dough"),
        ("b", 0, 0.0, 0.5, "stir it", "stir"),
    ]
    names = ("video_id", "clip_index", "start_s", "end_s", "caption", "caption_clean")
    clips = [{**dict(zip(names, clip, strict=True)), "word_count": len(clip[4].split())} for clip in spoken]
    lake.write("clips", rows_of("clips", clips), "shard-0000")
    files = [
        {"video_id": "a", "status": "ok", "duration_s": 3600.0},
        {"video_id": "b", "status": "failed", "error": "x"},
    ]
    lake.write("video_files", rows_of("video_files", files), "shard-0000")
    features = {"video_id": "a", "stream": "2d", "rows": 3, "rate_hz": 1.0, "dim": 2, "extractor": "x", "status": "ok"}
    lake.write("feature_index", rows_of("feature_index", [features]), "shard-0000")
    times = [
        ("a", 0, 0.0, 10.0, True),
        ("a", 1, 10.0, 60.0, True),
        ("a", 2, None, None, False),
        ("c", 0, 0.0, 9.0, True),
    ]
    names = ("video_id", "chapter_index", "start_s", "end_s", "kept")
    chapters = [{**dict(zip(names, each, strict=True)), "source": "creator", "title": "Stir"} for each in times]
    reasons = [{**each, "reason": None if each["kept"] else "no start"} for each in chapters]
    lake.write("chapters", rows_of("chapters", reasons), "shard-0000")
    cuts = [(0, 0, None), (1, 1, "more than 0 cuts"), (2, 0, None)]
    quality = [
        {"video_id": "a", "clip_index": clip, "cuts": count, "words_per_s": 1.0 + clip, "reason": reason}
        for clip, count, reason in cuts
    ]
    rows = [{**row, "kept": row["reason"] is None, "spoken_language": "en"} for row in quality]
    lake.write("clip_quality", rows_of("clip_quality", rows), "shard-0000")
    shots = [(0.0, 10.0, None), (10.0, 12.0, "cut"), (12.0, 16.5, "cut"), (16.5, 40.0, "cut")]
    parts = [
        {"video_id": "a", "shot_index": index, "start_s": start_s, "end_s": end_s, "transition": how}
        for index, (start_s, end_s, how) in enumerate(shots)
    ]
    some = [{**part, "transition_s": 0.0 if part["transition"] else None, "measured_from": "x"} for part in parts]
    lake.write("shots", rows_of("shots", some), "shard-0000")
    return lake


def numbers(lake: Lake, name: str) -> dict[str, dict[str, float]]:
    """Measures by item of one statistic."""
    found: dict[str, dict[str, float]] = {}
    for item, measure, value in compute(lake, "videos", name)["item", "measure", "value"].iter_rows():
        found.setdefault(item, {})[measure] = value
    return found


def test_the_overview(counted: Lake) -> None:
    made = numbers(counted, "overview")["data set"]
    assert made == {
        "categories": 2,
        "sub_categories": 1,
        "tasks": 2,
        "videos": 2,
        "clips": 5,
        "clip_hours": pytest.approx(40.5 / 3600),
        "video_hours": 2.5,  # the file's own length where there is a file, else the search's
        "mean_video_minutes": 75,
        "clips_per_video": 2.5,
        "mean_clip_s": pytest.approx(8.1),
        "mean_caption_words": pytest.approx(13 / 5),
    }


def test_categories(counted: Lake) -> None:
    made = numbers(counted, "categories")
    assert list(made) == ["Home", "Food"]
    assert {measure: made["Home"][measure] for measure in ("tasks", "videos", "clips", "video_hours")} == {
        "tasks": 1,
        "videos": 1,
        "clips": 4,
        "video_hours": 0.5,
    }


def test_the_funnel_counts_every_row_of_every_filter(counted: Lake) -> None:
    made = {item: measures["row_count"] for item, measures in numbers(counted, "funnel").items()}
    assert made == {
        "1 tasks: its verb is not physical": 2,
        "1 tasks: kept": 2,
        "2 candidate videos: kept": 3,
        "3 videos: kept": 2,
        "3 videos: fewer than 100 words": 1,
        "4 video files: kept": 1,
        "4 video files: failed": 1,
        "5 features: kept": 1,
        "6 clips: kept": 2,
        "6 clips: more than 0 cuts": 1,
    }


def test_the_quality_of_clips_has_quantiles_and_languages(counted: Lake) -> None:
    made = numbers(counted, "clip_quality")
    assert made["50 %"]["words_per_s"] == 2 and made["99 %"]["cuts"] == 1
    assert made["50 %"]["motion"] is None
    assert numbers(counted, "spoken_languages") == {"en": {"clips": 3, "share": 1}}


def test_the_shots_have_a_median_length(counted: Lake) -> None:
    cut = {"shots": 3, "share": 0.75, "mean_shot_s": 10, "median_shot_s": 4.5, "mean_transition_s": 0}
    assert numbers(counted, "shots")["cut"] == cut


def test_distributions(counted: Lake) -> None:
    clips = {
        name: {k: v["clips"] for k, v in numbers(counted, name).items()} for name in ("clip_seconds", "caption_words")
    }
    assert clips["clip_seconds"] == {"0 to 1 s": 1, "2 to 3 s": 1, "4 to 5 s": 2, "20 s and more": 1}
    assert clips["caption_words"] == {"1 words": 1, "2 words": 1, "3 words": 2, "4 words": 1}
    assert numbers(counted, "clips_per_video") == {"0 to 19": {"videos": 2, "share": 1}}
    assert numbers(counted, "quantiles")["50 %"] == {"clip_s": 4.0, "caption_words": 3, "clips_per_video": 1}
    assert numbers(counted, "quantiles")["95 %"] == {"clip_s": 30.0, "caption_words": 4, "clips_per_video": 4}


def test_chapters_of_kept_videos_are_counted(counted: Lake) -> None:
    made = numbers(counted, "chapters")
    assert made == {
        "creator": {
            "videos": 1,
            "chapters": 2,
            "chapters_per_video": 2,
            "mean_chapter_s": 30,
            "median_chapter_s": 30,
            "clips": 4,
            "clips_per_chapter": 2,
        }
    }


def test_ranks_rebuild_the_subsets_of_the_scale_study(counted: Lake) -> None:
    made = numbers(counted, "ranks")
    assert [(item, made[item]["videos"]) for item in ("top 2", "top 10", "top 20", "top 200")] == [
        ("top 2", 1),
        ("top 10", 1),
        ("top 20", 2),
        ("top 200", 2),
    ]
    assert made["top 40"]["videos_in_howto100m"] == 364_000
    assert {k: v["videos"] for k, v in numbers(counted, "rank_histogram").items()} == {"1 to 10": 1, "11 to 20": 1}


def test_words_and_sources(counted: Lake) -> None:
    assert {k: v["times"] for k, v in numbers(counted, "top_words").items()} == {
        "stir": 3,
        "bowl": 1,
        "dough": 1,
        "fold": 1,
    }
    assert numbers(counted, "spoken_words")["mean of a caption"]["words_without_stop_words"] == pytest.approx(6 / 5)
    assert numbers(counted, "caption_sources")["asr"] == {"videos": 2, "words": 100, "share_of_videos": 0.5}


def test_this_lake_is_compared_with_the_published_sets(counted: Lake) -> None:
    made = numbers(counted, "data_sets")
    assert made["this lake"] == {"tasks": 2, "videos": 2, "clips": 5, "video_hours": 2.0}
    assert made["How2"] == {"tasks": None, "videos": 13_168, "clips": 185_000, "video_hours": 298}


def test_every_query_answers_on_its_own_and_together(counted: Lake) -> None:
    names = list(statements("statistics/videos"))
    together = compute_all(counted, "videos")
    assert together["statistic"].unique(maintain_order=True).to_list() == names
    assert counted.write("dataset_statistics", together, "videos").rows == len(together)


def test_an_empty_lake_has_statistics_too(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    first = ("tasks", "videos", "candidate_videos", "caption_fetches", "clips", "video_files", "feature_index")
    for table in (*first, *sorted(DERIVED)):
        lake.write(table, rows_of(table, []))
    made = compute_all(lake, "videos")
    assert made.filter(statistic="overview", measure="clips")["value"].to_list() == [0]


def test_statistics_are_plotted_item_by_item() -> None:
    rows = [("videos", "funnel", 0, "1 tasks: kept", "row_count", 7.0), ("videos", "funnel", 1, "x" * 60, "share", 0.5)]
    statistics = load_tables()["dataset_statistics"].frame(rows)
    (axes,) = plots.bars(statistics, plots.FUNNEL_PANEL).axes
    assert [patch.get_width() for patch in axes.patches] == [7] and axes.get_yticklabels()[0].get_text() == rows[0][3]
    nothing = plots.bars(statistics, plots.VIDEO_PANELS).axes
    assert {text.get_text() for axes in nothing for text in axes.texts} == {"no data"}
