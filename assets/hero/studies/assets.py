"""Assets that compare choices about HERO. They are made on request, not when their inputs change."""

from typing import Literal

import dagster as dg
import polars as pl

from assets.hero.options import HeroOptions


def _hero_study(subject: Literal["tasks", "architecture", "corpus"], description: str) -> dg.AssetsDefinition:
    """A study of HERO on the synthetic world: it trains several, and measures moments found and questions answered."""

    @dg.asset(
        name=f"hero_{subject}_study",
        description=description,
        code_version="2",
        kinds={"pytorch"},
        pool="gpu",
        metadata={"howto/table": "hero_studies", "howto/part": subject},
    )
    def study(
        context: dg.AssetExecutionContext,
        hero_options: dg.ResourceParam[HeroOptions],
        device: dg.ResourceParam[str],
    ) -> pl.DataFrame:
        from assets.hero.studies.comparisons import Effort, compare

        return compare([subject], [hero_options.seed], Effort(), device, context.log.info)

    return study


hero_tasks_study = _hero_study("tasks", "HERO's pre-training tasks, one more at a time, beside no pre-training.")
hero_architecture_study = _hero_study("architecture", "HERO beside encoders without its hierarchy or its fusion.")
hero_corpus_study = _hero_study("corpus", "HERO pre-trained on TV-like videos, on how-to-like ones, and on both.")
