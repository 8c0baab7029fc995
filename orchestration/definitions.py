"""The one entry point: the UI, the command line, the tests and a deployment all call ``build_defs(settings)``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from types import ModuleType
from typing import Any

import dagster as dg

import assets.captions.assets
import assets.card.assets
import assets.features.assets
import assets.graph.assets
import assets.graph.evaluation.assets
import assets.graph.studies.assets
import assets.hero.assets
import assets.hero.studies.assets
import assets.hero.tasks.assets
import assets.joint_embedding.assets
import assets.joint_embedding.evaluation.assets
import assets.joint_embedding.studies.assets
import assets.media.assets
import assets.sources.assets
import assets.sources.synthetic.assets
import assets.statistics.assets
import assets.tasks.assets
import assets.videos.assets
from assets.metadata import PART
from orchestration.artifacts import contract_of
from orchestration.checks import schema_check
from orchestration.compute import executor
from orchestration.conditions import when_changed
from orchestration.io_manager import column_schema
from orchestration.jobs import jobs
from orchestration.partitions import partitions_by_column
from orchestration.quality import quality_checks
from orchestration.resources import build_resources, options_version
from orchestration.schedules import schedules
from orchestration.sensors import sensors
from orchestration.settings import Settings, load_settings
from orchestration.settings.catalogue import as_markdown

STAGES = (
    assets.sources.assets,
    assets.tasks.assets,
    assets.videos.assets,
    assets.captions.assets,
    assets.media.assets,
    assets.features.assets,
    assets.joint_embedding.assets,
    assets.joint_embedding.evaluation.assets,
    assets.joint_embedding.studies.assets,
    assets.hero.assets,
    assets.hero.tasks.assets,
    assets.hero.studies.assets,
    assets.graph.assets,
    assets.graph.evaluation.assets,
    assets.graph.studies.assets,
    assets.statistics.assets,
    assets.card.assets,
)
_MODEL_SYSTEMS = ("joint_embedding", "hero", "graph")

SOURCE_FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=60), warn_window=timedelta(days=8))
"""Of sources that change: a person or the weekly schedule checks them. Other assets are as new as their inputs."""

# APIs that Dagster may still change are used on purpose; its version is pinned.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)


def group_of(stage: ModuleType) -> str:
    """The asset group of a stage: its folder below ``assets``, e.g. ``hero_tasks`` for ``assets/hero/tasks``."""
    return "_".join(stage.__name__.split(".")[1:-1])


def _with_contract_and_options(
    definition: dg.AssetsDefinition, settings: Settings, resources: Mapping[str, Any]
) -> dg.AssetsDefinition:
    """The asset with the columns of its table, its partitions, and the version of the options that it uses."""
    options = options_version(resources, set(definition.required_resource_keys), settings.lake)
    tables = {spec.key: table for spec in definition.specs if (table := contract_of(spec))}
    partitions = partitions_by_column(settings)
    columns = {table.partition_column for table in tables.values()}
    partitioned = next((partitions[column] for column in columns if column in partitions), None)

    def completed(spec: dg.AssetSpec) -> dg.AssetSpec:
        metadata = dict(spec.metadata)
        if spec.key in tables:
            metadata["dagster/column_schema"] = column_schema(tables[spec.key].name)
        if spec.group_name == "sources":
            metadata["settings in force"] = dg.MetadataValue.md(as_markdown(settings))
        return spec.replace_attributes(
            code_version="-".join(filter(None, [spec.code_version, options])),
            owners=["team:models" if str(spec.group_name).startswith(_MODEL_SYSTEMS) else "team:data"],
            freshness_policy=SOURCE_FRESHNESS if spec.key.to_user_string() in _changing_sources(settings) else None,
            partitions_def=partitioned if PART not in metadata else None,
            metadata=metadata,
        )

    return definition.map_asset_specs(completed)


def _changing_sources(settings: Settings) -> list[str]:
    """The source assets whose content may change while nothing in the project does."""
    changing = {
        "video_source": settings.sources.kind != "synthetic",
        "retail_source": settings.retail.transactions is not None,
    }
    return [name for name, changes in changing.items() if changes]


def _with_automation(definitions: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets with the condition under which automation makes each; studies have none and run on request only."""
    inputs = {spec.key: {dep.asset_key for dep in spec.deps} for each in definitions for spec in each.specs}

    @cache
    def upstream(key: dg.AssetKey) -> frozenset[dg.AssetKey]:
        return frozenset(inputs[key]).union(*map(upstream, inputs[key]))

    def automated(spec: dg.AssetSpec) -> dg.AssetSpec:
        on_request = str(spec.group_name).endswith("_studies")
        return spec.replace_attributes(automation_condition=None if on_request else when_changed(upstream(spec.key)))

    return [definition.map_asset_specs(automated) for definition in definitions]


def build_defs(settings: Settings, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions under the given settings.

    Args:
        resources: by name, instead of those that the settings give.
    """
    in_force = {**build_resources(settings), **(resources or {})}
    stages = [*STAGES, *([assets.sources.synthetic.assets] if settings.sources.kind == "synthetic" else [])]
    loaded = [
        _with_contract_and_options(definition, settings, in_force)
        for stage in stages
        for definition in dg.load_assets_from_modules([stage], group_name=group_of(stage))
        if isinstance(definition, dg.AssetsDefinition)
    ]
    loaded = _with_automation(loaded)
    specs = [spec for definition in loaded for spec in definition.specs]
    return dg.Definitions(
        assets=loaded,
        asset_checks=[*(schema_check(spec) for spec in specs), *quality_checks()],
        jobs=jobs(lambda: build_defs(settings, resources)),
        schedules=schedules(),
        sensors=sensors(settings),
        resources=in_force,
        executor=executor(settings, loaded),
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads: the definitions under the settings in force."""
    return build_defs(load_settings())
