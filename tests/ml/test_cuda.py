"""What only a GPU can show: kernels, no waits in a step, compiled trainings, speed and memory. See ``docs/gpu.md``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ml import memory_estimate
from ml.harness import READ_EVERY, Runtime, Trainer, TrainTask, _Training
from ml.hero.attention import attend
from ml.hero.batch import Vocabulary, packing_of
from ml.hero.config import PRESETS
from ml.hero.downstream.finetune import FineTuning
from ml.hero.downstream.finetune import Settings as FineTuningSettings
from ml.hero.downstream.tasks.video_entailment import VideoEntailment
from ml.hero.model import Hero
from ml.hero.pretraining.train import PAPER, PreTraining, Settings
from ml.joint_embedding.pairs import InMemoryPairs
from ml.joint_embedding.train import Config, EmbeddingTask
from ml.loading import on_device
from ml.text.word_vectors import WordVectors
from orchestration.settings.presets import PRESETS as PRESETS_OF_SETTINGS
from tests.ml.hero.downstream import test_tasks as downstream
from tests.ml.test_memory_estimate import Clips
from tests.training import TRAININGS, training, without_dropout

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device; see docs/gpu.md"),
]
GPU = torch.device("cuda")
SHARE_OF_PRODUCTS = 0.6
"""Least speed of a step of the published joint embedding, relative to its matrix products alone in the same run."""


@contextmanager
def no_waits() -> Iterator[None]:
    """Waiting for the GPU is an error in this context."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("name", TRAININGS)
def test_a_step_does_not_wait_and_has_the_loss_of_a_cpu(name: str, precision: Any, tmp_path: Path) -> None:
    losses = []
    for device in (torch.device("cpu"), GPU):
        task = training(name, tmp_path / device.type, device)
        run = _Training(task, Trainer(Runtime(device=device.type, precision=precision if device == GPU else "no")))
        without_dropout(task.network)
        for step in range(3):
            parts = on_device(task.batches(step, 0, 1), device)
            torch.cuda.synchronize()
            if device == GPU and step:
                with no_waits():
                    run._step(step, parts)
            else:
                run._step(step, parts)
            if not step:
                losses.append(run.means.read()["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3 if precision == "no" else 5e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_call_for_all_lengths_equals_one_per_length(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    lengths = torch.randint(1, 120, (50,)).sort().values
    found = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(1)
        projected = torch.randn(int(lengths.sum()), 3, 4, 16).to(device, dtype).requires_grad_()
        packing = packing_of(lengths.numpy())
        attended = attend(projected, packing._replace(lengths=packing.lengths.to(device)), 0.0)
        attended.float().square().sum().backward()
        assert projected.grad is not None
        found.append((attended.detach().cpu().float(), projected.grad.cpu().float()))
    tolerance = 1e-4 if dtype == torch.float32 else 5e-2
    torch.testing.assert_close(found[1], found[0], atol=tolerance, rtol=tolerance)


def test_dropout_of_attention_keeps_the_mean() -> None:
    packing = packing_of(np.array([64] * 64))
    packing = packing._replace(lengths=packing.lengths.cuda())
    projected = torch.ones(64 * 64, 3, 2, 16, device=GPU)
    dropped = attend(projected, packing, 0.1)
    assert dropped.std() > 0 and float(dropped.mean()) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", ["joint embedding", "HERO pre-training, vsm"])
def test_a_compiled_training_learns_what_another_learns(name: str, tmp_path: Path) -> None:
    histories = []
    for compiled in (False, True):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        task = training(name, tmp_path / str(compiled), GPU)
        without_dropout(task.network)
        histories.append(Trainer(Runtime(device="cuda", compile=compiled)).fit(task))
    for one, other in zip(*histories, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=2e-2)
    assert sum(torch._dynamo.utils.counters["graph_break"].values()) == 0
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 6


def test_a_step_of_the_published_embedding_is_as_fast_as_its_products() -> None:
    """32 videos x 64 pairs, d = 4096, bfloat16, compiled; without reading data."""
    rng = np.random.default_rng(0)
    words = WordVectors([f"w{n}" for n in range(66_250)], rng.standard_normal((66_250, 300), np.float32))
    videos = [
        (
            rng.standard_normal((110, 4096), np.float32).astype(np.float16),
            [" ".join(f"w{min(int(word), 66_249)}" for word in rng.zipf(1.3, 8)) for _ in range(110)],
        )
        for _ in range(32)
    ]
    config = Config(embedding_dim=4096, epochs=200, videos_per_batch=32, pairs_per_video=64)
    task = EmbeddingTask(InMemoryPairs(videos, words), None, words, config, GPU)
    trainer = Trainer(Runtime(device="cuda", precision="bf16", compile=True))
    for module in task.compiled:
        module.compile(dynamic=True)
    run, parts = _Training(task, trainer), on_device(task.batches(0, 0, 1), GPU)
    step = seconds(lambda: run._step(0, parts))
    x, w = torch.randn(2048, 4096, device=GPU).bfloat16(), torch.randn(4096, 4096, device=GPU).bfloat16()
    hidden, layer = torch.randn(1500, 4096, device=GPU).bfloat16(), torch.randn(300, 4096, device=GPU).bfloat16()
    learned = [torch.zeros(4096, 4096, device=GPU, requires_grad=True) for _ in range(4)]
    for each in learned:
        each.grad = torch.zeros_like(each)
    adam = torch.optim.Adam(learned, fused=True)

    def products() -> None:
        for _ in range(4):
            y = x @ w
            x.T @ y, y @ w.T
        scores = x @ x.T
        scores @ x, scores.T @ x, hidden @ layer.T
        adam.step()

    assert seconds(products) / step > SHARE_OF_PRODUCTS


def seconds(work: Callable[[], object], times: int = 20) -> float:
    """Seconds per call on the GPU, after some that are not counted."""
    for _ in range(5):
        work()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(times):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / times


def test_the_published_pre_training_uses_the_memory_that_was_estimated() -> None:
    """A step of 1,024 clips in parts of the preset paper."""
    settings = replace(PAPER, shares={"vsm": 1}, span_share=1.0)
    model = Hero(PRESETS["paper"])
    task = PreTraining(Clips(), None, Vocabulary(50_264, 4, 50_200), model, settings, GPU)
    parts = task.batches.in_parts(PRESETS_OF_SETTINGS["paper"]["part_tokens"])(0, 0, 1)
    expected = memory_estimate.estimate(task, parts, torch.bfloat16).total
    run = _Training(task, Trainer(Runtime(device="cuda", precision="bf16")))
    torch.cuda.reset_peak_memory_stats()
    on_gpu: Any = on_device(parts, GPU)
    for step in range(2):
        run._step(step, on_gpu)
    peak = torch.cuda.max_memory_allocated()
    assert 0.5 * expected < peak < 1.1 * expected < 80 * memory_estimate.GIB


@pytest.mark.parametrize("kind", ["pre-training", "fine-tuning"])
def test_a_training_with_too_little_memory_halves_its_parts_and_learns_the_same(kind: str) -> None:
    """The limit is one of torch's allocator, of which the estimate knows nothing: a step runs out of memory."""
    whole, tokens, peak = trained_within(1.0, kind)
    assert tokens is None
    available = torch.cuda.get_device_properties(GPU).total_memory
    limited, tokens, lower = trained_within(0.6 * peak / available, kind)
    assert tokens is not None and lower <= 0.6 * peak
    assert limited == pytest.approx(whole, rel=1e-3)


def trained_within(share: float, kind: str) -> tuple[list[float], int | None, int]:
    """With a share of the GPU's memory: losses of the epochs, the tokens of a part, and the peak in bytes."""
    task = large_training(kind, GPU)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    torch.cuda.set_per_process_memory_fraction(share)
    try:
        run = _Training(task, Trainer(Runtime(device="cuda")))
        losses = [entry["loss"] for entry in run.run()]
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    return losses, run.part_tokens, torch.cuda.max_memory_allocated()


def large_training(kind: str, device: torch.device, scale: int = 1) -> TrainTask[Any]:
    """Four steps without dropout, whose activations need some gigabytes, divided by ``scale``."""
    torch.manual_seed(0)
    if kind == "pre-training":
        config = replace(PRESETS["small"], frame_dim=PRESETS["paper"].frame_dim, vocabulary=50_272, dropout=0.0)
        settings = Settings({"mnce": 1}, steps=4, warm_up=1, batch=512 // scale, validate_every=2)
        return PreTraining(Clips(), None, Vocabulary(50_264, 4, 50_200), Hero(config), settings, device)
    entailment = downstream.task_of(VideoEntailment)
    entailment.network.to(device)
    return FineTuning(entailment, FineTuningSettings(1e-3, 4, 1, batch=8192 // scale, validate_every=2))


def test_a_training_reads_the_losses_only_every_so_many_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    task = training("joint embedding", tmp_path, GPU)
    original = Tensor.tolist

    def counted(tensor: Tensor) -> Any:
        reads.append(tensor.device.type)
        return original(tensor)

    monkeypatch.setattr(Tensor, "tolist", counted)
    Trainer(Runtime(device="cuda")).fit(task)
    epochs = task.steps // task.steps_per_epoch
    assert reads.count("cuda") <= task.steps // READ_EVERY + 2 * epochs
