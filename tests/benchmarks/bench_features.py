"""From video files to stored vectors: the shares of decoding, of the network and of everything else.

The videos are those of ``bench_decode``: H.264, 640 × 360, composed of real frames.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from assets.features.decode import decode_clips
from assets.features.extract import BATCH, VideoFile, extract_shard
from assets.features.store import FeatureStore
from ml.vision.registry import load_backbone
from ml.vision.sampling import SourceVideo
from tests.benchmarks.bench_decode import SECONDS, videos
from tests.benchmarks.results import Table

__all__ = ["videos"]


def test_extraction_by_efficientnet_lite0(videos: dict[str, Path], tmp_path: Path, table: Callable[..., Table]) -> None:
    backbone = load_backbone("efficientnet_lite0")
    files = [
        VideoFile(f"v{number}", path, f"sha-{number}", SourceVideo(25, SECONDS))
        for number, path in enumerate(videos.values())
    ]
    samplings = {backbone.name: backbone.sampling(files[0].video)}
    pictures = [clip.pictures for file in files for clip in decode_clips(file.path, samplings)]
    batches = [np.stack(pictures[start : start + BATCH]) for start in range(0, len(pictures), BATCH)]

    def decode() -> None:
        for file in files:
            for _ in decode_clips(file.path, samplings):
                pass

    def run_network() -> None:
        for batch in batches:
            backbone(batch)

    def extract() -> None:
        outcomes = extract_shard(files, [backbone], FeatureStore(tmp_path / str(time.time_ns())), "shard-0000")
        assert all(outcome.status == "ok" for outcome in outcomes)

    title = f"Feature extraction: {len(files)} videos of {SECONDS} s, {len(pictures)} pictures, EfficientNet-Lite0"
    shown = table(title, "stage", "wall s", "CPU s", "share of CPU", "video s per CPU s")
    measured = {
        "decoding": seconds(decode),
        "network": seconds(run_network),
        "decoding, network and storage": seconds(extract),
    }
    whole = measured["decoding, network and storage"][1]
    for name, (wall, cpu) in measured.items():
        shown.add(name, wall, cpu, cpu / whole, len(files) * SECONDS / cpu)


def seconds(work: Callable[[], None]) -> tuple[float, float]:
    """Wall seconds and CPU seconds of a second run."""
    work()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu
