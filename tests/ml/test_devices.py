"""Validation and search on a pretended GPU: no two devices are mixed, and the results are those of a CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ml.cluster_gcn.train import Config as GraphConfig
from ml.cluster_gcn.train import build, predict
from ml.crosstask.components import ComponentModel, component_costs
from ml.crosstask.evaluation import similarity_costs
from ml.harness import TrainTask
from ml.hero.downstream.tasks.moment_retrieval import MomentRetrieval
from ml.hero.downstream.tasks.video_retrieval import VideoRetrieval
from ml.hero.model import Hero
from ml.hero.search import MomentSearch
from ml.hero.video import Video
from ml.joint_embedding.alignment import align_captions
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pairs import Stream
from ml.joint_embedding.text_video import JointTextVideo
from ml.joint_embedding.train import EmbeddingTask
from ml.metrics.moments import Search
from tests.hero_videos import TINY, random_videos
from tests.ml.cluster_gcn.graphs import planted_communities
from tests.ml.crosstask.test_components import TASKS as COOKING
from tests.ml.hero.downstream import test_tasks as downstream
from tests.ml.test_alignment import WORDS
from tests.pretended_gpu import GPU, on_gpu, pretended_gpu
from tests.training import TRAININGS, training

Work = tuple[list[nn.Module], Callable[[], Any]]
"""Networks, and what is done with them."""


SEARCHES = (
    "clips",
    "alignment",
    "steps",
    "components",
    "products",
    "moments",
    "videos",
    "moments, both ways of scoring",
)


def test_devices_that_are_mixed_are_errors() -> None:
    rows = on_gpu(torch.ones(2, 3))
    with pretended_gpu():
        assert rows.device == torch.arange(2, device=GPU).device == rows.new_zeros(1).device == GPU
        assert (rows @ rows.T).cpu().device.type == "cpu" and float(rows.sum()) == 6
        with pytest.raises(RuntimeError, match="tensors on cuda:0 and on the CPU"):
            rows + torch.ones(3)
        with pytest.raises(TypeError, match="has no NumPy array"):
            rows.numpy()


def validation(name: str, folder: Path, move: Callable[[Any], Any]) -> Work:
    task: TrainTask[Any] = training(name, folder)
    if isinstance(task, EmbeddingTask):
        pairs = task.batches.pairs
        task.held_out = pairs.take(np.arange(30))
    if name.startswith("HERO pre-training"):
        task.held_out = random_videos(7, first_seed=90)  # type: ignore[attr-defined]
        task.device = move(torch.zeros(1)).device  # type: ignore[attr-defined]
    if name.startswith("Cluster-GCN"):
        task.inputs = move(task.inputs)  # type: ignore[attr-defined]
    return [task.network], task.validate


def searching(kind: str) -> Work:
    torch.manual_seed(0)
    rng, embedding = np.random.default_rng(0), JointEmbedding(7, 8, 5)
    model = JointTextVideo(embedding, WORDS)
    rows, texts = rng.standard_normal((40, 7)).astype(np.float32), ["word1 word2", "word3", "unknown"]
    times = np.array([1.0, 20.0, 30.0])
    hero = Hero(TINY).eval()
    videos: list[Video] = list(random_videos(5))
    match kind:
        case "clips":
            stream = [Stream(rows, 1.0)]
            return [embedding], lambda: (model.encode_text(texts), model.encode_clips(stream, times, times + 5))
        case "alignment":
            return [embedding], lambda: align_captions(model, [Stream(rows, 1.0)], times, times + 2, texts)
        case "steps":
            return [embedding], lambda: similarity_costs(embedding, WORDS, rows, texts)
        case "components":
            components = ComponentModel(7, COOKING)
            return [components], lambda: component_costs(components, COOKING["1"], rows)
        case "products":
            graph, config = planted_communities(), GraphConfig(hidden_dim=8)
            network = build(graph, config)
            return [network], lambda: predict(network, graph, config, network.feature_mean.device)
        case "moments":
            return [hero], lambda: MomentSearch(hero, lambda text: [5, 6], videos, Search()).find("a text")
        case "videos":
            task = downstream.task_of(VideoRetrieval)
            return [task.network], task.evaluate
    moments = downstream.task_of(MomentRetrieval, downstream.MOMENTS)
    return [moments.network], moments.evaluate_both_ways


def numbers(value: Any) -> Any:
    """A result as nested lists."""
    if isinstance(value, np.ndarray | Tensor):
        return value.tolist()
    if hasattr(value, "__dict__"):
        return numbers(vars(value))
    if isinstance(value, dict):
        return {name: numbers(each) for name, each in value.items() if name != "peak_memory_mib"}
    return [numbers(each) for each in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("name", TRAININGS)
def test_validation_mixes_no_devices(name: str, tmp_path: Path) -> None:
    before = validation(name, tmp_path, lambda tensor: tensor)[1]()
    modules, validate = validation(name, tmp_path, on_gpu)
    with pretended_gpu(*modules):
        assert numbers(validate()) == pytest.approx(numbers(before), rel=1e-3)


@pytest.mark.parametrize("kind", SEARCHES)
def test_search_mixes_no_devices(kind: str) -> None:
    before = searching(kind)[1]()
    modules, search = searching(kind)
    with pretended_gpu(*modules):
        found = search()
    torch.testing.assert_close(numbers(found), numbers(before), rtol=1e-3, atol=1e-4, equal_nan=True)
