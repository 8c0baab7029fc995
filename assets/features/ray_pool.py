"""The features of a shard by a pool of Ray actors, on this machine or on a Ray cluster.

Belongs here: who works on which video, and collecting what comes back. What is done to a video is ``extract``. An actor
decodes and embeds; pictures never leave it. This process alone writes the arrays.
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

VIDEOS_A_TASK = 4
"""Videos that an actor is given at once: what the loss of an actor costs."""
CONNECTIONS = 3
"""Times that a cluster is asked whose server for this client does not start."""


@dataclass(frozen=True)
class _Work:
    """A video, and the streams whose rows are there already, with their number."""

    file: VideoFile
    there: dict[str, int]


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
    """The same as ``extract_shard``, by several actors.

    Rows are saved as they come back. A lost actor is replaced, and its videos in flight are done again. After the loss
    of this process the next call does only what is missing.

    Args:
        load: makes the networks; called here, and in each actor, to which it is pickled.
        actors: actors that work at the same time, with one CPU each; ``gpus``: GPUs, or a share of one, for each.
        Everything else, the result, and errors: as ``extract_shard``.
    """
    told = progress or (lambda outcome: None)
    shelf = _Shelf(files, load(), store, shard)
    outcomes = {(outcome.video_id, outcome.stream): outcome for outcome in shelf.there()}
    for outcome in outcomes.values():
        told(outcome)
    for made, rows in _results(shelf.missing(), load, shard, batch, actors, gpus):
        for stream, videos in rows.items():
            shelf.arrays[stream].append(videos)
        for outcome in made:
            if (outcome.video_id, outcome.stream) not in outcomes:
                outcomes[outcome.video_id, outcome.stream] = outcome
                told(outcome)
    shelf.finish(outcomes.values())
    return [outcomes[key] for key in sorted(outcomes)]


class _Shelf:
    """The arrays of a shard, and what they lack."""

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

    def there(self) -> Iterator[Extraction]:
        for file in self.files:
            for stream, rows in self.rows[file.video_id].items():
                rate_hz = float(self.backbones[stream].sampling(file.video).row_rate)
                yield Extraction(file.video_id, stream, rows, rate_hz, "ok")

    def missing(self) -> list[_Work]:
        work = (_Work(file, self.rows[file.video_id]) for file in self.files)
        return [each for each in work if len(each.there) < len(self.backbones)]

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
    """What the actors make of each task, in the order in which it is done."""
    if not work:
        return
    if not ray.is_initialized():
        _connect()
    items = [{"work": pickle.dumps(each)} for each in work]
    if not ray.util.client.ray.is_connected():
        yield from map(pickle.loads, _made(items, load, shard, batch, actors, gpus))
        return
    # Ray Data does not work through Ray's client: what drives it runs in the cluster.
    driver = ray.remote(num_cpus=0)(_Driver).remote(items, load, shard, batch, actors, gpus)
    while (result := ray.get(driver.next.remote())) is not None:  # type: ignore[attr-defined]
        yield pickle.loads(result)  # type: ignore[arg-type]


def _connect() -> None:
    """Take the cluster that RAY_ADDRESS names, or else this machine.

    A cluster that is reached by Ray's client starts a server for each client; if that fails to start, another is asked
    for.

    Raises:
        ConnectionError: a cluster that is reached by Ray's client does not answer.
    """
    address = os.environ.get("RAY_ADDRESS")
    here: dict[str, Any] = {} if address else {"include_dashboard": False}
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(ConnectionAbortedError),
        stop=tenacity.stop_after_attempt(CONNECTIONS),
        wait=tenacity.wait_fixed(1),
        reraise=True,
    )
    try:
        attempts(ray.init, address, log_to_driver=False, logging_level=logging.WARNING, **here)
    except ConnectionError as error:
        raise ConnectionError(f"RAY_ADDRESS={address}: no Ray cluster answers there ({error})") from error


class _Driver:
    """The results, one at a time, to who is not in the cluster."""

    def __init__(self, *work: Any) -> None:
        self.results = _made(*work)

    def next(self) -> bytes | None:
        """The next one; None after the last."""
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
    data = ray.data.from_items(items, override_num_blocks=-(-len(items) // VIDEOS_A_TASK)).map_batches(
        _Actor,
        fn_constructor_kwargs={"load": load, "shard": shard, "batch": batch},
        batch_size=VIDEOS_A_TASK,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1,
        num_gpus=gpus or None,
    )
    for row in data.iter_rows():
        yield row["result"]


class _Actor:
    """Holds the networks; takes a few videos at a time."""

    def __init__(self, load: Callable[[], Sequence[Backbone]], shard: str, batch: int) -> None:
        self.backbones, self.shard, self.batch = load(), shard, batch

    def __call__(self, batch: dict[str, NDArray[np.object_]]) -> dict[str, list[bytes]]:
        work = [pickle.loads(each) for each in batch["work"]]
        store = _InMemory(self.backbones, work)
        outcomes = extract_shard([each.file for each in work], self.backbones, store, self.shard, batch=self.batch)
        rows = {stream: array.rows_made for stream, array in store.arrays.items()}
        return {"result": [pickle.dumps((outcomes, rows))]}


class _InMemory(FeatureStore):
    """Takes the rows of an extraction instead of a disk."""

    def __init__(self, backbones: Sequence[Backbone], work: Sequence[_Work]) -> None:
        self.arrays = {each.name: _Taken(each, work) for each in backbones}

    def array(self, stream: str, shard: str) -> _Taken:
        return self.arrays[stream]


class _Taken(FeatureArray):
    def __init__(self, backbone: Backbone, work: Sequence[_Work]) -> None:
        self.there = {
            Source(each.file.video_id, each.file.sha256, backbone.fingerprint): each.there[backbone.name]
            for each in work
            if backbone.name in each.there
        }
        self.rows_made: list[VideoRows] = []

    def finished(self) -> dict[Source, int]:
        return self.there

    def append(self, videos: Sequence[VideoRows]) -> None:
        self.rows_made.extend(videos)

    def finish(self, wanted: Sequence[Source]) -> None:
        """The order is that of the array on disk."""
