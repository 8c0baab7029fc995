"""Evaluation on the paper's benchmarks in a folder, in every mode that the files allow. Imports torch.

See ``ml.joint_embedding.benchmarks`` for the file formats, ``ml.joint_embedding.benchmark_evaluation`` and
``ml.crosstask`` for the protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ml.crosstask.components import Config as ComponentConfig
from ml.crosstask.components import weakly_supervised
from ml.crosstask.evaluation import (
    Split,
    mean_of_splits,
    recall_over_splits,
    uniform,
    zero_shot,
)
from ml.crosstask.files import CrossTask
from ml.harness import Runtime
from ml.joint_embedding.benchmark_evaluation import FINE_TUNING, evaluate_benchmark
from ml.joint_embedding.benchmarks import (
    EvaluationSet,
    read_lsmdc,
    read_msrvtt,
    read_msrvtt_test,
    read_youcook2,
)
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.train import Config
from ml.metrics.localization import step_recall
from ml.text.word_vectors import WordVectors
from ml.training import pick_device

ByMethod = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Files:
    """Paths of the retrieval benchmarks' files in a folder."""

    root: Path

    @property
    def youcook2_training_clips(self) -> Path:
        return self.root / "youcook_train.csv"

    @property
    def youcook2_test_clips(self) -> Path:
        return self.root / "youcook_val.csv"

    @property
    def youcook2_training(self) -> Path:
        return self.root / "youcook_train.pkl"

    @property
    def youcook2_test(self) -> Path:
        return self.root / "youcook_val.pkl"

    @property
    def msrvtt_training(self) -> Path:
        return self.root / "MSRVTT_train.csv"

    @property
    def msrvtt_training_captions(self) -> Path:
        return self.root / "MSRVTT_data.json"

    @property
    def msrvtt_training_features(self) -> Path:
        return self.root / "msrvtt_train_features.pth"

    @property
    def msrvtt_test(self) -> Path:
        return self.root / "MSRVTT_JSFUSION_test.csv"

    @property
    def msrvtt_full(self) -> Path:
        return self.root / "MSRVTT_full_test.csv"

    @property
    def msrvtt_full_captions(self) -> Path:
        return self.root / "MSRVTT_full_test_data.json"

    @property
    def msrvtt_features(self) -> Path:
        return self.root / "msrvtt_test_features.pth"

    @property
    def lsmdc_training(self) -> Path:
        return self.root / "LSMDC16_annos_training.csv"

    @property
    def lsmdc_training_features(self) -> Path:
        return self.root / "lsmdc_train_features.pth"

    @property
    def lsmdc_test(self) -> Path:
        return self.root / "LSMDC16_challenge_1000_publictect.csv"

    @property
    def lsmdc_features(self) -> Path:
        return self.root / "lsmdc_test_features.pth"

    def test_sets(self) -> dict[str, Callable[[], EvaluationSet]]:
        """Readers of the test sets whose files exist, by benchmark."""
        found: dict[str, tuple[Path, Callable[[], EvaluationSet]]] = {
            "YouCook2": (self.youcook2_test, lambda: read_youcook2(self.youcook2_test, "validation")),
            "MSR-VTT 1k-A": (self.msrvtt_test, lambda: read_msrvtt_test(self.msrvtt_test, self.msrvtt_features)),
            "MSR-VTT full": (
                self.msrvtt_full,
                lambda: read_msrvtt(self.msrvtt_full, self.msrvtt_full_captions, self.msrvtt_features, "test"),
            ),
            "LSMDC": (self.lsmdc_test, lambda: read_lsmdc(self.lsmdc_test, self.lsmdc_features, "test")),
        }
        return {name: read for name, (path, read) in found.items() if path.exists()}

    def training_set(self, benchmark: str) -> EvaluationSet | None:
        """The training set of a benchmark; None if its files do not exist."""
        if benchmark == "YouCook2" and self.youcook2_training.exists():
            return read_youcook2(self.youcook2_training, "train")
        if benchmark.startswith("MSR-VTT") and self.msrvtt_training.exists():
            captions, features = self.msrvtt_training_captions, self.msrvtt_training_features
            return read_msrvtt(self.msrvtt_training, captions, features, "train")
        if benchmark == "LSMDC" and self.lsmdc_training.exists():
            return read_lsmdc(self.lsmdc_training, self.lsmdc_training_features, "train")
        return None


def retrieval_benchmarks(
    root: Path, model: JointEmbedding, words: WordVectors, config: Config = FINE_TUNING, runtime: Runtime | None = None
) -> dict[str, ByMethod]:
    """Metrics by benchmark with its direction, and by method.

    Methods are zero-shot, chance and, if the benchmark has a training set, from scratch and fine-tuned. The event file
    of a training is in ``<benchmark>_<method>`` in the folder ``tensorboard`` of ``runtime``.

    Raises:
        FileNotFoundError: the folder holds no benchmark.
    """
    files, runtime = Files(root), runtime or Runtime()
    found: dict[str, ByMethod] = {}
    for benchmark, read in files.test_sets().items():
        test, training = read(), files.training_set(benchmark)
        modes: dict[str, tuple[JointEmbedding | None, EvaluationSet | None]] = {"zero-shot": (model, None)}
        if training is not None:
            modes |= {"from scratch": (None, training), "fine-tuned": (model, training)}
        for method, (start, learned_from) in modes.items():
            folder = runtime.tensorboard and runtime.tensorboard / f"{benchmark}_{method}".replace(" ", "_")
            measured = evaluate_benchmark(
                start, learned_from, test, words, config, replace(runtime, tensorboard=folder)
            )
            for direction, metrics in measured.items():
                by_method = found.setdefault(f"{benchmark}, {direction.replace('_', ' ')}", {})
                by_method[method], by_method["chance"] = split_chance(metrics)
    if not found:
        raise FileNotFoundError(f"{root}: no benchmark file, such as {files.youcook2_test.name}")
    return found


def crosstask_benchmark(
    data: CrossTask,
    model: JointEmbedding,
    words: WordVectors,
    drawn: Sequence[Split],
    config: ComponentConfig | None = None,
    tensorboard: Path | None = None,
    device: str = "cpu",
) -> tuple[ByMethod, dict[str, int]]:
    """Step recalls by method, averaged over the splits, and the number of excluded videos by reason.

    Methods are zero-shot, uniform and, with ``config``, weakly supervised, which is trained once per split. The event
    file of a split's training is in ``tensorboard/split_<number>``.
    """
    target = pick_device(device)
    model = model.to(target)
    tested = list(dict.fromkeys(video for split in drawn for video in split.test))
    predicted = zero_shot(data, tested, model, words)
    found = {
        "zero-shot": recall_over_splits(predicted, drawn),
        "uniform": recall_over_splits(uniform(data, tested), drawn),
    }
    if config is not None:
        folders = [tensorboard and tensorboard / f"split_{number}" for number in range(1, len(drawn) + 1)]
        learned = (
            weakly_supervised(data, split, config, tensorboard=folder, device=target).hits.values()
            for split, folder in zip(drawn, folders, strict=True)
        )
        found["weakly supervised"] = mean_of_splits(map(step_recall, learned))
    reasons = list(predicted.left_out.values())
    return found, {reason: reasons.count(reason) for reason in sorted(set(reasons))}


def split_chance(metrics: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """The metrics of the method, and those of chance."""
    prefix = "chance_"
    guessed = {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
    measured = {name: value for name, value in metrics.items() if not name.startswith(prefix)}
    return measured, {**guessed, "queries": metrics["queries"]}
