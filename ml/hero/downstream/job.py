"""A fine-tuning of HERO, from a benchmark's files to a model folder: by an asset, by hand or by ``torchrun``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ml.harness import Entry, Runtime, Trainer
from ml.hero.downstream.benchmarks import BENCHMARKS
from ml.hero.downstream.finetune import FineTuning, Settings
from ml.hero.model import Hero
from ml.hero.tokenizer import load_tokenizer
from ml.job import TrainingJob
from ml.training import ModelFolder

PRE_TRAINED = "pre-trained"
"""Name of the metrics of the model before the fine-tuning, among those of the fine-tuned model."""


@dataclass(frozen=True)
class Job(TrainingJob):
    """``python -m ml.hero.downstream.job --job FILE`` runs it.

    ``hero`` and ``tokenizer`` are model folders, ``benchmark`` is a name in ``BENCHMARKS``, and ``data`` the folder of
    its files. ``content`` names the initial model and the content of the videos: a training of another content is not
    resumed. ``provenance`` goes into the model's ``inputs.json``.

    The metrics of the model folder are those of the best validation. If the pre-trained model can do the task, its
    metrics are there too, as ``pre-trained``.
    """

    output: Path
    hero: Path
    tokenizer: Path
    benchmark: str
    data: Path
    content: str
    settings: Settings
    runtime: Runtime
    provenance: dict[str, Any]

    def train(self, progress: Callable[[Entry], None] | None = None) -> ModelFolder:
        trainer, benchmark = Trainer(self.runtime, progress), BENCHMARKS[self.benchmark]
        examples = benchmark.examples(self.data, load_tokenizer(self.tokenizer), content=self.content)
        pretrained = Hero.from_pretrained(self.hero)
        task = benchmark.task(pretrained, examples)
        task.network.to(trainer.device)
        before = {PRE_TRAINED: task.evaluate()} if benchmark.zero_shot else {}
        history = trainer.fit(FineTuning(task, self.settings))
        best = max(reversed(history), key=lambda entry: entry[task.measure])
        config = {**pretrained.stored_config(), **asdict(self.settings), "benchmark": self.benchmark}
        if benchmark.head:
            config["task"] = benchmark.head
        counts = {"train": len(examples.training), "validation": len(examples.validation)}
        return ModelFolder(
            (task.network if benchmark.head else pretrained).state_dict(),
            config,
            {**best, **before},
            history,
            {**self.provenance, "content": self.content, "examples": counts},
        )


if __name__ == "__main__":
    Job.main()
