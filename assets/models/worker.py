"""The process of a distributed training, launched by an asset through Dagster Pipes; it logs progress in the run."""

from __future__ import annotations

import argparse
from pathlib import Path

from dagster_pipes import open_dagster_pipes

from assets.progress import TrainingProgress
from ml.hero.downstream.benchmarks import BENCHMARKS
from ml.hero.downstream.job import Job as HeroTaskJob
from ml.hero.pretraining.job import Job as HeroJob
from ml.job import TrainingJob
from ml.joint_embedding.job import Job as JointEmbeddingJob

JOBS: dict[str, type[TrainingJob]] = {
    "joint_embedding": JointEmbeddingJob,
    "hero": HeroJob,
    **{f"hero_{name}": HeroTaskJob for name in BENCHMARKS},
}


def main() -> None:
    """``torchrun -m assets.models.worker --model NAME --job FILE``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", choices=JOBS, required=True, help="model to train")
    parser.add_argument("--job", type=Path, required=True, help="JSON file of the job")
    given = parser.parse_args()
    job = JOBS[given.model].read(given.job)
    with open_dagster_pipes() as pipes:
        job.run(TrainingProgress(pipes.log.info))


if __name__ == "__main__":
    main()
