"""Trainings of all models on small data, and single steps of them, for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ml.cluster_gcn.train import Config as GraphConfig
from ml.cluster_gcn.train import cluster_task
from ml.crosstask.components import ComponentTask
from ml.crosstask.components import Config as ComponentConfig
from ml.distributed import gather
from ml.gradient_caching import backward
from ml.harness import TrainTask
from ml.hero.attention import SelfAttention
from ml.hero.downstream.finetune import FineTuning
from ml.hero.downstream.finetune import Settings as FineTuningSettings
from ml.hero.downstream.tasks.captioning import Captioning
from ml.hero.downstream.tasks.moment_retrieval import MomentRetrieval
from ml.hero.downstream.tasks.question_answering import QuestionAnswering
from ml.hero.downstream.tasks.video_entailment import VideoEntailment
from ml.hero.model import Hero
from ml.hero.pretraining.train import TASKS, PreTraining, Settings
from ml.joint_embedding.pairs import InMemoryPairs
from ml.joint_embedding.train import Config, EmbeddingTask
from ml.text.word_vectors import WordVectors
from tests.hero_videos import TINY, VOCABULARY, random_videos
from tests.ml.cluster_gcn.graphs import planted_communities
from tests.ml.crosstask.test_components import TASKS as COOKING
from tests.ml.crosstask.test_components import kitchen
from tests.ml.hero.downstream import test_tasks as downstream

CPU = torch.device("cpu")
DOWNSTREAM = {each.__name__: each for each in (MomentRetrieval, QuestionAnswering, VideoEntailment, Captioning)}
TRAININGS = (
    "joint embedding",
    "joint embedding, MIL-NCE",
    "joint embedding, best pairs",
    *(f"HERO pre-training, {task}" for task in TASKS),
    *(f"HERO fine-tuning, {task}" for task in DOWNSTREAM),
    "Cluster-GCN",
    "Cluster-GCN, several labels",
    "CrossTask",
)
"""Every training, with each objective or task that it may have."""


def training(name: str, folder: Path, device: torch.device = CPU) -> TrainTask[Any]:
    """A training of ``TRAININGS``."""
    torch.manual_seed(0)
    kind, _, variant = name.partition(", ")
    match kind:
        case "joint embedding":
            return embedding_task(variant, device)
        case "HERO pre-training":
            settings = Settings({variant: 1}, steps=60, warm_up=1, batch=6, span_share=1.0)  # type: ignore[dict-item]
            return PreTraining(random_videos(40), None, VOCABULARY, Hero(replace(TINY, dropout=0.1)), settings, device)
        case "HERO fine-tuning":
            moments = (downstream.MOMENTS,) if variant == "MomentRetrieval" else ()
            settings_of_task = FineTuningSettings(1e-3, 60, 1, batch=8)
            return FineTuning(downstream.task_of(DOWNSTREAM[variant], *moments), settings_of_task)
        case "Cluster-GCN":
            config = GraphConfig(hidden_dim=8, clusters=6, clusters_per_batch=2)
            return cluster_task(planted_communities(multi_label=bool(variant)), config, device)
    data, split = kitchen(folder, videos=4)
    return ComponentTask(data, COOKING, split.training, ComponentConfig(random_epochs=10), device)


def embedding_task(variant: str = "", device: torch.device = CPU) -> EmbeddingTask:
    """40 videos of 1 to 12 pairs, whose captions have 1 to 6 of 200 words."""
    rng = np.random.default_rng(0)
    words = WordVectors([f"w{number}" for number in range(200)], rng.standard_normal((200, 8)).astype(np.float32))
    videos = []
    for _ in range(40):
        pairs = int(rng.integers(1, 13))
        captions = [" ".join(f"w{word}" for word in rng.integers(0, 200, rng.integers(1, 7))) for _ in range(pairs)]
        videos.append((rng.standard_normal((pairs, 16)).astype(np.float16), captions))
    config = Config(embedding_dim=32, epochs=10, videos_per_batch=8, pairs_per_video=4)
    changes: dict[str, Any] = {"MIL-NCE": {"objective": "mil_nce"}, "best pairs": {"positive_share": 0.5}}
    return EmbeddingTask(InMemoryPairs(videos, words), None, words, replace(config, **changes.get(variant, {})), device)


def step_of(task: TrainTask[Any], step: int = 0) -> dict[str, Tensor]:
    """Losses of a step on the CPU, whose gradients are then those of the network's parameters."""
    accelerator = Accelerator(cpu=True)
    return backward(task.network, task.batches(step, 0, 1), lambda rows: task.losses(rows, step, gather), accelerator)


def without_dropout(network: nn.Module) -> None:
    """Random numbers differ between devices, and between a compiled network and another."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, SelfAttention):
            module.probability = 0.0
        if isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
