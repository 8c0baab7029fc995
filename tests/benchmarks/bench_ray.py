"""Features of synthetic videos by the demo's network: in one process, with one Ray actor and with two."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from assets.features.decode import probe
from assets.features.extract import Extraction, VideoFile, extract_shard
from assets.features.networks import load_networks
from assets.features.options import FeatureOptions
from assets.features.store import FeatureStore
from assets.sources.synthetic import SyntheticSource
from tests.benchmarks.results import Table

VIDEOS = 16


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[VideoFile]:
    folder = tmp_path_factory.mktemp("videos")
    source = SyntheticSource(tasks=VIDEOS, videos_per_task=1, seed=0)
    names = [f"synthetic-{index:05d}" for index in range(VIDEOS)]
    paths = {name: source.media(name, folder) for name in names}
    return [VideoFile(name, path, name, probe(path).source) for name, path in paths.items()]


@pytest.fixture
def local_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield
    ray.shutdown()


def test_ray_actors(files: list[VideoFile], local_ray: None, tmp_path: Path, table: Callable[..., Table]) -> None:
    from assets.features.ray_pool import extract_shard_by_ray

    options = FeatureOptions("demo", device="cpu")
    load = partial(load_networks, options)
    extractors: dict[str, Callable[[FeatureStore], list[Extraction]]] = {
        "in process": lambda store: extract_shard(files, load(), store, "shard-0000"),
        "1 Ray actor": lambda store: extract_shard_by_ray(files, load, store, "shard-0000", actors=1),
        "2 Ray actors": lambda store: extract_shard_by_ray(files, load, store, "shard-0000", actors=2),
    }
    seconds, rows = {}, {}
    for name, extract in extractors.items():
        store = FeatureStore(tmp_path / name)
        started = time.perf_counter()
        outcomes = extract(store)
        seconds[name] = time.perf_counter() - started
        assert all(outcome.status == "ok" for outcome in outcomes)
        rows[name] = [store.array(stream, "shard-0000").index() for stream in options.streams]
    title = (
        f"Ray actors: {VIDEOS} synthetic videos, {rows['in process'][0]['rows'].sum()} rows, start of actors included"
    )
    measured = table(title, "extraction", "s", "speed relative to 1 actor", "same content as in process")
    for name, taken in seconds.items():
        same = all(here.equals(there) for here, there in zip(rows[name], rows["in process"], strict=True))
        measured.add(name, taken, seconds["1 Ray actor"] / taken, "yes" if same else "no")
