"""Zero-shot evaluation of one text-video model on one benchmark's published files, without a lake. Imports torch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from assets.joint_embedding.evaluation.benchmarks import ByMethod, Files, crosstask_benchmark
from assets.joint_embedding.evaluation.lake_benchmarks import CROSSTASK
from assets.joint_embedding.evaluation.text_video import (
    NoBenchmarkError,
    Progress,
    by_method,
    crosstask_zero_shot,
    listed_test_sets,
    zero_shot_retrieval,
)
from ml.crosstask.evaluation import published_splits
from ml.crosstask.files import CrossTask
from ml.joint_embedding.benchmark_evaluation import measure
from ml.joint_embedding.benchmarks import EvaluationSet
from ml.joint_embedding.text_video import JointTextVideo
from ml.text_video.model import Tower

BENCHMARKS = {"youcook2": ("YouCook2",), "msrvtt": ("MSR-VTT 1k-A", "MSR-VTT full"), "lsmdc": ("LSMDC",)}
"""Test sets by task."""
TASKS = (*BENCHMARKS, CROSSTASK)


def evaluate_tower(
    tower: Tower, task: str, root: Path, progress: Progress
) -> tuple[dict[str, ByMethod], dict[str, int]]:
    """Metrics by benchmark and method from raw videos, and the number of excluded clips or videos by reason.

    Raises:
        NoBenchmarkError: the folder has no list of the task.
    """
    if task == CROSSTASK:
        with TemporaryDirectory() as scratch:
            splits = published_splits(_crosstask(root))
            recalls, left_out = crosstask_zero_shot(root, tower, splits, Path(scratch), progress)
        return {"CrossTask": recalls}, left_out
    found: dict[str, ByMethod] = {}
    reasons: list[str] = []
    sets = listed_test_sets(root)
    for name in BENCHMARKS[task]:
        if name in sets:
            measured, excluded = zero_shot_retrieval(root, tower, sets[name](), progress)
            found |= by_method(name, tower.identity, measured)
            reasons += excluded.values()
    if not found:
        raise NoBenchmarkError(f"{root}: no list of {task}, such as {_first_file(root, task)}")
    return found, dict(Counter(reasons))


def evaluate_joint_embedding(
    model: JointTextVideo, task: str, root: Path, device: str
) -> tuple[dict[str, ByMethod], dict[str, int]]:
    """The same from published files of feature vectors.

    Raises:
        NoBenchmarkError: the folder has no list of the task.
    """
    if task == CROSSTASK:
        data = _crosstask(root)
        recalls, left_out = crosstask_benchmark(data, model.model, model.words, published_splits(data), device=device)
        return {"CrossTask": {model.identity: recalls["zero-shot"], "uniform": recalls["uniform"]}}, left_out
    found: dict[str, ByMethod] = {}
    for name, test in _feature_sets(task, root):
        found |= by_method(name, model.identity, measure(model.model, test, model.words, device))
    return found, {}


def texts_of(task: str, root: Path) -> list[str]:
    """All captions, or step texts, of a task's files of feature vectors.

    Raises:
        NoBenchmarkError: the folder has no files of the task.
    """
    if task == CROSSTASK:
        return [step for each in _crosstask(root).primary().values() for step in each.steps]
    return [caption for _, test in _feature_sets(task, root) for caption in test.captions]


def _feature_sets(task: str, root: Path) -> list[tuple[str, EvaluationSet]]:
    sets = Files(root).test_sets()
    found = [(name, sets[name]()) for name in BENCHMARKS[task] if name in sets]
    if not found:
        raise NoBenchmarkError(f"{root}: no files of {task}; docs/how-to/benchmarks.md lists them")
    return found


def _crosstask(root: Path) -> CrossTask:
    data = CrossTask(root / CROSSTASK)
    if not data.exists():
        raise NoBenchmarkError(f"{root}: no folder {CROSSTASK} with crosstask_release/tasks_primary.txt")
    return data


def _first_file(root: Path, task: str) -> str:
    files = Files(root)
    paths = {"youcook2": files.youcook2_test_clips, "msrvtt": files.msrvtt_test, "lsmdc": files.lsmdc_test}
    return paths[task].name
