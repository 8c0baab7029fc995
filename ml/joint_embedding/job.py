"""A training of the joint embedding, from stored pairs to a model folder: by an asset, by hand or by ``torchrun``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ml.harness import Entry, Runtime
from ml.job import TrainingJob
from ml.joint_embedding.pair_store import PairStore, Place, StoredPairs
from ml.joint_embedding.train import Config, load_words, train
from ml.places import place
from ml.training import ModelFolder


@dataclass(frozen=True)
class Job(TrainingJob):
    """``python -m ml.joint_embedding.job --job FILE`` runs it.

    ``word_vectors`` is a model folder, ``pairs`` the folder or address of a ``PairStore``; ``provenance`` goes into the
    model's ``inputs.json``.
    """

    output: Path
    word_vectors: Path
    pairs: str
    training: list[Place]
    validation: list[Place]
    config: Config
    runtime: Runtime
    provenance: dict[str, Any]

    def train(self, progress: Callable[[Entry], None] | None = None) -> ModelFolder:
        words = load_words(self.word_vectors)
        store = PairStore(place(self.pairs))
        training, validation = (StoredPairs(store, places, words) for places in (self.training, self.validation))
        model, history = train(training, validation, words, self.config, self.runtime, progress)
        # Of equal epochs the last one, as in the training.
        chosen = max(reversed(history), key=lambda entry: entry.get("validation_R@10", entry["epoch"]))
        counts = {
            "videos": {"train": len(training), "validation": len(validation)},
            "pairs_without_known_words": {"train": training.without_words, "validation": validation.without_words},
        }
        inputs = {**self.provenance, "pairs": training.identity, **counts}
        return ModelFolder(
            model.state_dict(), {**asdict(self.config), **model.stored_config()}, chosen, history, inputs
        )


if __name__ == "__main__":
    Job.main()
