"""The one entry point: ``build_defs(settings)`` is what the UI, the command line, the tests and a deployment call.

Belongs here: putting assets, checks, jobs, schedules and resources together, and what all assets have in common.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
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
from assets.card.card import card_version
from assets.card.options import CARD
from assets.features.index import index_version
from assets.features.store import ARRAY
from assets.hero.options import CLIPS
from assets.lake import load_tables
from assets.models.folder import MODEL, model_version
from orchestration.automation import LOOKED_AT, jobs, schedules, sensors, when_changed
from orchestration.checks import schema_check
from orchestration.compute import executor
from orchestration.io_manager import PART, column_schema, table_of
from orchestration.partitions import partitions_by_column
from orchestration.quality import quality_checks
from orchestration.resources import build_resources, options_version
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


# What Dagster may still change is used on purpose; its version is pinned.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)


def group_of(stage: ModuleType) -> str:
    """The asset group of a stage: its folder below ``assets``, e.g. ``hero_tasks`` for ``assets/hero/tasks``."""
    return "_".join(stage.__name__.split(".")[1:-1])


def is_table(spec: Any) -> bool:
    """True for an asset that is a table of the lake; features, models and the card are not."""
    return table_of(spec.key, dict(spec.metadata)) in load_tables()


def stored_version(defs: dg.Definitions, key: dg.AssetKey, partition: str | None) -> str | None:
    """The content version of what is really stored for an asset, or None if nothing is.

    Compared with the version that Dagster recorded, it tells that somebody changed or deleted what an asset had made.
    """
    spec = defs.resolve_asset_graph().get(key)
    metadata, resources = dict(spec.metadata), defs.resources or {}
    if is_table(spec):
        return resources["lake"].version(table_of(key, metadata), partition or metadata.get(PART))
    if MODEL in metadata:
        return model_version(resources["model_root"] / metadata[MODEL])
    if CARD in metadata:
        return card_version(resources["card_root"])
    version: str | None
    if metadata[ARRAY] == "clip_embeddings":
        version = resources["clip_index"].version()
        return version
    assert partition is not None
    stores = {"pairs": "pairs", CLIPS: "hero_store"}
    if metadata[ARRAY] in stores:
        version = resources[stores[metadata[ARRAY]]].version_of(partition)
        return version
    return index_version(resources["features"], resources["feature_options"].streams, partition)


def _dress(definition: dg.AssetsDefinition, settings: Settings, resources: Mapping[str, Any]) -> dg.AssetsDefinition:
    """Give an asset what follows from its table's contract and from the options that it uses."""
    options = options_version(resources, set(definition.required_resource_keys), settings.lake)
    contracts = [load_tables()[table_of(spec.key, dict(spec.metadata))] for spec in definition.specs if is_table(spec)]
    partitions = partitions_by_column(settings)
    columns = {contract.partition_column for contract in contracts}
    partitioned = next((partitions[column] for column in columns if column in partitions), None)

    changing = {
        "video_source": settings.sources.kind != "synthetic",
        "retail_source": settings.retail.transactions is not None,
    }

    def dressed(spec: dg.AssetSpec) -> dg.AssetSpec:
        metadata = dict(spec.metadata)
        if is_table(spec):
            metadata["dagster/column_schema"] = column_schema(table_of(spec.key, metadata))
        if spec.group_name == "sources":
            metadata["settings in force"] = dg.MetadataValue.md(as_markdown(settings))
        return spec.replace_attributes(
            code_version="-".join(filter(None, [spec.code_version, options])),
            owners=["team:models" if str(spec.group_name).startswith(_MODEL_SYSTEMS) else "team:data"],
            freshness_policy=LOOKED_AT if changing.get(spec.key.to_user_string()) else None,
            partitions_def=partitioned if PART not in metadata else None,
            metadata=metadata,
        )

    return definition.map_asset_specs(dressed)


def _automated(definitions: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets with the condition under which automation makes each; studies are for those who ask."""
    inputs = {spec.key: {dep.asset_key for dep in spec.deps} for each in definitions for spec in each.specs}

    @cache
    def above(key: dg.AssetKey) -> frozenset[dg.AssetKey]:
        return frozenset(inputs[key]).union(*map(above, inputs[key]))

    def automated(spec: dg.AssetSpec) -> dg.AssetSpec:
        wanted = not str(spec.group_name).endswith("_studies")
        return spec.replace_attributes(automation_condition=when_changed(above(spec.key)) if wanted else None)

    return [definition.map_asset_specs(automated) for definition in definitions]


def build_defs(settings: Settings, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions under the given settings.

    Args:
        resources: by name, instead of those that follow from the settings.
    """
    in_force = {**build_resources(settings), **(resources or {})}
    stages = [*STAGES, *([assets.sources.synthetic.assets] if settings.sources.kind == "synthetic" else [])]
    loaded = [
        _dress(definition, settings, in_force)
        for stage in stages
        for definition in dg.load_assets_from_modules([stage], group_name=group_of(stage))
        if isinstance(definition, dg.AssetsDefinition)
    ]
    loaded = _automated(loaded)
    specs = [spec for definition in loaded for spec in definition.specs]
    return dg.Definitions(
        assets=loaded,
        asset_checks=[*(schema_check(spec) for spec in specs), *quality_checks()],
        jobs=jobs(),
        schedules=schedules(),
        sensors=sensors(settings),
        resources=in_force,
        executor=executor(settings, loaded),
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads: the definitions under the settings in force."""
    return build_defs(load_settings())
