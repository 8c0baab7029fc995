"""The one entry point: the UI, the command line, the tests and a deployment all call ``build_defs(settings)``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache, partial
from importlib.resources import files
from types import ModuleType
from typing import Any

import dagster as dg

import assets.availability.assets
import assets.captions.assets
import assets.captions.rewriting.assets
import assets.captions.studies.assets
import assets.card.assets
import assets.exports.assets
import assets.features.assets
import assets.graph.assets
import assets.graph.evaluation.assets
import assets.graph.studies.assets
import assets.hero.assets
import assets.hero.studies.assets
import assets.hero.tasks.assets
import assets.joint_embedding.assets
import assets.joint_embedding.caption_tracks.assets
import assets.joint_embedding.evaluation.assets
import assets.joint_embedding.htm_align.assets
import assets.joint_embedding.leaks.assets
import assets.joint_embedding.rewritten.assets
import assets.joint_embedding.studies.assets
import assets.media.assets
import assets.search.assets
import assets.sources.assets
import assets.sources.followups.assets
import assets.sources.synthetic.assets
import assets.statistics.assets
import assets.tasks.assets
import assets.videos.assets
import sql
from assets.lake import Table
from assets.metadata import MODEL, PART, SETTINGS
from orchestration.artifacts import contract_of
from orchestration.checks import schema_check
from orchestration.columns import column_metadata
from orchestration.compute import executor
from orchestration.conditions import when_out_of_date
from orchestration.inputs import with_inputs_of_options
from orchestration.jobs import jobs
from orchestration.partitions import partitions_by_column
from orchestration.quality import quality_checks
from orchestration.redaction import redact_output, redact_records
from orchestration.repairs import with_repair
from orchestration.resources import build_resources, options_version
from orchestration.schedules import schedules
from orchestration.sensors import sensors
from orchestration.settings import Settings, load_settings
from orchestration.settings.catalogue import as_markdown, changed_settings
from orchestration.staleness import code_hash
from orchestration.stored import Stored

STAGES = {
    assets.sources.assets: "collection",
    assets.tasks.assets: "collection",
    assets.videos.assets: "collection",
    assets.captions.assets: "collection",
    assets.media.assets: "collection",
    assets.search.assets: "features",
    assets.features.assets: "features",
    assets.joint_embedding.assets: "training",
    assets.joint_embedding.evaluation.assets: "evaluation",
    assets.joint_embedding.studies.assets: "studies",
    assets.hero.assets: "training",
    assets.hero.tasks.assets: "evaluation",
    assets.hero.studies.assets: "studies",
    assets.graph.assets: "training",
    assets.graph.evaluation.assets: "evaluation",
    assets.graph.studies.assets: "studies",
    assets.availability.assets: "survey",
    assets.statistics.assets: "reporting",
    assets.card.assets: "reporting",
    assets.exports.assets: "reporting",
}
"""The modules of assets, with the stage of the work that their assets belong to."""

ON_REQUEST = ("studies", "survey")
"""Stages whose assets automation does not make."""

GENERATED = {assets.sources.synthetic.assets: "collection"}
"""Modules of assets that only the synthetic world has."""

FOLLOW_UPS = {assets.sources.followups.assets: "collection", assets.joint_embedding.caption_tracks.assets: "studies"}
"""Modules of assets that exist only where follow-up releases are named."""

LEAKS = {assets.joint_embedding.leaks.assets: "features"}
"""Modules of assets that exist only where there are raw videos of benchmarks."""

HTM_ALIGN = {assets.joint_embedding.htm_align.assets: "evaluation"}
"""Modules of assets that exist only where the benchmark HTM-Align is named."""

REWRITING = {assets.captions.rewriting.assets: "collection", assets.joint_embedding.rewritten.assets: "evaluation"}
"""Modules of assets that exist only where a language model is named."""

RECOGNITION = {assets.captions.studies.assets: "studies"}
"""Modules of assets that exist only where a model of speech recognition is named."""

_MODEL_SYSTEMS = ("joint_embedding", "hero", "graph")

SOURCE_FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=60), warn_window=timedelta(days=8))
"""Of sources that change: a person or the weekly schedule checks them. Other assets are as new as their inputs."""

# APIs that Dagster may still change are used on purpose; its version is pinned.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)


def group_of(module: ModuleType) -> str:
    """The asset group of a module: its folder below ``assets``, e.g. ``hero_tasks`` for ``assets/hero/tasks``."""
    return "_".join(_folders(module))


def _folders(module: ModuleType) -> list[str]:
    return module.__name__.split(".")[1:-1]


def _assets_of(module: ModuleType, stage: str) -> list[dg.AssetsDefinition]:
    """The assets of a module, with group, owner, tags and a link to their source."""
    system = _folders(module)[0]
    owner = "team:models" if system in _MODEL_SYSTEMS else "team:data"
    loaded = dg.load_assets_from_modules([module], group_name=group_of(module))
    return [
        definition.map_asset_specs(
            lambda spec: spec.replace_attributes(owners=[owner], tags={**spec.tags, "system": system, "stage": stage})
        )
        for definition in dg.with_source_code_references(loaded)
        if isinstance(definition, dg.AssetsDefinition)
    ]


def _with_contract_and_options(
    definition: dg.AssetsDefinition, settings: Settings, resources: Mapping[str, Any]
) -> dg.AssetsDefinition:
    """The asset with the columns of its table, its partitions, its repair, and version and inputs of its options."""
    options = options_version(resources, set(definition.required_resource_keys), settings.lake)
    tables = {spec.key: table for spec in definition.specs if (table := contract_of(spec))}
    partitions = partitions_by_column(settings)
    columns = {table.partition_column for table in tables.values()}
    partitioned = next((partitions[column] for column in columns if column in partitions), None)

    def completed(spec: dg.AssetSpec) -> dg.AssetSpec:
        metadata = dict(spec.metadata)
        if spec.key in tables:
            metadata |= column_metadata(tables[spec.key])
            metadata["dagster/code_references"] = _with_contract_file(spec, tables[spec.key])
        if MODEL in metadata:
            metadata[SETTINGS] = changed_settings(settings)
        if spec.group_name == "sources":
            metadata["settings in force"] = dg.MetadataValue.md(as_markdown(settings))
        return spec.replace_attributes(
            code_version="-".join(filter(None, [spec.code_version, options])),
            freshness_policy=SOURCE_FRESHNESS if spec.key.to_user_string() in _changing_sources(settings) else None,
            partitions_def=partitioned if PART not in metadata else None,
            metadata=metadata,
        )

    repaired = with_repair(definition, resources)
    return with_inputs_of_options(repaired, resources).map_asset_specs(completed)


def _with_contract_file(spec: dg.AssetSpec, table: Table) -> dg.CodeReferencesMetadataValue:
    """The links to the source of an asset, and one to the contract of its table."""
    links = spec.metadata["dagster/code_references"]
    contract = dg.LocalFileCodeReference(
        file_path=str(files(sql) / "tables" / f"{table.name}.sql"), line_number=1, label="contract"
    )
    return dg.CodeReferencesMetadataValue(code_references=[*links.code_references, contract])


def _changing_sources(settings: Settings) -> list[str]:
    """The source assets whose content may change while nothing in the project does."""
    changing = {
        "video_source": settings.sources.kind != "synthetic",
        "retail_source": settings.retail.transactions is not None,
    }
    return [name for name, changes in changing.items() if changes]


def _with_automation(
    definitions: Sequence[dg.AssetsDefinition], settings: Settings, resources: Mapping[str, Any]
) -> list[dg.AssetsDefinition]:
    """The assets with the condition under which automation makes each; those of ``ON_REQUEST`` have none."""
    specs = [spec for each in definitions for spec in each.specs]
    stored = Stored(specs, resources, settings.operations.damage_check_hours * 3600)
    inputs = {spec.key: {dep.asset_key for dep in spec.deps} for each in definitions for spec in each.specs}

    @cache
    def upstream(key: dg.AssetKey) -> frozenset[dg.AssetKey]:
        return frozenset(inputs[key]).union(*map(upstream, inputs[key]))

    def automated(spec: dg.AssetSpec) -> dg.AssetSpec:
        if spec.tags["stage"] in ON_REQUEST:
            return spec
        return spec.replace_attributes(automation_condition=when_out_of_date(upstream(spec.key), stored))

    return [definition.map_asset_specs(automated) for definition in definitions]


def build_defs(settings: Settings, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions under the given settings.

    Args:
        resources: by name, instead of those that the settings give.
    """
    redact_records()
    in_force = {**build_resources(settings), **(resources or {})}
    modules = STAGES | (GENERATED if settings.sources.kind == "synthetic" else {})
    modules |= FOLLOW_UPS if settings.followups.paths else {}
    modules |= REWRITING if settings.rewriting.url else {}
    modules |= RECOGNITION if settings.recognition.model else {}
    modules |= LEAKS if settings.benchmarks.raw else {}
    modules |= HTM_ALIGN if settings.htm_align.folder else {}
    loaded = [
        _with_contract_and_options(definition, settings, in_force)
        for module, stage in modules.items()
        for definition in _assets_of(module, stage)
    ]
    loaded = _with_automation(loaded, settings, in_force)
    specs = [spec for definition in loaded for spec in definition.specs]
    return dg.Definitions(
        assets=loaded,
        asset_checks=[*(schema_check(spec) for spec in specs), *quality_checks({spec.key for spec in specs})],
        jobs=jobs(partial(build_defs, settings, resources), loaded),
        schedules=schedules(),
        sensors=sensors(settings, code_hash({spec.key: spec.code_version for spec in specs})),
        resources=in_force,
        executor=executor(settings, loaded),
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads: the definitions under the settings in force."""
    redact_output()
    return build_defs(load_settings())
