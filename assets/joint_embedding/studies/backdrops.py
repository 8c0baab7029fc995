"""Pairs and benchmarks of synthetic videos with a backdrop: an element of the task in every frame and most captions.

A kitchen and a dish that appear throughout a real video identify it without its steps; other synthetic videos lack
such an element. Features are synthetic (``assets.sources.synthetic.frames``). Imports torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.joint_embedding.evaluation.synthetic_benchmarks import step_clips, write_crosstask
from assets.joint_embedding.studies.trials import Benchmarks, Setting
from assets.lake import load_tables
from assets.sources.synthetic import SyntheticSource
from assets.sources.synthetic.annotations import subtitles
from assets.sources.synthetic.frames import frame_features
from assets.sources.synthetic.ground_truth import steps_frame
from assets.sources.synthetic.world import draws
from ml.crosstask.evaluation import Split
from ml.joint_embedding.pair_store import PairStore, Place
from ml.joint_embedding.pairs import Stream, video_pairs
from ml.text.tokens import clean
from ml.text.word_vectors import train_word_vectors

TASKS, VIDEOS_PER_TASK = 40, 6
"""The first video of each task is a test video."""
DIM, INTERVAL_S = 128, 1.0
NAMED = 0.6
"""Share of the lines that mention the task."""


def backdrop_setting(
    strength: float, root: Path, word_dim: int, seed: int, device: str, progress: Callable[[str], None]
) -> tuple[Setting, list[Place]]:
    """The common setting of trainings on videos with backdrops, and their training pairs.

    Args:
        strength: weight of the backdrop in the features, relative to 1 for each object of a step; with 0, captions do
            not mention it either.
        root: an empty folder for pairs and benchmarks.
    """
    source = SyntheticSource(TASKS, VIDEOS_PER_TASK, seed)
    ids = [f"synthetic-{number:05d}" for number in range(TASKS * VIDEOS_PER_TASK)]
    held_out = ids[::VIDEOS_PER_TASK]

    @cache
    def streams_of(video_id: str) -> list[Stream]:
        return [Stream(frame_features(source, video_id, INTERVAL_S, DIM, strength), 1 / INTERVAL_S)]

    spoken = {i: _spoken(source, i, strength > 0) for i in ids if i not in held_out}
    store = PairStore(root / "pairs")
    pairs = ((i, video_pairs(streams_of(i), *lines)) for i, lines in spoken.items() if lines[2])
    places = store.write("backdrops", pairs, DIM)
    words = train_word_vectors([text for _, _, texts in spoken.values() for text in texts], word_dim, seed)

    steps = steps_frame(source, held_out)
    queries = step_clips(steps, streams_of, "test")
    if strength:
        shown_in = [queries.ids[clip].rpartition("_")[0] for clip in queries.clip_of_caption]
        texts = [_named(source, *each) for each in zip(shown_in, queries.captions, strict=True)]
        queries = replace(queries, captions=texts)
    tasks = {i: source.world.video(number * VIDEOS_PER_TASK).task.task_id for number, i in enumerate(held_out)}
    videos = pl.DataFrame(list(tasks.items()), schema=["video_id", "task_id"], orient="row")
    clips = load_tables()["clips"].frame([])
    crosstask = write_crosstask(root / "crosstask", source, videos, steps, clips, streams_of, related_share=0)
    splits = [Split([], list(crosstask.videos()))]
    benchmarks = Benchmarks({"synthetic steps": queries}, {}, crosstask, splits)
    return Setting(store, (), words, benchmarks, device, progress), places


def _spoken(
    source: SyntheticSource, video_id: str, named: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Start and end in seconds and text of each line; some lines mention the task."""
    rng = draws(source.world.seed, "backdrop", video_id)
    lines = subtitles(source, video_id)
    texts = [_named(source, video_id, line.text) if named and rng.random() < NAMED else line.text for line in lines]
    start_s, end_s = (np.array([getattr(line, name) for line in lines], float) for name in ("start_s", "end_s"))
    return start_s, end_s, [clean(text) for text in texts]


def _named(source: SyntheticSource, video_id: str, text: str) -> str:
    """The text with the product of the task: "stir the plate to make a simple cake"."""
    number = source.world.video_number(video_id)
    assert number is not None
    made, _, _ = source.world.video(number).task.title.partition(" with ")
    return f"{text} to {made.lower()}"
