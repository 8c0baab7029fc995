"""Extraction of a shard's features by a pool of Ray actors, on this machine or on a Ray cluster.

An actor decodes and embeds videos (see ``extract``) and returns vectors. Only this process writes the arrays.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import ray.data
import ray.util.client
import tenacity
from numpy.typing import NDArray

from assets.features.extract import BATCH, Extraction, Progress, VideoFile, extract_shard
from assets.features.store import FeatureArray, FeatureStore, Source, VideoRows
from ml.vision.backbone import Backbone

VIDEOS_PER_TASK = 4
"""Videos per task of an actor; the loss of an actor repeats at most as many."""
CONNECTIONS = 3
"""Attempts to connect to a cluster whose server for this client does not start."""


@dataclass(frozen=True)
class _Work:
    """A video, and the number of its stored rows by stream."""

    file: VideoFile
    stored: dict[str, int]


def extract_shard_by_ray(
    files: Sequence[VideoFile],
    load: Callable[[], Sequence[Backbone]],
    store: FeatureStore,
    shard: str,
    progress: Progress | None = None,
    batch: int = BATCH,
    actors: int = 2,
    gpus: float = 0,
) -> list[Extraction]:
    """Do the same as ``extract_shard`` with several actors.

    Rows are saved as actors return them. A lost actor is replaced, and its unfinished videos are repeated. If this
    process is lost, the next call extracts only what is missing.

    Args:
        load: loads the networks; called here and, pickled, in each actor.
        actors: number of actors, each with one CPU.
        gpus: GPUs per actor, or a fraction of one.

    The other arguments, the result and the errors are those of ``extract_shard``.
    """
    report = progress or (lambda outcome: None)
    state = _ShardState(files, load(), store, shard)
    outcomes = {(outcome.video_id, outcome.stream): outcome for outcome in state.finished()}
    for outcome in outcomes.values():
        report(outcome)
    for made, rows in _results(state.missing(), load, shard, batch, actors, gpus):
        for stream, videos in rows.items():
            state.arrays[stream].append(videos)
        for outcome in made:
            if (outcome.video_id, outcome.stream) not in outcomes:
                outcomes[outcome.video_id, outcome.stream] = outcome
                report(outcome)
    state.finish(outcomes.values())
    return [outcomes[key] for key in sorted(outcomes)]


class _ShardState:
    """The arrays of a shard, and the videos that they lack."""

    def __init__(
        self, files: Sequence[VideoFile], backbones: Sequence[Backbone], store: FeatureStore, shard: str
    ) -> None:
        self.files = files
        self.backbones = {backbone.name: backbone for backbone in backbones}
        self.arrays = {name: store.array(name, shard) for name in self.backbones}
        finished = {name: array.finished() for name, array in self.arrays.items()}
        self.rows = {
            file.video_id: {
                name: finished[name][source]
                for name in self.backbones
                if (source := self._source(file, name)) in finished[name]
            }
            for file in files
        }

    def _source(self, file: VideoFile, stream: str) -> Source:
        return Source(file.video_id, file.sha256, self.backbones[stream].fingerprint)

    def finished(self) -> Iterator[Extraction]:
        for file in self.files:
            for stream, rows in self.rows[file.video_id].items():
                rate_hz = float(self.backbones[stream].sampling(file.video).row_rate)
                yield Extraction(file.video_id, stream, rows, rate_hz, "ok")

    def missing(self) -> list[_Work]:
        work = (_Work(file, self.rows[file.video_id]) for file in self.files)
        return [each for each in work if len(each.stored) < len(self.backbones)]

    def finish(self, outcomes: Iterable[Extraction]) -> None:
        good = {(outcome.video_id, outcome.stream) for outcome in outcomes if outcome.status == "ok"}
        files = sorted(self.files, key=lambda file: file.video_id)
        for stream, array in self.arrays.items():
            array.finish([self._source(file, stream) for file in files if (file.video_id, stream) in good])


_Result = tuple[list[Extraction], dict[str, list[VideoRows]]]


def _results(
    work: Sequence[_Work],
    load: Callable[[], Sequence[Backbone]],
    shard: str,
    batch: int,
    actors: int,
    gpus: float,
) -> Iterator[_Result]:
    """The result of each task, in the order in which the actors finish."""
    if not work:
        return
    if not ray.is_initialized():
        _connect()
    items = [{"work": pickle.dumps(each)} for each in work]
    if not ray.util.client.ray.is_connected():
        yield from map(pickle.loads, _made(items, load, shard, batch, actors, gpus))
        return
    # Ray Data does not work through Ray's client, so its driver runs in the cluster.
    driver = ray.remote(num_cpus=0)(_Driver).remote(items, load, shard, batch, actors, gpus)
    while (result := ray.get(driver.next.remote())) is not None:  # type: ignore[attr-defined]
        yield pickle.loads(result)  # type: ignore[arg-type]


def _connect() -> None:
    """Connect to the cluster that RAY_ADDRESS names, or start one on this machine.

    A cluster that is reached by Ray's client starts one server per client; if the server does not start, the connection
    is tried again.

    Raises:
        ConnectionError: a cluster that is reached by Ray's client does not answer.
    """
    address = os.environ.get("RAY_ADDRESS")
    local: dict[str, Any] = {} if address else {"include_dashboard": False}
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(ConnectionAbortedError),
        stop=tenacity.stop_after_attempt(CONNECTIONS),
        wait=tenacity.wait_fixed(1),
        reraise=True,
    )
    try:
        attempts(ray.init, address, log_to_driver=False, logging_level=logging.WARNING, **local)
    except ConnectionError as error:
        raise ConnectionError(f"RAY_ADDRESS={address}: no Ray cluster answers there ({error})") from error


class _Driver:
    """Returns the results one at a time to a process outside the cluster."""

    def __init__(self, *work: Any) -> None:
        self.results = _made(*work)

    def next(self) -> bytes | None:
        """The next result; None after the last."""
        return next(self.results, None)


def _made(
    items: list[dict[str, bytes]],
    load: Callable[[], Sequence[Backbone]],
    shard: str,
    batch: int,
    actors: int,
    gpus: float,
) -> Iterator[bytes]:
    ray.data.DataContext.get_current().enable_progress_bars = False
    data = ray.data.from_items(items, override_num_blocks=-(-len(items) // VIDEOS_PER_TASK)).map_batches(
        _Actor,
        fn_constructor_kwargs={"load": load, "shard": shard, "batch": batch},
        batch_size=VIDEOS_PER_TASK,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1,
        num_gpus=gpus or None,
    )
    for row in data.iter_rows():
        yield row["result"]


class _Actor:
    """Holds the networks and extracts the features of a few videos per call."""

    def __init__(self, load: Callable[[], Sequence[Backbone]], shard: str, batch: int) -> None:
        self.backbones, self.shard, self.batch = load(), shard, batch

    def __call__(self, batch: dict[str, NDArray[np.object_]]) -> dict[str, list[bytes]]:
        work = [pickle.loads(each) for each in batch["work"]]
        store = _InMemory(self.backbones, work)
        outcomes = extract_shard([each.file for each in work], self.backbones, store, self.shard, batch=self.batch)
        rows = {stream: array.rows_made for stream, array in store.arrays.items()}
        return {"result": [pickle.dumps((outcomes, rows))]}


class _InMemory(FeatureStore):
    """Collects the rows of an extraction in memory."""

    def __init__(self, backbones: Sequence[Backbone], work: Sequence[_Work]) -> None:
        self.arrays = {each.name: _CollectedArray(each, work) for each in backbones}

    def array(self, stream: str, shard: str) -> _CollectedArray:
        return self.arrays[stream]


class _CollectedArray(FeatureArray):
    def __init__(self, backbone: Backbone, work: Sequence[_Work]) -> None:
        self.stored = {
            Source(each.file.video_id, each.file.sha256, backbone.fingerprint): each.stored[backbone.name]
            for each in work
            if backbone.name in each.stored
        }
        self.rows_made: list[VideoRows] = []

    def finished(self) -> dict[Source, int]:
        return self.stored

    def append(self, videos: Sequence[VideoRows]) -> None:
        self.rows_made.extend(videos)

    def finish(self, wanted: Sequence[Source]) -> None:
        """Nothing to do: the process that writes the arrays orders their rows."""
