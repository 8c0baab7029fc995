"""A pre-training from stored clips to a model folder, by hand, by torchrun or from an asset.

Belongs here: the file in which it is written down, and reading of what it names.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from ml.harness import Entry, Runtime
from ml.hero.clip_store import ClipPlace, ClipStore, StoredClips
from ml.hero.config import HeroConfig
from ml.hero.model import Hero
from ml.hero.pretraining.train import Settings, pretrain, score
from ml.hero.ranking import LossSettings
from ml.hero.tokenizer import HeroTokenizer, load_tokenizer
from ml.training import read_model_folder, write_model_folder


@dataclass(frozen=True)
class Job:
    """What processes that share no memory are given.

    ``tokenizer`` is a model folder, ``clips`` the root of a ``ClipStore``; ``initial`` is a model folder of parameters
    to start from, as ``ml.hero.checkpoint`` writes it. Of ``config``, vocabulary and width of the features follow from
    the data. ``provenance`` goes into the model's ``inputs.json``.
    """

    output: Path
    tokenizer: Path
    clips: Path
    training: list[ClipPlace]
    validation: list[ClipPlace]
    config: HeroConfig
    settings: Settings
    runtime: Runtime
    provenance: dict[str, Any]
    initial: Path | None = None

    def write(self, path: Path) -> None:
        """Write the job as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), default=str), encoding="utf-8")

    @staticmethod
    def read(path: Path) -> Job:
        """The job that ``write`` wrote."""
        record = json.loads(path.read_text(encoding="utf-8"))
        runtime, settings = record["runtime"], record["settings"]
        folders = {name: Path(runtime[name]) for name in ("checkpoints", "tensorboard") if runtime[name]}
        return Job(
            output=Path(record["output"]),
            tokenizer=Path(record["tokenizer"]),
            clips=Path(record["clips"]),
            training=[ClipPlace(**each) for each in record["training"]],
            validation=[ClipPlace(**each) for each in record["validation"]],
            config=HeroConfig(**record["config"]),
            settings=Settings(**{**settings, "matching": LossSettings(**settings["matching"])}),
            runtime=Runtime(**{**runtime, **folders}),
            provenance=record["provenance"],
            initial=Path(record["initial"]) if record["initial"] else None,
        )

    def run(self, progress: Callable[[Entry], None] | None = None) -> None:
        """Pre-train and write the model folder; of several processes, the first one writes."""
        tokenizer, store = load_tokenizer(self.tokenizer), ClipStore(self.clips)
        training, validation = (StoredClips(store, own, tokenizer.encode) for own in (self.training, self.validation))
        if not len(training):
            raise ValueError("no clip has features: nothing to pre-train HERO on")
        config = replace(self.config, vocabulary=padded_size(tokenizer), frame_dim=training.dim)
        initial = load_file(self.initial / "model.safetensors") if self.initial else None
        held_out = validation if len(validation) else None
        model, history = pretrain(
            training, held_out, tokenizer.vocabulary, config, self.settings, self.runtime, progress, initial
        )
        if int(os.environ.get("RANK", 0)):
            return
        chosen = max(reversed(history), key=score)
        inputs = {**self.provenance, "clips": {"train": len(training), "validation": len(validation)}}
        inputs["content"] = training.identity
        written = {"model": asdict(config), **asdict(self.settings)}
        write_model_folder(self.output, model.state_dict(), written, chosen, history, inputs)


def padded_size(tokenizer: HeroTokenizer) -> int:
    """Rows of the word embedding: those of the vocabulary up to the next multiple of 8, as published (D.1)."""
    return -(-len(tokenizer) // 8) * 8


def load_hero(folder: Path) -> Hero:
    """A pre-trained model in evaluation mode, on the CPU."""
    stored = read_model_folder(folder)
    model = Hero(HeroConfig(**stored.config["model"]))
    model.load_state_dict(stored.state)
    return model.eval()


def main(arguments: Sequence[str] | None = None) -> None:
    """``python -m ml.hero.pretraining.job --job FILE``, or the same by ``torchrun``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--job", type=Path, required=True, help="JSON file that Job.write wrote")
    job = Job.read(parser.parse_args(arguments).job)
    replace(job, runtime=replace(job.runtime, bar=True)).run(lambda entry: print(json.dumps(entry), flush=True))


if __name__ == "__main__":
    main()
