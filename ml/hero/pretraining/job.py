"""A pre-training of HERO, from stored clips to a model folder: by an asset, by hand or by ``torchrun``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from ml.harness import Entry, Runtime
from ml.hero.clip_store import ClipPlace, ClipStore, StoredClips
from ml.hero.config import HeroConfig
from ml.hero.pretraining.train import Settings, pretrain, score
from ml.hero.tokenizer import HeroTokenizer, load_tokenizer
from ml.job import TrainingJob
from ml.places import place
from ml.training import ModelFolder


@dataclass(frozen=True)
class Job(TrainingJob):
    """``python -m ml.hero.pretraining.job --job FILE`` runs it.

    ``tokenizer`` is a model folder, ``clips`` the folder or address of a ``ClipStore``; ``initial`` is a model folder
    of parameters to start from, as ``ml.hero.checkpoint`` writes it. ``vocabulary`` and ``frame_dim`` of ``config`` are
    replaced by those of the data. ``provenance`` goes into the model's ``inputs.json``.
    """

    output: Path
    tokenizer: Path
    clips: str
    training: list[ClipPlace]
    validation: list[ClipPlace]
    config: HeroConfig
    settings: Settings
    runtime: Runtime
    provenance: dict[str, Any]
    initial: Path | None = None

    def train(self, progress: Callable[[Entry], None] | None = None) -> ModelFolder:
        tokenizer, store = load_tokenizer(self.tokenizer), ClipStore(place(self.clips))
        training, validation = (
            StoredClips(store, own, tokenizer.encode, tokenizer.identity) for own in (self.training, self.validation)
        )
        if not len(training):
            raise ValueError("no clip with features is in the training split: nothing to pre-train HERO on")
        config = replace(self.config, vocabulary=padded_size(tokenizer), frame_dim=training.dim)
        initial = load_file(self.initial / "model.safetensors") if self.initial else None
        held_out = validation if len(validation) else None
        model, history = pretrain(
            training, held_out, tokenizer.vocabulary, config, self.settings, self.runtime, progress, initial
        )
        chosen = max(reversed(history), key=score)
        inputs = {**self.provenance, "clips": {"train": len(training), "validation": len(validation)}}
        inputs["content"] = training.identity
        written = {**model.stored_config(), **asdict(self.settings)}
        return ModelFolder(model.state_dict(), written, chosen, history, inputs)


def padded_size(tokenizer: HeroTokenizer) -> int:
    """Rows of the word embedding: the size of the vocabulary, rounded up to a multiple of 8 as published."""
    return -(-len(tokenizer) // 8) * 8


if __name__ == "__main__":
    Job.main()
