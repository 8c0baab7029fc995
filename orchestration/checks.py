"""One blocking schema check per asset: what the asset stored keeps its rules. See `artifacts` for the rules."""

from contextlib import nullcontext

import dagster as dg

from orchestration.artifacts import artifact_of


def schema_check(spec: dg.AssetSpec) -> dg.AssetChecksDefinition:
    """The blocking check that what an asset stored, or the partition just written, breaks no rule."""
    artifact = artifact_of(spec)

    # Of each partition by itself: otherwise a good one would hide a bad one.
    @dg.asset_check(
        asset=spec.key,
        name="schema",
        blocking=True,
        description=artifact.description,
        partitions_def=spec.partitions_def,
        required_resource_keys=set(artifact.resources),
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        partition = context.partition_key if spec.partitions_def else None
        resources = {name: getattr(context.resources, name) for name in artifact.resources}
        with resources["lake"].reading() if "lake" in resources else nullcontext():
            damaged = artifact.damage(resources, partition)
            broken = dict.fromkeys(damaged, 1) if damaged else artifact.violations(resources, partition)
        return dg.AssetCheckResult(
            passed=not broken,
            description="; ".join(f"{count} break: {rule}" for rule, count in broken.items()) or None,
            metadata={"rules broken": len(broken)},
        )

    return check
