"""Assets that fine-tune HERO on its benchmarks and evaluate it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import polars as pl

from assets.features.options import FeatureOptions
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.hero.options import TASKS, HeroOptions
from assets.hero.videos import LakeTables
from assets.lake import Lake
from assets.models.assets import told
from assets.models.curves import curves
from assets.models.evaluations import evaluations_part
from assets.models.options import RuntimeOptions
from assets.sources.protocol import VideoSource


def _task(name: str, title: str) -> dg.AssetsDefinition:
    """The fine-tuning of HERO on one benchmark, with its part of the table ``evaluations``."""

    @dg.asset(
        name=f"hero_{name}",
        code_version="1",
        kinds={"pytorch"},
        pool="gpu",
        deps=["hero_pretraining"],
        metadata=evaluations_part(f"hero_{name}"),
        description=f"HERO fine-tuned on {title}: its official metrics on the validation split.",
    )
    def task(
        context: dg.AssetExecutionContext,
        clips: pl.DataFrame,
        feature_index: pl.DataFrame,
        lake: dg.ResourceParam[Lake],
        source: dg.ResourceParam[VideoSource],
        features: dg.ResourceParam[FeatureStore],
        feature_options: dg.ResourceParam[FeatureOptions],
        hero_options: dg.ResourceParam[HeroOptions],
        runtime_options: dg.ResourceParam[RuntimeOptions],
        model_root: dg.ResourceParam[Path],
    ) -> pl.DataFrame:
        from assets.hero.tasks.benchmarks import BENCHMARKS, evaluated

        with TemporaryDirectory() as scratch:
            rows, history = evaluated(
                name,
                BENCHMARKS[name],
                LakeTables(clips, FeatureReader(feature_index, features, feature_options.streams)),
                source,
                hero_options,
                runtime_options,
                model_root,
                Path(scratch),
                lake.snapshot(),
                told(context),
            )
        if rows.is_empty():
            context.log.info(f"{title} is not there: set HOWTO_HERO_BENCHMARKS to the folder of its files.")
        else:
            shown = curves(history, [("loss", ["loss"])])
            found = dict(rows.filter(pl.col("method") == "fine-tuned").select("metric", "value").rows())
            context.add_output_metadata({**found, "curves": dg.MetadataValue.md(shown)})
        return rows

    return task


hero_tvr, hero_how2r, hero_didemo, hero_msrvtt, hero_tvqa, hero_how2qa, hero_violin, hero_tvc = (
    _task(name, title) for name, title in TASKS.items()
)
