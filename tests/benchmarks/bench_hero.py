"""HERO's pre-training on packed sequences and on padded ones: videos per second, memory, and equal losses.

The peer has one row per subtitle, whose frames and text are padded to the longest, with an additive attention mask of
-10,000 as in the published code; its temporal transformer has one row per video. Parameters, attention kernel, heads
and losses are the same. Videos are synthetic: 60 to 90 s, a frame every 1.5 s, spoken lines of 1 to 5 s whose lengths
in tokens are geometric with mean 10, at most 60. Optimiser steps are the same for both and not timed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional

from ml.distributed import gather
from ml.gradient_caching import backward
from ml.hero.attention import Encoder, Packing
from ml.hero.batch import HeroBatch
from ml.hero.config import PRESETS, HeroConfig
from ml.hero.cross_modal import CrossModalTransformer
from ml.hero.model import Hero
from ml.hero.pretraining.train import PreTraining, Settings
from ml.hero.video import Subtitle, Video
from ml.memory_counters import resident_mib
from tests.benchmarks.results import Table
from tests.hero_videos import VOCABULARY, Videos

INTERVAL_S, MEAN_TOKENS, MOST_TOKENS = 1.5, 10, 60
MIX = ("mlm", "mlm", "mnce", "mnce", "fom", "vsm", "vsm")
"""Steps of each task in the published proportions (configuration of pre-training on HowTo100M)."""


class PaddedEncoder(nn.Module):
    """An encoder's layers over rows that are padded to the longest."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, stream: Tensor, packing: Packing) -> Tensor:
        mask = torch.arange(packing.longest) < packing.lengths[:, None]
        rows = stream.new_zeros(*mask.shape, stream.shape[1]).masked_scatter(mask[..., None], stream)
        bias = torch.where(mask, 0.0, -10_000.0)[:, None, None]
        for layer in self.encoder.layers:
            attention = layer.attention
            projected = attention.queries_keys_values(rows).unflatten(2, (3, attention.heads, -1))
            queries, keys, values = (each.transpose(1, 2) for each in projected.unbind(2))
            mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
            seen = attention.norm(rows + attention.output(mixed.transpose(1, 2).flatten(2)))
            rows = layer.norm(seen + layer.fc2(functional.gelu(layer.fc1(seen))))
        return rows[mask]


class PaddedCrossModal(CrossModalTransformer):
    """Frames and text of each subtitle are embedded in a row of their own."""

    def forward(self, batch: HeroBatch, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        hidden_frames = None if masked is None else masked[batch.matched]
        features = self.mask.apply_mask(batch.frames[batch.matched], hidden_frames)
        sizes = batch.packing.lengths
        rows = torch.empty_like(batch.order)
        rows[batch.order] = torch.arange(len(sizes)).repeat_interleave(sizes)
        of_frames, of_tokens = rows.split([len(batch.matched), len(batch.tokens)])
        frames = in_rows(self.embed_frames, features, batch.matched_positions, of_frames, len(sizes))
        text = in_rows(self.embed_text, batch.tokens, batch.token_positions, of_tokens, len(sizes))
        stream = self.encoder(torch.cat([frames, text])[batch.order], batch.packing)
        both = torch.empty_like(stream).index_copy(0, batch.order, stream)
        return both[: len(frames)], both[len(frames) :]


def in_rows(
    embed: Callable[[Tensor, Tensor], Tensor], packed: Tensor, places: Tensor, rows: Tensor, count: int
) -> Tensor:
    """Unpack into padded rows ``[count, longest, ...]``, embed, and pack again."""
    longest = int(places.max()) + 1
    padded = packed.new_zeros(count, longest, *packed.shape[1:])
    padded[rows, places] = packed
    return embed(padded, torch.arange(longest).expand(count, longest))[rows, places]


class PaddedHero(Hero):
    """HERO on padded rows."""

    cross_modal_type = PaddedCrossModal

    def __init__(self, config: HeroConfig) -> None:
        super().__init__(config)
        self.cross_modal.encoder = PaddedEncoder(self.cross_modal.encoder)
        self.temporal.encoder = PaddedEncoder(self.temporal.encoder)


def spoken_video(seed: int, frame_dim: int, vocabulary: int) -> Video:
    """A synthetic video with the lengths in the module's description."""
    rng = np.random.default_rng(seed)
    duration_s = float(rng.uniform(60, 90))
    lines, start_s = [], 0.0
    while start_s < duration_s:
        end_s = start_s + float(rng.uniform(1, 5))
        tokens = rng.integers(4, vocabulary - 8, min(int(rng.geometric(1 / MEAN_TOKENS)), MOST_TOKENS))
        lines.append(Subtitle(start_s, end_s, tuple(tokens.tolist())))
        start_s = end_s + float(rng.uniform(0, 1))
    frames = rng.normal(size=(int(duration_s / INTERVAL_S), frame_dim)).astype(np.float32)
    return Video(f"video-{seed}", frames, INTERVAL_S, lines)


def measure(preset: str, videos: int, layout: str, steps: tuple[str, ...]) -> dict[str, Any]:
    """CPU seconds and loss of a step of each task, and how far the steps raise the peak of resident memory."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = replace(PRESETS[preset], dropout=0.0)
    source = Videos([spoken_video(seed, config.frame_dim, config.vocabulary) for seed in range(videos)])
    model = Hero(config) if layout == "packed" else PaddedHero(config)
    accelerator, before = Accelerator(cpu=True), resident_mib("VmHWM")
    found: dict[str, Any] = {"seconds": {}, "losses": {}}
    for task in dict.fromkeys(steps):
        settings = Settings({task: 1}, steps=10, warm_up=1, batch=videos, span_share=1.0)
        learner = PreTraining(source, None, VOCABULARY, model, settings, torch.device("cpu"))
        parts = learner.batches(0, 0, 1)
        taken = []
        for _ in range(5 if preset == "small" else 1):
            learner.optimiser.zero_grad()
            started = time.process_time()
            losses = backward(learner.network, parts, lambda rows: learner.losses(rows, 0, gather), accelerator)  # noqa: B023
            taken.append(time.process_time() - started)
        found["seconds"][task], found["losses"][task] = min(taken), float(losses["loss"])
    return {**found, "peak_mib": resident_mib("VmHWM") - before}


def in_a_process_of_its_own(*arguments: object) -> dict[str, Any]:
    """``measure`` in a new process, so that peaks of memory are separate."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_hero", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(("preset", "videos"), [("small", 8), ("paper", 4)])
def test_packed_and_padded(preset: str, videos: int, table: Callable[..., Table]) -> None:
    packed, padded = (in_a_process_of_its_own(preset, videos, layout) for layout in ("packed", "padded"))
    title = f"HERO pre-training, size {preset}, {videos} videos per step"
    measured = table(title, "measurement", "padded", "packed", "ratio", "difference of losses")
    for task, seconds in packed["seconds"].items():
        difference = abs(packed["losses"][task] - padded["losses"][task])
        slow = padded["seconds"][task]
        measured.add(f"{task}, CPU s per step", slow, seconds, slow / seconds, difference)
        assert difference < 1e-4 * max(1.0, abs(packed["losses"][task]))
    fast, slow = (len(MIX) * videos / sum(each["seconds"][task] for task in MIX) for each in (packed, padded))
    measured.add("videos per CPU s, published proportions of tasks", slow, fast, fast / slow, None)
    peaks = padded["peak_mib"], packed["peak_mib"]
    measured.add("peak memory of the steps, MiB", *peaks, peaks[0] / peaks[1], None)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), sys.argv[3], MIX)))
