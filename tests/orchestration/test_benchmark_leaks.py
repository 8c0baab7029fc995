"""Evaluation videos of benchmarks in the lake: what raw videos of benchmarks change in a lake that is made."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg

from assets.lake import Lake
from orchestration.definitions import build_defs
from orchestration.refresh import Refresh
from orchestration.settings import Settings
from tests.world import instance_in, small_settings

TRAININGS = "joint_embedding", "hero_pretraining"
TABLES = ("benchmark_references", "benchmark_frames", "benchmark_leaks")


def made_before_evaluation(defs: dg.Definitions) -> set[tuple[str, str | None]]:
    """The assets that a training needs, with their code versions."""
    graph = defs.resolve_asset_graph()
    needed = {key for name in TRAININGS for key in graph.get_ancestor_asset_keys(dg.AssetKey(name))}
    return {(key.to_user_string(), graph.get(key).code_version) for key in needed}


def test_a_video_that_shows_an_evaluation_video_is_not_trained_on(made: tuple[Settings, Path]) -> None:
    """MSR-VTT's raw video is one of the lake's under another name; without raw videos, nothing is out of date."""
    settings, records = made
    lake, root = Lake(settings.lake), settings.lake.parent / "benchmarks"
    trained = "SELECT video_id FROM training_manifest ORDER BY video_id"
    before = [video_id for (video_id,) in lake.sql(trained).fetchall()]
    uri = "SELECT uri FROM video_files WHERE video_id = $video_id"
    leaked = lake.sql(uri, video_id=before[0]).fetchall()[0][0]
    (root / "videos").mkdir(parents=True)
    shutil.copy(settings.lake / "media" / leaked, root / "videos" / f"video7{Path(leaked).suffix}")
    (root / "MSRVTT_JSFUSION_test.csv").write_text("key,vid_key,video_id,sentence\nret0,msr0,video7,a man cooks\n")

    paths = {"transactions": settings.retail.transactions, "products": settings.retail.products}
    with_videos = build_defs(small_settings(root.parent, **paths, benchmarks=root))
    changed = {name for name, _ in made_before_evaluation(with_videos) - made_before_evaluation(build_defs(settings))}
    assert changed == {"clip_quality", "hero_manifest", *TABLES}
    with instance_in(records) as instance:
        refresh = Refresh(with_videos, instance)
        assert refresh.run("+key:training_manifest or +key:hero_manifest"), refresh.failed
        ran = {key.to_user_string() for step in refresh.ran for key in step.keys}
        assert not ran & {"captions", "clips", "frame_statistics", "video_features", "visual_duplicates", "hero_clips"}
    assert lake.sql("SELECT video_id, benchmark, benchmark_video FROM benchmark_leaks").fetchall() == [
        (before[0], "MSR-VTT", "video7")
    ]
    assert [video_id for (video_id,) in lake.sql(trained).fetchall()] == before[1:]
    assert lake.sql("FROM hero_clips WHERE video_id = $leaked", leaked=before[0]).fetchall()
    assert not lake.sql("FROM hero_manifest WHERE video_id = $leaked", leaked=before[0]).fetchall()
    reasons = "SELECT DISTINCT video_id, reason FROM clip_quality WHERE NOT kept"
    assert lake.sql(reasons).fetchall() == [(before[0], "shows an evaluation video of a benchmark")]
