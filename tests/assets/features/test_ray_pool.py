"""Features by Ray actors: the same rows as in process, resume, and an actor that is killed at work."""

from __future__ import annotations

import logging
import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from assets.features.extract import VideoFile, extract_shard
from assets.features.store import FeatureArray, FeatureStore
from ml.vision.sampling import Sampling, SourceVideo

ray = pytest.importorskip("ray")
from assets.features.ray_pool import VIDEOS_PER_TASK, extract_shard_by_ray  # noqa: E402

SECONDS = 20


class Brightness:
    """A small network: mean brightness of each quarter of a picture; logs which process saw which video.

    The first process to see the video ``deadly`` is killed, as by a node that goes away.
    """

    name, fingerprint, dim = "brightness", "brightness-1", 4

    def __init__(self, journal: Path, deadly: int | None) -> None:
        self.journal, self.deadly = journal, deadly

    def sampling(self, video: SourceVideo) -> Sampling:
        return Sampling(Fraction(1), short_side=32, centre_crop=None)

    def __call__(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        # The colour of a picture identifies the video.
        seen = [round(int(clip.reshape(-1, 3)[0, 0]) / 10) for clip in clips]
        first = self.deadly in seen and str(self.deadly) not in pictures_seen(self.journal)
        with self.journal.open("a") as journal:
            journal.writelines(f"{os.getpid()} {video}\n" for video in seen)
        if first:
            os.kill(os.getpid(), signal.SIGKILL)
        return clips.reshape(len(clips), 4, -1).mean(2, dtype=np.float64).astype(np.float32)


def pictures_seen(journal: Path) -> Counter[str]:
    """The number of pictures that networks saw, by video."""
    return Counter(line.split()[1] for line in journal.read_text().splitlines())


@dataclass(frozen=True)
class Load:
    journal: Path
    deadly: int | None = None

    def __call__(self) -> list[Brightness]:
        self.journal.touch()
        return [Brightness(self.journal, self.deadly)]


def write_videos(folder: Path, count: int) -> list[VideoFile]:
    """Videos of one colour each, the sixth of which is empty."""
    made = []
    for index in range(count):
        path = folder / f"v{index:02d}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=2, options={"crf": "10"})
            stream.width, stream.height = 48, 32
            for second in range(2 * SECONDS):
                image = np.full((32, 48, 3), (10 * index, second, 90), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
            container.mux(stream.encode())
        made.append(VideoFile(path.stem, path, path.stem, SourceVideo(2, SECONDS)))
    made[5].path.write_bytes(b"")
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[VideoFile]:
    return write_videos(tmp_path_factory.mktemp("videos"), 4 * VIDEOS_PER_TASK)


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        yield
        ray.shutdown()


def content(array: FeatureArray) -> list[tuple[object, ...]]:
    return array.index().rows()


def test_actors_make_what_one_process_makes_though_one_is_killed(files: list[VideoFile], tmp_path: Path) -> None:
    here, there = FeatureStore(tmp_path / "here"), FeatureStore(tmp_path / "there")
    alone, many = Load(tmp_path / "alone"), Load(tmp_path / "many", deadly=9)
    expected = extract_shard(files, alone(), here, "shard-0000", batch=SECONDS)
    outcomes = extract_shard_by_ray(files, many, there, "shard-0000", batch=SECONDS, actors=2)
    assert outcomes == expected
    assert [outcome.video_id for outcome in outcomes if outcome.status == "failed"] == ["v05"]
    assert content(there.array("brightness", "shard-0000")) == content(here.array("brightness", "shard-0000"))

    workers = {line.split()[0] for line in many.journal.read_text().splitlines()}
    # Where an actor starts late, the other one and the replacement of the killed one do all the work.
    assert 2 <= len(workers) <= 3, "two actors, and the replacement of the killed one"
    again = pictures_seen(many.journal) - pictures_seen(alone.journal)
    tasks = {int(video) // VIDEOS_PER_TASK for video in again}
    # The rows of the task before may not have arrived when the actor was killed.
    assert 9 // VIDEOS_PER_TASK in tasks and len(tasks) <= 2, (
        "only what the killed actor had not delivered is done again"
    )


def test_a_second_call_does_what_is_missing(files: list[VideoFile], tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "arrays")
    load = Load(tmp_path / "journal")
    extract_shard(files[:3], load(), store, "shard-0000", batch=SECONDS)
    (tmp_path / "journal").write_text("")
    outcomes = extract_shard_by_ray(files[:6], load, store, "shard-0000", batch=SECONDS, actors=2)
    assert set(pictures_seen(tmp_path / "journal")) == {"3", "4"}
    assert [outcome.status for outcome in outcomes] == ["ok"] * 5 + ["failed"]
