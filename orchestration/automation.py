"""When things run: jobs, schedules, and the automation condition of everything downstream of a source."""

import dagster as dg

from assets.lake import Lake
from orchestration.settings import Settings

EAGER = dg.AutomationCondition.eager()
"""Of every asset that has inputs: run when one of them changed and none is missing or under way."""

GROUPS = {
    "collect": ("sources", "tasks", "videos", "captions"),
    "build_features": ("media", "features"),
    "train": ("training", "evaluation"),
}
"""Groups of assets that a job runs."""

_DESCRIPTIONS = {
    "collect": "Search for videos and fetch their captions.",
    "build_features": "Fetch video files and compute their features.",
    "train": "Train and evaluate the models on what the lake holds.",
}


@dg.op(description="Expire old snapshots of the lake and delete the files that no snapshot needs.")
def expire_snapshots(
    context: dg.OpExecutionContext, lake: dg.ResourceParam[Lake], settings: dg.ResourceParam[Settings]
) -> None:
    done = lake.maintain(settings.retention_days)
    context.log.info("; ".join(f"{name.replace('_', ' ')}: {count}" for name, count in done.items()))


@dg.job(description="Keep the lake small: snapshots older than HOWTO_RETENTION_DAYS go.")
def maintain_lake() -> None:
    expire_snapshots()


def jobs() -> list:
    """The jobs of the UI. A job over assets of two partition dimensions is launched for one of them at a time."""
    by_group = [
        dg.define_asset_job(name, selection=dg.AssetSelection.groups(*groups), description=_DESCRIPTIONS[name])
        for name, groups in GROUPS.items()
    ]
    everything = dg.define_asset_job(
        "everything", selection=dg.AssetSelection.all(), description="From the sources to the statistics."
    )
    return [*by_group, everything, maintain_lake]


def schedules() -> list[dg.ScheduleDefinition]:
    """Stopped until somebody starts them in the UI."""
    look = dg.define_asset_job(
        "look_at_sources",
        selection=dg.AssetSelection.assets("video_source", "retail_source"),
        description="Notice what changed in the sources; automation conditions do the rest.",
    )
    return [
        dg.ScheduleDefinition(
            name="daily_look_at_sources",
            job=look,
            cron_schedule="0 3 * * *",
            execution_timezone="UTC",
            description="Look at the sources every night.",
        )
    ]
