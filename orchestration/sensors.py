"""The sensors of the UI: automation, new files and transactions, alerts. They are stopped until started there."""

import dagster as dg
import httpx

from assets.redaction import redact
from assets.sources.protocol import VideoSource
from assets.sources.retail import RetailSource
from orchestration.failures import NO_REASON, innermost_error
from orchestration.redaction import redacted_errors
from orchestration.settings import Settings
from orchestration.tags import CODE


def sensors(settings: Settings, code: str) -> list[dg.SensorDefinition]:
    """The sensors that the settings allow.

    Args:
        code: hash of the code versions of all assets (``code_hash``).
    """
    automation = dg.AutomationConditionSensorDefinition(
        "automation",
        target="*",
        run_tags={CODE: code},
        use_user_code_server=True,  # which knows this project's own conditions
        description="While this is on, makes what is missing or has changed inputs, including fine-tunings of HERO"
        " (minutes each); studies run on request only.",
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
    """Checks once per minute whether files in the folder of videos were added, removed or changed."""
    with redacted_errors():
        return _request_if_changed(context, source.version())


@dg.sensor(target=dg.AssetSelection.assets("retail_source"), minimum_interval_seconds=60)
def new_transactions(
    context: dg.SensorEvaluationContext, retail: dg.ResourceParam[RetailSource]
) -> dg.SensorResult | dg.SkipReason:
    """Checks once per minute whether the files of transactions or products changed."""
    with redacted_errors():
        return _request_if_changed(context, retail.version())


def _request_if_changed(context: dg.SensorEvaluationContext, version: str) -> dg.SensorResult | dg.SkipReason:
    if version == context.cursor:
        return dg.SkipReason("nothing changed")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=version)], cursor=version)


def _alert_sensor(webhook: str) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="alert_on_failure",
        minimum_interval_seconds=30,
        description="Posts each failed run to HOWTO_ALERT_WEBHOOK, in Slack's format.",
    )
    def sensor(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        partition = run.tags.get("dagster/partition")
        where = f"run {run.run_id} of {run.job_name}" + (f" [{partition}]" if partition else "")
        reasons = [f"{event.step_key}: {innermost_error(event)}" for event in context.get_step_failure_events()]
        text = "\n".join([f"{where} failed", *(reasons or [context.failure_event.message or NO_REASON])])
        with redacted_errors():
            httpx.post(webhook, json={"text": redact(text)}, timeout=10).raise_for_status()

    return sensor
