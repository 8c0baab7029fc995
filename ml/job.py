"""A training as a JSON file: what processes that share no memory receive. See the ``Job`` of each model."""

from __future__ import annotations

import argparse
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import torch.distributed
from pydantic import TypeAdapter

from ml.files import whole_file
from ml.harness import Entry, Runtime
from ml.training import ModelFolder, write_model_folder


class TrainingJob(ABC):
    """Base of the dataclasses that describe a training, from stored data to the model folder ``output``."""

    output: Path
    runtime: Runtime

    @abstractmethod
    def train(self, progress: Callable[[Entry], None] | None = None) -> ModelFolder:
        """Train; every process computes the same model."""

    def write(self, path: Path) -> None:
        """Write the job as JSON."""
        with whole_file(path) as new:
            new.write_bytes(TypeAdapter(type(self)).dump_json(self, fallback=str))

    @classmethod
    def read(cls, path: Path) -> Self:
        """The job that ``write`` wrote.

        Raises:
            pydantic.ValidationError: the file does not describe a job of this kind.
        """
        return TypeAdapter(cls).validate_json(path.read_bytes())

    def run(self, progress: Callable[[Entry], None] | None = None) -> None:
        """Train and write the model folder; of several processes, process 0 writes."""
        model = self.train(progress)
        if int(os.environ.get("RANK", "0")) == 0:
            write_model_folder(self.output, model.state, model.config, model.metrics, model.history, model.inputs)

    @classmethod
    def main(cls, arguments: Sequence[str] | None = None) -> None:
        """Train as a JSON file describes, in this process or in those of ``torchrun``; one line per epoch."""
        parser = argparse.ArgumentParser(description=cls.main.__doc__)
        parser.add_argument("--job", type=Path, required=True, help="JSON file of the job")
        job = cls.read(parser.parse_args(arguments).job)
        job = replace(job, runtime=replace(job.runtime, bar=True))  # type: ignore[type-var]
        job.run(lambda entry: print(json.dumps(entry), flush=True))
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
