"""A training step of the joint embedding, compared with the published procedure and with its matrix products alone.

The peer is our own code for the published procedure: one .npy file per video and stream, all words of every caption
through the word layer, float32, and one matrix per term of the hinge. Loading is included, batches are the same.
Also the pooling of clips, compared with a loop over them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ml.harness import Runtime
from ml.joint_embedding.clip_vectors import clip_vectors
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pair_store import PairStore, StoredPairs
from ml.joint_embedding.pairs import Stream, video_pairs
from ml.joint_embedding.train import Config, train
from ml.memory_counters import resident_mib
from ml.text.word_vectors import WordVectors
from tests.benchmarks.results import Table

VIDEOS, LINES, SECONDS = 64, 110, 390
DIM, WORD_DIM, VOCABULARY = 2048, 300, 30_000
TURNS = 3
CONFIG = Config(embedding_dim=4096, epochs=3, videos_per_batch=32, pairs_per_video=64, learning_rate=1e-4)


def vocabulary() -> WordVectors:
    rng = np.random.default_rng(0)
    return WordVectors(
        [f"w{index}" for index in range(VOCABULARY)], rng.standard_normal((VOCABULARY, WORD_DIM), np.float32)
    )


def captions(rng: np.random.Generator) -> list[str]:
    """Lines of four words on average, distributed by Zipf's law."""
    return [
        " ".join(f"w{min(word, VOCABULARY) - 1}" for word in rng.zipf(1.3, max(1, rng.poisson(4))))
        for _ in range(LINES)
    ]


def write_world(root: Path) -> None:
    """Synthetic videos with HowTo100M's averages: stored pairs, and a .npy file per video and stream for the peer."""
    rng = np.random.default_rng(1)
    start = np.linspace(0, SECONDS - 4, LINES)
    videos, lines = [], []
    for index in range(VIDEOS):
        own = captions(rng)
        streams = []
        for name, rate in (("2d", 1.0), ("3d", 1.5)):
            features = rng.standard_normal((int(SECONDS * rate), DIM), np.float32).astype(np.float16)
            np.save(root / f"{name}-{index}.npy", features)
            streams.append(Stream(features, rate))
        videos.append((f"v{index:03d}", video_pairs(streams, start, start + 3.9, own, min_time_s=0)))
        lines.append(own)
    PairStore(root / "pairs").write("shard-0000", videos, 2 * DIM)
    np.save(root / "captions.npy", np.array(lines))
    np.save(root / "start.npy", start)


def ours(root: Path, precision: str) -> None:
    from ml.joint_embedding.pair_store import Place

    table = PairStore(root / "pairs").open("shard-0000").to_table(columns=["video_id"])["video_id"].to_numpy()
    ids, first, counts = np.unique(table, return_index=True, return_counts=True)
    places = [Place(str(i), "shard-0000", int(f), int(c), "x") for i, f, c in zip(ids, first, counts, strict=True)]
    pairs = StoredPairs(PairStore(root / "pairs"), places, vocabulary())
    _, history = train(pairs, None, vocabulary(), CONFIG, Runtime("cpu", precision=precision))  # type: ignore[arg-type]
    report([entry["items_per_s"] for entry in history[1:]])


def report(throughput: list[float]) -> None:
    print("pairs/s", float(np.median(throughput)), resident_mib("VmHWM"))


def reference(root: Path) -> None:
    torch.manual_seed(0)
    words, lines, start = vocabulary(), np.load(root / "captions.npy"), np.load(root / "start.npy")
    rows = words.rows
    model = JointEmbedding(2 * DIM, WORD_DIM, 4096)
    optimiser = torch.optim.Adam(model.parameters(), 1e-4)
    rng, throughput = np.random.default_rng(0), []
    for step in range(4):
        began = time.perf_counter()
        clips, texts = [], []
        for video in range(32):
            streams = [np.load(root / f"{name}-{video}.npy").astype(np.float32) for name in ("2d", "3d")]
            for line in rng.integers(LINES, size=64):
                parts = []
                for features, rate in zip(streams, (1.0, 1.5), strict=True):
                    cut = torch.from_numpy(features[int(start[line] * rate) : int((start[line] + 3.9) * rate) + 1])
                    parts.append(functional.normalize(cut.max(0).values, dim=0))
                clips.append(torch.cat(parts))
                matrix = torch.zeros(20, WORD_DIM)
                for slot, word in enumerate(lines[video][line].split()[:20]):
                    matrix[slot] = torch.from_numpy(words.vectors[rows[word] - 1])
                texts.append(matrix)
        scores = model(torch.stack(clips), torch.stack(texts))
        loss = full_hinge(scores, 32, 64)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step:
            throughput.append(len(clips) / (time.perf_counter() - began))
    report(throughput)


def full_hinge(x: torch.Tensor, videos: int, pairs: int) -> torch.Tensor:
    own = x.diag()
    by_text = functional.relu(0.1 + x - own.view(-1, 1))
    by_clip = functional.relu(0.1 + x - own.view(1, -1))
    same = torch.kron(torch.eye(videos), torch.ones(pairs, pairs))
    weight = same * (videos * 0.5) + (1 - same) * (videos * 0.5 / (videos - 1))
    return ((weight * by_text).mean(1) + (weight * by_clip).mean(1)).mean()


def products(dtype: torch.dtype) -> float:
    """Seconds of the matrix products of one step: two layers per side, forward and backward, scores, distinct words.

    Those of the scores belong to the loss, which is float32 in every precision of the encoders.
    """
    n, d, distinct = 2048, 4096, 2300
    x, w, embeddings = torch.randn(n, d).to(dtype), torch.randn(d, d).to(dtype), torch.randn(n, d)
    words, layer = torch.randn(distinct, WORD_DIM).to(dtype), torch.randn(WORD_DIM, d).to(dtype)
    hidden = torch.randn(distinct, d).to(dtype)

    def step() -> None:
        for _ in range(4):
            y = x @ w
            x.T @ y
            y @ w.T
        scores = embeddings @ embeddings.T
        scores @ embeddings, scores.T @ embeddings
        words @ layer, words.T @ hidden

    step()
    began = time.perf_counter()
    for _ in range(3):
        step()
    return (time.perf_counter() - began) / 3


def child(root: Path, *arguments: str) -> tuple[float, float]:
    command = [sys.executable, "-m", "tests.benchmarks.bench_joint_embedding", str(root), *arguments]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = next(line for line in printed.splitlines() if line.startswith("pairs/s"))
    return float(line.split()[1]), float(line.split()[2])


def test_training_and_the_published_procedure(tmp_path: Path, table: Callable[..., Table]) -> None:
    """Medians of several turns; a turn measures the training and, right after it, its matrix products alone."""
    write_world(tmp_path)
    published, memory = child(tmp_path, "reference")
    columns = ("method", "pairs/s", "relative to the published procedure", "time relative to its products", "peak MiB")
    measured = table("Training of the joint embedding, 32 videos x 64 pairs, d = 4096", *columns)
    measured.add("published procedure, float32", published, 1, None, memory)
    for name, precision, dtype in (("float32", "no", torch.float32), ("bfloat16", "bf16", torch.bfloat16)):
        turns = [(*child(tmp_path, "ours", precision), 2048 / products(dtype)) for _ in range(TURNS)]
        speed, memory, bare = np.median(turns, axis=0)
        ratio = np.median([alone / trained for trained, _, alone in turns])
        measured.add(f"ours, {name}", speed, speed / published, ratio, memory)
        measured.add(f"matrix products alone, {name}", bare, bare / published, 1, None)


def test_pooling_of_clips(table: Callable[..., Table]) -> None:
    videos, lines = 60, 110
    rng = np.random.default_rng(0)
    features = rng.standard_normal((videos * SECONDS, DIM), np.float32).astype(np.float16)
    first, rows = np.arange(videos).repeat(lines) * SECONDS, np.full(videos * lines, SECONDS)
    start = np.tile(np.arange(lines) * 3.5, videos)

    def loop(end: NDArray[np.float64]) -> NDArray[np.float32]:
        vectors = np.zeros((len(first), DIM), np.float32)
        for clip, (own, s, e) in enumerate(zip(first, start, end, strict=True)):
            maximum = torch.from_numpy(features[own + int(s) : own + min(int(e) + 1, SECONDS)]).amax(0).float()
            functional.normalize(maximum, dim=0, out=torch.from_numpy(vectors[clip]))
        return vectors

    def at_once(end: NDArray[np.float64]) -> NDArray[np.float32]:
        return clip_vectors(features, start, end, 1.0, first, rows)[0]

    def by_video(end: NDArray[np.float64]) -> None:
        for video in range(videos):
            own = slice(video * lines, (video + 1) * lines)
            clip_vectors(features[video * SECONDS : (video + 1) * SECONDS], start[own], end[own], 1.0)

    def memory_alone(end: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.ones((len(end), DIM), np.float32)

    columns = (
        "clip length, and method",
        "median clips/s",
        "fastest clips/s",
        "clips per CPU s",
        "relative to the loop",
    )
    measured = table(f"Pooling {len(first):,} clips of dimension {DIM}", *columns)
    for title, seconds in (("4 s", np.full(len(first), 4.0)), ("0 to 16 s", rng.uniform(0, 16, len(first)))):
        assert np.allclose(loop(start + seconds), at_once(start + seconds), atol=1e-6)
        base = 0.0
        for pool in (loop, at_once, by_video, memory_alone):
            wall, processor = len(first) / seconds_of(pool, start + seconds)
            base = base or np.median(wall)
            name = f"{title}, {pool.__name__.replace('_', ' ')}"
            measured.add(name, np.median(wall), wall.max(), np.median(processor), np.median(wall) / base)


def seconds_of(pool: Callable[[NDArray[np.float64]], object], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Wall seconds and CPU seconds ``[2, calls]`` of nine calls, after one that is not counted."""
    times = []
    for _ in range(10):
        began = time.perf_counter(), time.process_time()
        pool(end)
        times.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    return np.array(times[1:]).T


if __name__ == "__main__":
    torch.set_num_threads(2)
    _root = Path(sys.argv[1])
    reference(_root) if sys.argv[2] == "reference" else ours(_root, sys.argv[3])
