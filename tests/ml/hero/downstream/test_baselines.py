"""F-TRM and H-TRM against plain computations of their definitions; both can replace HERO in every task."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ml.distributed import gather
from ml.hero.attention import Encoder
from ml.hero.baselines import FlatTransformer, HierarchicalTransformer
from ml.hero.batch import END, aligned, collate, packing_of
from ml.hero.config import PRESETS
from ml.hero.downstream.finetune import Task
from ml.hero.downstream.tasks.moment_retrieval import MomentRetrieval
from ml.hero.downstream.tasks.question_answering import QuestionAnswering
from ml.hero.model import Hero
from ml.hero.pretraining.train import TASKS, PreTraining, Settings
from tests.hero_videos import TINY, VOCABULARY, random_videos
from tests.ml.hero.downstream import colours
from tests.ml.hero.downstream.test_tasks import MOMENTS, examples
from tests.training import step_of

BASELINES = (FlatTransformer, HierarchicalTransformer)


def alone(encoder: Encoder, tokens: torch.Tensor) -> torch.Tensor:
    """One sequence through an encoder; what packing does is shown appended HERO's own tests."""
    for layer in encoder.layers:
        tokens = layer(tokens, packing_of(np.array([len(tokens)])))
    return tokens


def double(kind: type[Hero]) -> Hero:
    torch.manual_seed(0)
    return kind(TINY).double().eval()


def batch_of(count: int, appended=None):
    videos = [aligned(video, TINY) for video in random_videos(count)]
    batch = collate(videos, appended=appended)
    return videos, batch._replace(frames=batch.frames.double())


def test_sizes_at_the_published_widths() -> None:
    with torch.device("meta"):
        models = {kind: kind(PRESETS["paper"]) for kind in (*BASELINES, Hero)}
    counts = {kind: sum(parameter.numel() for parameter in model.parameters()) for kind, model in models.items()}
    assert counts == {FlatTransformer: 116_689_870, HierarchicalTransformer: 117_598_414, Hero: 121_037_262}


def test_f_trm_reads_a_video_as_one_sequence() -> None:
    model = double(FlatTransformer)
    assert len(model.cross_modal.encoder.layers) == TINY.cross_modal_layers + TINY.temporal_layers
    questions = [(5, 6), (), (7,)]
    videos, batch = batch_of(3, questions)
    frames, mask = model.encode(batch)
    f = model.cross_modal
    for row, own, video, question in zip(frames, mask, videos, questions, strict=True):
        features = torch.from_numpy(video.features).double()
        text = torch.tensor([token for passage in video.passages for token in (END, *passage.tokens)])
        parts = [
            f.embed_frames(features, torch.arange(len(features))),
            f.embed_text(text, torch.arange(len(text))),
            f.embed_text(torch.tensor(question, dtype=torch.int64), torch.arange(len(question))),
        ]
        torch.testing.assert_close(row[own], alone(f.encoder, torch.cat(parts))[: len(features)])
    appended = model.with_texts(videos, [(END, 5)] * 3)
    assert appended.tokens.equal(batch.tokens)  # a question is appended once, not to every subtitle


def test_h_trm_reads_subtitles_without_frames() -> None:
    model = double(HierarchicalTransformer)
    videos, batch = batch_of(3)
    frames, mask = model.encode(batch)
    f, c, transform = model.cross_modal, model.temporal, model.frame_transform
    for row, own, video in zip(frames, mask, videos, strict=True):
        features = torch.from_numpy(video.features).double()
        fused = torch.relu(transform[2](transform[0](features)))
        for passage in video.passages:
            text = torch.tensor([END, *passage.tokens])
            said = alone(f.encoder, f.embed_text(text, torch.arange(len(text)))).mean(0)
            fused[list(passage.frames)] += said
        embedded = c.norm(fused + c.positions.weight[: len(fused)])
        torch.testing.assert_close(row[own], alone(c.encoder, embedded))
    said, text = f(batch._replace(frames=torch.zeros_like(batch.frames)))
    for found, same in zip((said, text), f(batch), strict=True):
        torch.testing.assert_close(found, same)


@pytest.mark.parametrize("kind", BASELINES)
def test_they_are_pre_trained_by_every_task(kind: type[Hero]) -> None:
    for task in TASKS:
        settings = Settings({task: 1}, steps=2, warm_up=0, batch=4, span_share=1.0)
        learner = PreTraining(random_videos(6), None, VOCABULARY, kind(TINY), settings, torch.device("cpu"))
        losses = step_of(learner)
        assert torch.isfinite(losses["loss"])
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in learner.network.parameters())


@pytest.mark.parametrize("kind", BASELINES)
def test_they_learn_downstream_tasks(kind: type[Hero]) -> None:
    torch.manual_seed(0)
    model = kind(replace(colours.TINY, hidden=16))
    tasks = (
        MomentRetrieval(model, examples(colours.descriptions), MOMENTS),
        QuestionAnswering(model, examples(colours.questions)),
    )
    for task in tasks:
        assert descent(task) < 0.8


def descent(task: Task) -> float:
    """Loss of 16 examples after thirty steps on them, over that before."""
    network, batch = task.network, task.batch([*map(task.read, range(16))])
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = task.losses(network(batch, 1), 1, gather)["loss"]
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses[-1] / losses[0]
