"""Damage of an asset is removed before the asset is made again, whatever launched the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial, wraps
from inspect import isgeneratorfunction
from typing import Any

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction

from orchestration.artifacts import artifact_of, repair
from orchestration.staleness import Materialization


def with_repair(definition: dg.AssetsDefinition, resources: Mapping[str, Any]) -> dg.AssetsDefinition:
    """The asset, whose steps first remove damage that they would keep or fail on."""
    artifacts = {spec.key: artifact_of(spec) for spec in definition.specs}
    compute = definition.op.compute_fn
    assert isinstance(compute, DecoratedOpFunction)
    function = compute.decorated_fn

    def remove_damage() -> None:
        context = dg.AssetExecutionContext.get()
        partition = context.partition_key if context.has_partition_key else None
        for key, artifact in artifacts.items():
            repair(artifact, resources, partition, partial(_recorded_version, context.instance, key, partition))

    @wraps(function)
    def returning(*args: Any, **inputs: Any) -> Any:
        remove_damage()
        return function(*args, **inputs)

    @wraps(function)
    def yielding(*args: Any, **inputs: Any) -> Iterator[Any]:
        remove_damage()
        yield from function(*args, **inputs)

    # Dagster reads the annotation of the result differently for a generator.
    repaired = yielding if isgeneratorfunction(function) else returning
    op = definition.op.with_replaced_properties(definition.op.name)
    op._compute_fn = DecoratedOpFunction(repaired)
    return dg.AssetsDefinition.dagster_internal_init(**{**definition.get_attributes_dict(), "node_def": op})


def _recorded_version(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None) -> str | None:
    """The content version that Dagster recorded when an asset was made last."""
    records = dg.AssetRecordsFilter(key, [partition] if partition else None)
    found = instance.fetch_materializations(records, limit=1).records
    return Materialization.read(found[0]).data_version if found else None
