"""When things run: jobs, schedules, and the automation condition of everything downstream of a source."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.lake import Lake
from orchestration.settings import Settings

EAGER = dg.AutomationCondition.eager()
"""Of every asset that has inputs: run when one of them changed and none is missing or under way."""

SELECTIONS = {
    "collect": "group:sources or group:tasks or group:videos or group:captions",
    "build_features": "group:media or group:features",
    "train": "group:training or group:evaluation",
    "everything": "*",
}
"""What each job refreshes, as a Dagster asset selection."""

_DESCRIPTIONS = {
    "collect": "Search for videos and fetch their captions.",
    "build_features": "Fetch video files and compute their features.",
    "train": "Train and evaluate the models on what the lake holds.",
    "everything": "From the sources to the statistics.",
}


def _refresh_job(name: str) -> dg.JobDefinition:
    """A job over assets of both partition dimensions, which one Dagster asset job cannot span.

    It runs each asset and partition that is out of date as a run of its own and leaves the others alone.
    """

    @dg.op(name=f"refresh_{name}", description=_DESCRIPTIONS[name])
    def refresh(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
        from orchestration.refresh import refresh_lake

        done = refresh_lake(settings, context.instance, SELECTIONS[name], say=context.log.info)
        if done.failed:
            failures = {str(step): reason for step, reason in done.failed.items()}
            raise dg.Failure(description=done.summary, metadata=failures)

    @dg.job(name=name, description=f"{_DESCRIPTIONS[name]} What is up to date is left alone.")
    def job() -> None:
        refresh()

    return job


@dg.op(description="Expire old snapshots of the lake and delete the files that no snapshot needs.")
def expire_snapshots(
    context: dg.OpExecutionContext, lake: dg.ResourceParam[Lake], settings: dg.ResourceParam[Settings]
) -> None:
    done = lake.maintain(datetime.now(UTC) - timedelta(days=settings.retention_days))
    context.log.info("; ".join(f"{name.replace('_', ' ')}: {count}" for name, count in done.items()))


@dg.job(description="Keep the lake small: snapshots older than HOWTO_RETENTION_DAYS go.")
def maintain_lake() -> None:
    expire_snapshots()


def jobs() -> list[dg.JobDefinition]:
    """The jobs of the UI."""
    return [*map(_refresh_job, SELECTIONS), maintain_lake]


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
