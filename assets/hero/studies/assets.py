"""Ablations of HERO. They are materialized on request, not by automation."""

from typing import Literal

import dagster as dg
import polars as pl

from assets.hero.options import HeroOptions
from assets.metadata import part_of


def _hero_study(subject: Literal["tasks", "architecture", "corpus"], description: str) -> dg.AssetsDefinition:
    """An ablation on the synthetic world: trains several models, and scores moment retrieval and question answering."""

    @dg.asset(
        name=f"hero_{subject}_study",
        description=description,
        code_version="3",
        kinds={"pytorch"},
        pool="gpu",
        metadata=part_of("hero_studies", subject),
    )
    def study(
        context: dg.AssetExecutionContext,
        hero_options: dg.ResourceParam[HeroOptions],
        device: dg.ResourceParam[str],
    ) -> pl.DataFrame:
        from assets.hero.studies.comparisons import Effort, compare

        return compare([subject], [hero_options.seed], Effort(), device, context.log.info)

    return study


hero_tasks_study = _hero_study(
    "tasks", "Ablation: HERO's pre-training tasks, added one at a time, compared with no pre-training."
)
hero_architecture_study = _hero_study("architecture", "Ablation: HERO, and encoders without its hierarchy or fusion.")
hero_corpus_study = _hero_study("corpus", "Ablation: pre-training on TV-like videos, how-to-like videos, or both.")
