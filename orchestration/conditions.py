"""The automation condition: when automation makes an asset again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import dagster as dg

from orchestration.staleness import Staleness
from orchestration.stored import Stored
from orchestration.tags import CODE

_evaluations: WeakKeyDictionary[object, Staleness] = WeakKeyDictionary()
"""The staleness of each evaluation: all assets of one evaluation see one state of the instance."""

_in_progress: WeakKeyDictionary[object, dict[dg.AssetKey, bool]] = WeakKeyDictionary()
"""Whether anything makes an asset, by evaluation."""


class Requested(dg.AutomationCondition[dg.AssetKey]):
    """The partitions that automation has requested in the current evaluation, whatever the asset is partitioned by.

    Dagster's own ``will_be_requested`` covers only assets that could be in the same run.
    """

    @property
    def name(self) -> str:
        return "requested"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        requested = context.request_subsets_by_key.get(context.key, context.get_empty_subset())
        return dg.AutomationResult(context, requested)


class UpstreamInProgress(dg.AutomationCondition[dg.AssetKey]):
    """The partitions above which something is in progress or requested in the current evaluation.

    Only those of the upstream assets become conditions of their own, with their results in the UI: one condition per
    pair of assets would take most of the time of an evaluation.
    """

    def __init__(self, upstream: Iterable[dg.AssetKey]) -> None:
        self.upstream = sorted(upstream)

    @property
    def name(self) -> str:
        return "upstream_in_progress"

    async def evaluate(  # type: ignore[override]  # Dagster awaits coroutines, as its own operators return them.
        self, context: dg.AutomationContext[dg.AssetKey]
    ) -> dg.AutomationResult[dg.AssetKey]:
        condition = dg.AutomationCondition
        found, results = context.get_empty_subset(), []
        for place, key in enumerate(self.upstream):
            if _is_requested(context, key) or await _is_in_progress(context, key):
                child = context.for_child_condition(
                    condition.asset_matches(key, condition.in_progress() | Requested()),
                    [None, place],
                    context.candidate_subset,
                )
                results.append(await child.evaluate_async())
                found = found.compute_union(results[-1].true_subset)
        return dg.AutomationResult(context, found, child_results=results)


class OutOfDate(dg.AutomationCondition[dg.AssetKey]):
    """The partitions that ``Staleness`` calls out of date, except those that were requested or tried in this state.

    A partition waits while the content of an input fails a blocking check.

    The cursor holds the states that were requested. If it is lost, the runs of the instance still show what was tried,
    so that what failed or was stopped waits for another state, or for a person.

    Args:
        stored: what is stored; None: damage and requests that are due are no reason.
    """

    def __init__(self, stored: Stored | None = None) -> None:
        self.stored = stored

    @property
    def name(self) -> str:
        return "out_of_date"

    @property
    def requires_cursor(self) -> bool:
        return True

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        staleness = _staleness_of(context, self.stored)
        requested = _requested_states(context)
        states = {
            partition: staleness.state(context.key, partition)
            for partition in staleness.partitions(context.key)
            if staleness.reason(context.key, partition)
        }
        wanted = {
            partition
            for partition, state in states.items()
            if requested.get(_cursor_key(partition)) != state
            and not staleness.blocked(context.key, partition)
            and not _was_tried(staleness, context.key, partition)
        }
        kept = {key: state for key, state in requested.items() if state in states.values()}
        candidates = {_cursor_key(partition): state for partition, state in states.items()}
        return dg.AutomationResult(
            context,
            _among(context, wanted),
            cursor=json.dumps({"requested": kept, "candidates": candidates}),
        )


def when_out_of_date(upstream: Iterable[dg.AssetKey], stored: Stored | None = None) -> dg.AutomationCondition:
    """Run what ``Staleness`` calls out of date: missing, made from other inputs or code, damaged, or with requests due.

    A new version of the content counts; making the same content again does not. An asset waits while anything in
    ``upstream`` is in progress, so that it is made once and not once per input, and while a blocking check of an input
    has not passed. What failed or was stopped waits for a change, or for a person.
    """
    condition = dg.AutomationCondition
    idle = (~UpstreamInProgress(upstream)).with_label("nothing upstream is in progress")
    ready = ~condition.any_deps_missing() & ~condition.in_progress()
    return (OutOfDate(stored) & idle & ready).with_label("out of date, inputs done")


def _staleness_of(context: dg.AutomationContext[dg.AssetKey], stored: Stored | None) -> Staleness:
    view = context.asset_graph_view
    if view not in _evaluations:
        if stored:
            stored.begin_evaluation()
        _evaluations[view] = Staleness(view.asset_graph, view.instance, stored)
    return _evaluations[view]


def _is_requested(context: dg.AutomationContext[dg.AssetKey], key: dg.AssetKey) -> bool:
    requested = context.request_subsets_by_key.get(key)
    return requested is not None and not requested.is_empty


async def _is_in_progress(context: dg.AutomationContext[dg.AssetKey], key: dg.AssetKey) -> bool:
    """Whether a run or a backfill that has not ended makes any partition of an asset."""
    view = context.asset_graph_view
    known = _in_progress.setdefault(view, {})
    if key not in known:
        everything = view.get_full_subset(key=key)
        in_run = await view.compute_run_in_progress_subset(key=key, from_subset=everything)
        in_backfill = await view.compute_backfill_in_progress_subset(key=key, from_subset=everything)
        known[key] = not (in_run.is_empty and in_backfill.is_empty)
    return known[key]


def _requested_states(context: dg.AutomationContext[dg.AssetKey]) -> dict[str, str]:
    """The states that earlier evaluations requested, by partition."""
    cursor = json.loads(context.cursor or '{"requested": {}, "candidates": {}}')
    previous = context.get_previous_requested_subset(context.key)
    partitions = previous.expensively_compute_asset_partitions() if previous else ()
    names = {_cursor_key(each.partition_key) for each in partitions}
    now = {name: state for name, state in cursor["candidates"].items() if name in names}
    requested: dict[str, str] = cursor["requested"] | now
    return requested


def _was_tried(staleness: Staleness, key: dg.AssetKey, partition: str | None) -> bool:
    """Whether a run has tried to make a partition since its state changed last, and has ended."""
    made = staleness.latest(key).get(partition)
    since = max(made.storage_id if made else 0, staleness.newest_input(key, partition))
    # Nearly always this is decided by positions alone, which cost no query per partition.
    if staleness.planned(key, partition) <= since:
        return False
    planned = staleness.instance.get_latest_planned_materialization_info(key, partition)
    run = staleness.instance.get_run_by_id(planned.run_id) if planned else None
    if run is None or not run.is_finished:
        return False
    if (waiting := staleness.due(key, partition)) and _time_of(staleness.instance, run) < waiting.since:
        return False
    return run.tags.get(CODE) in (None, staleness.code)


def _time_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> float:
    """When a run was requested, in seconds."""
    record = instance.get_run_record_by_id(run.run_id)
    return record.create_timestamp.timestamp() if record else 0.0


def _among(context: dg.AutomationContext[dg.AssetKey], partitions: set[str | None]) -> Any:
    """The candidates that are among these partitions."""
    if None in partitions:
        return context.candidate_subset
    names = {partition for partition in partitions if partition is not None}
    return (
        context.candidate_subset.compute_intersection_with_partition_keys(names)
        if names
        else context.get_empty_subset()
    )


def _cursor_key(partition: str | None) -> str:
    return partition or ""
