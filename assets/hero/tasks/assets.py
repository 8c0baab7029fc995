"""Fine-tuning and evaluation of HERO on its benchmarks."""

from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import polars as pl

from assets.features.options import FeatureOptions
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.hero.options import TASKS, HeroOptions, HeroTaskOptions
from assets.lake import Lake, load_tables
from assets.models.assets import model_inputs, run_job
from assets.models.curves import curves
from assets.models.evaluations import evaluations_part
from assets.models.metrics import rounded
from assets.models.options import RuntimeOptions
from assets.models.store import publish
from assets.sources.protocol import VideoSource


def _task(name: str, title: str) -> dg.AssetsDefinition:
    """Fine-tuning of HERO on one benchmark, which writes its rows of the table ``evaluations``."""

    @dg.asset(
        name=f"hero_{name}",
        code_version="3",
        kinds={"pytorch"},
        pool="gpu",
        deps=["hero_pretraining"],
        metadata=evaluations_part(f"hero_{name}"),
        description=f"HERO fine-tuned on {title}: the official metrics on the validation split.",
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
        hero_task_options: dg.ResourceParam[HeroTaskOptions],
        runtime_options: dg.ResourceParam[RuntimeOptions],
        model_root: dg.ResourceParam[Path],
    ) -> dg.Output[pl.DataFrame]:
        from assets.hero.tasks.benchmarks import LakeTables, evaluations, fine_tuning_job

        with TemporaryDirectory() as scratch:
            job = fine_tuning_job(
                name,
                LakeTables(clips, FeatureReader(feature_index, features, feature_options.streams)),
                source,
                hero_options,
                hero_task_options,
                runtime_options,
                model_root,
                Path(scratch),
                model_inputs(context, lake),
            )
            if job is None:
                context.log.info(f"No files of {title}: set HOWTO_HERO_BENCHMARKS to their folder.")
                return dg.Output(load_tables()["evaluations"].frame(()))
            stored = run_job(context, job, runtime_options.processes)
        publish(model_root, f"hero_{name}")
        rows = evaluations(name, stored)
        loss = dg.MetadataValue.md(curves(stored.history, [("loss", ["loss"])]))
        metrics = dict(rows.filter(pl.col("method") == "fine-tuned").select("metric", "value").rows())
        # A plain value would be refused after a training in other processes.
        return dg.Output(rows, metadata={**rounded(metrics), "curves": loss})

    return task


hero_tvr, hero_how2r, hero_didemo, hero_msrvtt, hero_tvqa, hero_how2qa, hero_violin, hero_tvc = (
    _task(name, title) for name, title in TASKS.items()
)
