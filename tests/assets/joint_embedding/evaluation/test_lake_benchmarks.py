"""Which benchmarks a lake is measured on, and which videos of the synthetic world they hold."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.joint_embedding.evaluation.lake_benchmarks import LakeData, benchmark_root, of_their_task
from assets.joint_embedding.evaluation.options import BenchmarkOptions
from assets.lake import load_tables
from assets.sources.synthetic import SyntheticSource
from assets.sources.synthetic.ground_truth import steps_frame

SOURCE = SyntheticSource(tasks=6, videos_per_task=5, seed=0)
IDS = [f"synthetic-{number:05d}" for number in range(30)]


def test_a_video_found_for_another_task_shows_none_of_its_steps() -> None:
    steps = steps_frame(SOURCE, IDS)
    videos = pl.DataFrame({"video_id": IDS, "task_id": ["synthetic-2"] * len(IDS)})
    kept = of_their_task(SOURCE, videos, steps)
    assert 0 < len(kept) < len(IDS)
    texts = {
        tuple(own["step_text"])
        for _, own in steps.filter(pl.col("video_id").is_in(set(kept["video_id"]))).group_by("video_id")
    }
    first = next(iter(texts))
    assert all(set(other) & set(first) for other in texts)


def test_a_folder_of_files_goes_before_the_synthetic_ones(tmp_path: Path) -> None:
    nothing = pl.DataFrame()
    features = FeatureReader(load_tables()["feature_index"].frame([]), FeatureStore(tmp_path), ())
    data = LakeData(nothing, nothing, nothing, features)
    assert benchmark_root(BenchmarkOptions(tmp_path, 1), SOURCE, data, tmp_path / "scratch") == tmp_path
    assert not (tmp_path / "scratch").exists()
