"""Reports to Dagster in place of runs: a materialization and the results of its checks."""

from __future__ import annotations

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.utils import make_new_run_id


def report_materialization(
    instance: dg.DagsterInstance, graph: dg.AssetGraph, made: dg.AssetMaterialization, good: bool
) -> None:
    """Record a materialization, and that all checks of it passed (``good``) or failed."""
    instance.report_runless_asset_event(made)
    partitions = [made.partition] if made.partition else None
    (record,) = instance.fetch_materializations(dg.AssetRecordsFilter(made.asset_key, partitions), limit=1).records
    target = AssetCheckEvaluationTargetMaterializationData(
        storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
    )
    for check in graph.get_check_keys_for_assets({made.asset_key}):
        result = dg.AssetCheckEvaluation(
            made.asset_key,
            check.name,
            passed=good,
            metadata={},
            target_materialization_data=target,
            partition=made.partition if graph.get(check).partitions_def else None,
        )
        # Without a run, Dagster stores only the first evaluation of a check.
        event = DagsterEvent(DagsterEventType.ASSET_CHECK_EVALUATION.value, "reported", event_specific_data=result)
        instance.report_dagster_event(event, run_id=make_new_run_id())
