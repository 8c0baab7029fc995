"""Batches of the joint embedding and of HERO per second of one core, and how far worker processes raise that.

The peer is the way in which an earlier version of this project read the same batches: rows copied by Lance, texts
tokenised again in every batch, one read per clip, Python lists for HERO's packing, and numbers widened to float32 on
the host. Batches have the published sizes: 32 videos x 64 pairs of 4,096 numbers, and 1,024 clips of 4,352.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ml.hero.batch import AlignedVideo, aligned
from ml.hero.clip_store import Clip, ClipStore, StoredClips, _clip, tokenised
from ml.hero.config import PRESETS
from ml.hero.data.subtitles import Line
from ml.hero.pretraining.train import Settings, VideoBatches
from ml.hero.tokenizer import HeroTokenizer, trained
from ml.joint_embedding.pair_store import Place, StoredPairs
from ml.joint_embedding.train import PairBatches
from ml.loading import Share, read_ahead
from ml.text.word_vectors import WordVectors, pad
from tests.benchmarks import bench_joint_embedding as embedding
from tests.benchmarks.results import Table

CLIPS, HERO_BATCH, LINES = 256, 1024, 25


def cpu_seconds(read: Callable[[int], object], batches: int) -> float:
    """CPU seconds of a batch, after one that is not counted."""
    read(0)
    began = time.process_time()
    for step in range(1, 1 + batches):
        read(step)
    return (time.process_time() - began) / batches


def stored_pairs(root: Path) -> tuple[StoredPairs, list[Place], WordVectors]:
    embedding.write_world(root)
    store, words = embedding.PairStore(root / "pairs"), embedding.vocabulary()
    ids = store.open("shard-0000").to_table(columns=["video_id"])["video_id"].to_numpy()
    names, first, counts = np.unique(ids, return_index=True, return_counts=True)
    places = [Place(str(n), "shard-0000", int(f), int(c), "x") for n, f, c in zip(names, first, counts, strict=True)]
    return StoredPairs(store, places, words), places, words


def test_batches_of_the_joint_embedding(tmp_path: Path, table: Callable[..., Table]) -> None:
    pairs, _, words = stored_pairs(tmp_path)
    batches = PairBatches(pairs, embedding.CONFIG)
    array = embedding.PairStore(tmp_path / "pairs").open("shard-0000")

    def earlier(rows: NDArray[np.int64]) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
        distinct, places = np.unique(rows, return_inverse=True)
        found = array.take(distinct.tolist(), columns=["caption", "vector"])
        chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in found["vector"].chunks]
        vectors = np.empty((len(rows), pairs.dim), np.float16)
        vectors[:] = np.concatenate(chunks).reshape(-1, pairs.dim)[places]
        return vectors, pad(words.ids(found["caption"].to_pylist()))[places]

    def earlier_batch(step: int) -> object:
        rng = np.random.default_rng(step)
        videos = rng.permutation(embedding.VIDEOS)[:32]
        rows = (videos[:, None] * embedding.LINES + rng.integers(0, embedding.LINES, (32, 64))).reshape(-1)
        clips, ids = earlier(rows)
        return torch.from_numpy(clips).float(), torch.from_numpy(ids).unique(return_inverse=True)

    for ours, theirs in zip(pairs.take(np.arange(50)), earlier(np.arange(50)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    slow, fast = cpu_seconds(earlier_batch, 10), cpu_seconds(lambda step: batches(step, 0, 1), 20)
    report("Reading batches of the joint embedding, 32 videos x 64 pairs", table, slow, fast, batches)


def report(title: str, table: Callable[..., Table], slow: float, fast: float, batches: Any) -> None:
    measured = table(title, "method", "batches per CPU s", "relative to the earlier way")
    measured.add("earlier way, one core", 1 / slow, 1.0)
    measured.add("by step, one core", 1 / fast, slow / fast)
    for workers in (0, 2):
        read = iter(read_ahead(Share(batches), range(60), workers, pinned=False))
        for _ in range(5):
            next(read)
        began = time.perf_counter()
        count = sum(1 for _ in read)
        name = f"{workers} worker processes, batches per second" if workers else "a thread, batches per second"
        measured.add(name, count / (time.perf_counter() - began), None)


def spoken_clips(rng: np.random.Generator) -> list[Clip]:
    """Clips of 60 s with a row of features every 1.5 s and a line of some words every 2.4 s."""
    words = [f"word{number}" for number in range(2000)]
    clips = []
    for number in range(CLIPS):
        starts = np.arange(LINES) * 2.4
        texts = [" ".join(rng.choice(words, 1 + rng.poisson(5))) for _ in range(LINES)]
        lines = [Line(float(start), float(start) + 2.3, text) for start, text in zip(starts, texts, strict=True)]
        features = rng.standard_normal((40, PRESETS["paper"].frame_dim), np.float32).astype(np.float16)
        clips.append(Clip(f"clip-{number}", features, 1.5, lines))
    return clips


@pytest.mark.parametrize("task", ["mnce"])
def test_batches_of_hero(tmp_path: Path, table: Callable[..., Table], task: str) -> None:
    clips = spoken_clips(np.random.default_rng(0))
    tokenizer: HeroTokenizer = trained((line.text for clip in clips for line in clip.lines), 2048)
    store = ClipStore(tmp_path)
    places = store.write("shard-0000", clips)
    del clips
    videos = StoredClips(store, places, tokenizer.encode, tokenizer.identity)
    settings = Settings({task: 1}, batch=HERO_BATCH)  # type: ignore[dict-item]
    batches = VideoBatches(Repeated(videos), tokenizer.vocabulary, PRESETS["paper"], settings)
    array = store.open("shard-0000")

    def earlier_batch(step: int) -> object:
        numbers = np.random.default_rng(step).integers(0, CLIPS, HERO_BATCH)
        read = (_clip(array.take([number]).to_batches()[0], 0) for number in numbers.tolist())
        return earlier_collate([aligned(tokenised(clip, tokenizer.encode), PRESETS["paper"]) for clip in read])

    slow, fast = cpu_seconds(earlier_batch, 1), cpu_seconds(lambda step: batches(step, 0, 1), 3)
    measured = table(f"Reading batches of HERO, {HERO_BATCH} clips", "method", "clips per CPU s", "relative")
    measured.add("earlier way, one core", HERO_BATCH / slow, 1.0)
    measured.add("by step, one core", HERO_BATCH / fast, slow / fast)


class Repeated:
    """Clips as a larger collection: enough for a batch of the published size."""

    def __init__(self, clips: StoredClips) -> None:
        self.clips, self.identity = clips, clips.identity

    def __len__(self) -> int:
        return HERO_BATCH

    def take(self, numbers: Sequence[int], /) -> list[Any]:
        return self.clips.take([number % CLIPS for number in numbers])


def earlier_collate(videos: list[AlignedVideo]) -> object:
    """Packing by Python lists."""
    counts = [len(video.features) for video in videos]
    firsts = np.cumsum([0, *counts])
    matched: list[int] = []
    matched_positions: list[int] = []
    tokens: list[int] = []
    positions: list[int] = []
    spans = []
    for video, first in zip(videos, firsts.tolist(), strict=False):
        for passage in video.passages:
            frames, text = len(matched), len(tokens)
            matched += [first + frame for frame in passage.frames]
            matched_positions += range(len(passage.frames))
            tokens += [2, *passage.tokens]
            positions += range(1 + len(passage.tokens))
            spans.append((range(frames, len(matched)), range(text, len(tokens))))
    sequences = [[*own, *(len(matched) + token for token in text)] for own, text in spans]
    by_length = sorted(range(len(sequences)), key=lambda number: len(sequences[number]))
    order = [element for number in by_length for element in sequences[number]]
    rows = [list(range(first, first + count)) for first, count in zip(firsts.tolist(), counts, strict=False)]
    video_order = [element for row in sorted(rows, key=len) for element in row]
    lists = matched, matched_positions, tokens, positions, order, video_order
    return torch.from_numpy(np.concatenate([video.features for video in videos])).float(), *map(torch.tensor, lists)
