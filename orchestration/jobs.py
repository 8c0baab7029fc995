"""The jobs of the UI: refreshes of a selection, maintenance, and the check of the sources."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from assets.features.store import FeatureStore
from assets.lake import Lake
from assets.lake.compaction import compact
from assets.models.store import clean_up_models, fetch_models
from assets.retention import clean_up_arrays as clean_up_arrays_of
from assets.retention import maintain
from orchestration.refresh import jobs_at_once, refresh_lake
from orchestration.selections import SELECTIONS
from orchestration.settings import Settings
from orchestration.tags import REFRESH

_DESCRIPTIONS = {
    "collect": "Search for videos and fetch their captions.",
    "build_features": "Fetch video files and compute their features.",
    "train": "Train and evaluate the models on the data of the lake.",
    "fine_tune": "Fine-tune HERO on each of its benchmarks: minutes each, on a GPU or on request.",
    "everything": "All but studies and fine-tuning: from the sources over the models to the card.",
    "study": "Compare choices with each other: minutes to hours, on request.",
}


def jobs(definitions: Callable[[], dg.Definitions], assets: Sequence[dg.AssetsDefinition]) -> list[dg.JobDefinition]:
    """The jobs of the UI.

    Args:
        definitions: makes the definitions that a refresh runs, also in another process.
        assets: all assets.
    """
    graph = AssetGraph.from_assets([*assets])
    targets = {name: dg.AssetSelection.from_string(each).resolve(graph) for name, each in SELECTIONS.items()}
    return [*(_refresh_job(name, definitions, keys) for name, keys in targets.items()), maintain_lake]


def _refresh_job(
    name: str, definitions: Callable[[], dg.Definitions], targets: AbstractSet[dg.AssetKey]
) -> dg.JobDefinition:
    """A job over assets of both partition dimensions, of which it makes only what is out of date.

    A Dagster asset job makes all that is selected, once, for one partition. This job plans instead, and starts a run
    per asset and partition. Its page links to the assets that it targets; its runs are tagged with the refresh.
    """

    @dg.op(name=f"refresh_{name}", description=_DESCRIPTIONS[name])
    def refresh(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
        context.instance.add_run_tags(context.run_id, {REFRESH: context.run_id})
        done = refresh_lake(
            definitions(),
            context.instance,
            SELECTIONS[name],
            context.log.info,
            within=context.run_id,
            launched_by=f"job {name}",
            jobs=jobs_at_once(settings.compute.jobs),
            definitions=definitions,
        )
        context.log.info(done.summary)
        if done.failed:
            failures = {str(step): reason for step, reason in done.failed.items()}
            raise dg.Failure(description=done.summary, metadata=failures)

    @dg.job(
        name=name,
        description=f"{_DESCRIPTIONS[name]} What is up to date is skipped.",
        metadata={key.to_user_string(): dg.MetadataValue.asset(key) for key in sorted(targets)},
    )
    def job() -> None:
        refresh()

    return job


@dg.op(out=dg.Out(dg.Nothing), description="Merge small files of the tables; contents stay, at every snapshot.")
def compact_tables(context: dg.OpExecutionContext, lake: dg.ResourceParam[Lake]) -> None:
    _log_counts(context, compact(lake, context.log.info))


@dg.op(
    ins={"compacted": dg.In(dg.Nothing)},
    description="Expire old snapshots that nothing names, and delete the files that no snapshot needs.",
)
def expire_snapshots(
    context: dg.OpExecutionContext,
    lake: dg.ResourceParam[Lake],
    model_root: dg.ResourceParam[Path],
    settings: dg.ResourceParam[Settings],
) -> None:
    fetch_models(model_root)  # models name snapshots that must stay
    done = maintain(lake, datetime.now(UTC) - timedelta(days=settings.operations.retention_days))
    _log_counts(context, done)


@dg.op(
    description="Delete older versions of the arrays that no model names, and older copies of models in object storage."
)
def clean_up_arrays(
    context: dg.OpExecutionContext,
    lake: dg.ResourceParam[Lake],
    features: dg.ResourceParam[FeatureStore],
    model_root: dg.ResourceParam[Path],
    settings: dg.ResourceParam[Settings],
) -> None:
    fetch_models(model_root)  # models name versions of arrays that must stay
    older = timedelta(days=settings.operations.retention_days)
    freed = clean_up_arrays_of(lake.root, features.root, older) + clean_up_models(model_root, older)
    context.log.info(f"{freed / 1e6:,.1f} MB of older arrays and models deleted")


def _log_counts(context: dg.OpExecutionContext, counts: Mapping[str, int]) -> None:
    context.log.info("; ".join(f"{name.replace('_', ' ')}: {count}" for name, count in counts.items()))


@dg.job(
    description="Merge small files; delete what was replaced more than HOWTO_RETENTION_DAYS ago, unless it is named."
)
def maintain_lake() -> None:
    expire_snapshots(compact_tables())
    clean_up_arrays()


CHECK_SOURCES = dg.define_asset_job(
    "check_sources",
    selection=dg.AssetSelection.assets("video_source", "retail_source"),
    description="Record what changed in the sources; automation conditions do the rest.",
)

SURVEY_AVAILABILITY = dg.define_asset_job(
    "survey_availability",
    selection=dg.AssetSelection.assets("availability", "link_rot"),
    description="Probe a random sample of the videos: how many can still be watched?",
)
