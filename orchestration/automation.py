"""When things run: jobs, schedules, sensors, and the condition under which automation makes an asset anew."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import and_

import dagster as dg
import httpx

from assets.features.store import FeatureStore
from assets.lake import Lake
from assets.sources.protocol import VideoSource
from assets.sources.retail import RetailSource
from ml.lance_shards import clean_up
from orchestration.settings import Settings

REFRESHED = ".dagster/howto/pid"
"""The tag, which the UI hides, of runs that a refresh made; its value is the process."""


class Requested(dg.AutomationCondition[dg.AssetKey]):
    """What automation has asked for at this look, whatever it is partitioned by.

    Dagster's own ``will_be_requested`` tells only of assets that could be in the same run.
    """

    @property
    def name(self) -> str:
        return "requested"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        asked_for = context.request_subsets_by_key.get(context.key, context.get_empty_subset())
        return dg.AutomationResult(context, asked_for)


def when_changed(above: Iterable[dg.AssetKey]) -> dg.AutomationCondition:
    """Run what is missing, and what has other inputs or other code than it was made from.

    A new version of the content counts, not that something was made again: what is the same as before ends there. An
    asset waits while anything ``above`` it is under way, so that it is made once and not once for each of its inputs,
    and while a blocking check of an input has not passed. What failed or was stopped waits for a change, or for
    somebody.
    """
    condition = dg.AutomationCondition
    other_inputs = condition.any_deps_match(condition.data_version_changed()).with_label("an input has other content")
    changed = (other_inputs | condition.code_version_changed()).with_label("other inputs or other code")
    # A refresh sees to all inputs itself. Any other run may have read them before they changed, right after it was
    # asked for too.
    refreshed = condition.any_new_update_has_run_tags(tag_keys={REFRESHED})
    seen_to = ((condition.newly_requested() & ~changed) | refreshed).with_label("asked for, or refreshed")
    not_yet_asked_for = condition.missing().newly_true().since(condition.newly_requested())
    missing = (condition.missing() & not_yet_asked_for).with_label("missing, not asked for yet")
    due = (missing | changed.since(seen_to).with_label("changed since asked for")).with_label("missing or changed")
    under_way = condition.in_progress() | Requested()
    waiting = [
        (~condition.asset_matches(key, under_way)).with_label(f"{key.to_user_string()} is not under way")
        for key in sorted(above)
    ]
    ready = ~condition.any_deps_missing() & condition.all_deps_blocking_checks_passed() & ~condition.in_progress()
    return reduce(and_, waiting, due & ready).with_label("due, inputs done")


LOOKED_AT = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=60), warn_window=timedelta(days=8))
"""Of sources that change: somebody, or the weekly schedule, looks at them. What follows is as new as its content."""

_STUDIES = "group:joint_embedding_studies or group:hero_studies or group:graph_studies"

EVERYTHING = f"not ({_STUDIES}) and not group:hero_tasks"
"""What is made unless something else is asked for: neither comparisons nor fine-tunings, which take longer."""

SELECTIONS = {
    "collect": "group:sources or group:tasks or group:videos or group:captions",
    "build_features": "group:media or group:features",
    "train": "group:joint_embedding or group:joint_embedding_evaluation or group:hero"
    ' or group:sources_synthetic or group:graph_evaluation or key:"cluster_gcn"',
    "fine_tune": "group:hero_tasks",
    "everything": EVERYTHING,
    "study": _STUDIES,
}
"""What each job refreshes, as a Dagster asset selection."""

_DESCRIPTIONS = {
    "collect": "Search for videos and fetch their captions.",
    "build_features": "Fetch video files and compute their features.",
    "train": "Train and evaluate the models on what the lake holds.",
    "fine_tune": "Fine-tune HERO on each of its benchmarks: minutes each, on a GPU or for those who ask.",
    "everything": "All but studies and fine-tuning: from the sources over the models to the card.",
    "study": "Compare choices with each other: minutes to hours, for those who ask.",
}


def _refresh_job(name: str) -> dg.JobDefinition:
    """A job over assets of both partition dimensions, which one Dagster asset job cannot span.

    It runs each asset and partition that is out of date as a run of its own and leaves the others alone.
    """

    @dg.op(name=f"refresh_{name}", description=_DESCRIPTIONS[name])
    def refresh(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
        from orchestration.refresh import refresh_lake

        done = refresh_lake(settings, context.instance, SELECTIONS[name], context.log.info, within=context.run_id)
        context.log.info(done.summary)
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
    done = lake.maintain(datetime.now(UTC) - timedelta(days=settings.operations.retention_days))
    context.log.info("; ".join(f"{name.replace('_', ' ')}: {count}" for name, count in done.items()))


@dg.op(description="Delete what arrays held before they were written anew.")
def clean_up_arrays(
    context: dg.OpExecutionContext, features: dg.ResourceParam[FeatureStore], settings: dg.ResourceParam[Settings]
) -> None:
    freed = clean_up(features.root, timedelta(days=settings.operations.retention_days))
    context.log.info(f"{freed / 1e6:,.1f} MB of older arrays deleted")


@dg.job(description="Keep the lake small: snapshots and arrays replaced more than HOWTO_RETENTION_DAYS ago go.")
def maintain_lake() -> None:
    expire_snapshots()
    clean_up_arrays()


def jobs() -> list[dg.JobDefinition]:
    """The jobs of the UI."""
    return [*map(_refresh_job, SELECTIONS), maintain_lake]


LOOK = dg.define_asset_job(
    "look_at_sources",
    selection=dg.AssetSelection.assets("video_source", "retail_source"),
    description="Notice what changed in the sources; automation conditions do the rest.",
)


def schedules() -> list[dg.ScheduleDefinition]:
    """Stopped until somebody starts them in the UI."""
    return [
        dg.ScheduleDefinition(
            name="weekly_look_at_sources",
            job=LOOK,
            cron_schedule="0 3 * * 1",
            execution_timezone="UTC",
            description="Look at the sources of articles, videos and transactions every Monday.",
        ),
        dg.ScheduleDefinition(
            name="daily_collect",
            job_name="collect",
            cron_schedule="0 4 * * *",
            execution_timezone="UTC",
            description="Search, fetch captions, and ask again for what is due, every night.",
        ),
        dg.ScheduleDefinition(
            name="weekly_maintenance",
            job=maintain_lake,
            cron_schedule="0 2 * * 0",
            execution_timezone="UTC",
            description="Delete what was replaced more than HOWTO_RETENTION_DAYS ago, every Sunday.",
        ),
    ]


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Stopped until somebody starts them in the UI: automation, new files and transactions, and alerts."""
    automation = dg.AutomationConditionSensorDefinition(
        "automation",
        target="*",
        use_user_code_server=True,  # where the conditions of our own are known
        description="As long as this is on: makes what is missing or has changed inputs, fine-tunings of HERO among it"
        " (minutes each); studies it leaves to those who ask.",
    )
    found: list[dg.SensorDefinition] = [automation]
    if settings.sources.kind == "folder":
        found.append(new_videos)
    if settings.retail.transactions is not None:
        found.append(new_transactions)
    if settings.operations.alert_webhook:
        found.append(_alert_sensor(settings.operations.alert_webhook.get_secret_value()))
    return found


@dg.sensor(target=dg.AssetSelection.assets("video_source"), minimum_interval_seconds=60)
def new_videos(
    context: dg.SensorEvaluationContext, source: dg.ResourceParam[VideoSource]
) -> dg.SensorResult | dg.SkipReason:
    """Looks once a minute whether files in the folder of videos came, went or changed."""
    return _noticed(context, source.version())


@dg.sensor(target=dg.AssetSelection.assets("retail_source"), minimum_interval_seconds=60)
def new_transactions(
    context: dg.SensorEvaluationContext, retail: dg.ResourceParam[RetailSource]
) -> dg.SensorResult | dg.SkipReason:
    """Looks once a minute whether the files of transactions or products changed."""
    return _noticed(context, retail.version())


def _noticed(context: dg.SensorEvaluationContext, version: str) -> dg.SensorResult | dg.SkipReason:
    if version == context.cursor:
        return dg.SkipReason("nothing changed")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=version)], cursor=version)


def _alert_sensor(webhook: str) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="alert_on_failure",
        minimum_interval_seconds=30,
        description="Posts each failed run to HOWTO_ALERT_WEBHOOK, in the form that Slack takes.",
    )
    def sensor(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        partition = run.tags.get("dagster/partition")
        where = f"run {run.run_id} of {run.job_name}" + (f" [{partition}]" if partition else "")
        reasons = [f"{event.step_key}: {_innermost(event)}" for event in context.get_step_failure_events()]
        text = "\n".join([f"{where} failed", *(reasons or [context.failure_event.message or "no reason is recorded"])])
        httpx.post(webhook, json={"text": text}, timeout=10).raise_for_status()

    return sensor


def _innermost(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    while error and error.cause:
        error = error.cause
    return error.message.strip() if error else "no reason is recorded"
