"""Which asset stores which artifact, by its metadata (`assets.metadata`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import dagster as dg
import duckdb

from assets.lake import Table, load_tables
from assets.metadata import (
    ARRAY,
    CARD,
    CLIP_EMBEDDINGS,
    FEATURES,
    HERO_CLIPS,
    METADATA_FILE,
    MODEL,
    NARRATION_MEANING,
    NARRATION_WORDS,
    PAIRS,
    PART,
    table_of,
)
from ml.lance_arrays import require_reachable
from orchestration.artifacts.arrays import ClipEmbeddings, FeatureArrays, NarrationPassages, ShardArrays
from orchestration.artifacts.models import CardFolder, MetadataFile, ModelFolder
from orchestration.artifacts.protocol import UNREADABLE, Artifact, Resources
from orchestration.artifacts.tables import LakeTable, VideoFiles

ARRAYS: dict[str, Artifact] = {
    FEATURES: FeatureArrays(),
    PAIRS: ShardArrays("pairs", "pair_index", "coalesce(sum(pairs), 0)", "The array has every pair of pair_index."),
    HERO_CLIPS: ShardArrays(
        "hero_store", "hero_clips", "count(*) FILTER (reason IS NULL)", "The array has every clip of hero_clips."
    ),
    CLIP_EMBEDDINGS: ClipEmbeddings(),
    NARRATION_WORDS: NarrationPassages("words_array"),
    NARRATION_MEANING: NarrationPassages("meaning_array"),
}
"""Arrays by their name in the metadata."""

DAMAGED = "damaged"
"""Stands for the version of content that cannot be read."""

OTHER_CONTENT = "the lake holds other content than was recorded"


def artifact_of(spec: dg.AssetSpec) -> Artifact:
    """What an asset stores.

    Raises:
        ValueError: neither a table of its name nor its metadata says so.
    """
    metadata, name = dict(spec.metadata), spec.key.path[-1]
    if MODEL in metadata:
        return ModelFolder(metadata[MODEL])
    if CARD in metadata:
        return CardFolder()
    if METADATA_FILE in metadata:
        return MetadataFile()
    if ARRAY in metadata:
        return ARRAYS[metadata[ARRAY]]
    table = load_tables().get(table_of(name, metadata))
    if table is None:
        raise ValueError(f"asset {name}: add sql/tables/{name}.sql, or a key of assets.metadata to its metadata")
    kind = VideoFiles if table.name == "video_files" else LakeTable
    return kind(table, metadata.get(PART))


def contract_of(spec: dg.AssetSpec) -> Table | None:
    """The contract of the table that an asset writes; None if it writes no table."""
    artifact = artifact_of(spec)
    return artifact.table if isinstance(artifact, LakeTable) else None


def stored_version(defs: dg.Definitions, key: dg.AssetKey, partition: str | None) -> str | None:
    """Version of the content that is really stored for an asset; None if nothing is, ``DAMAGED`` if it is unreadable.

    If it differs from the version that Dagster recorded, somebody changed or deleted what the asset had made.

    Raises:
        StoreUnreachableError: object storage cannot be used.
    """
    return _version_of(
        artifact_of(defs.resolve_asset_graph().get(key).to_asset_spec()), defs.resources or {}, partition
    )


def _version_of(artifact: Artifact, resources: Resources, partition: str | None) -> str | None:
    try:
        return artifact.version(resources, partition)
    except UNREADABLE as error:
        require_reachable(error)
        return DAMAGED


def damaged_partitions(
    artifact: Artifact, resources: Resources, recorded: Mapping[str | None, str | None]
) -> dict[str | None, str]:
    """Why what is stored is not what was recorded, by partition; partitions that are as recorded are left out.

    The partitions of a table are read by one query, if all of its files can be read.

    Args:
        recorded: content versions by partition.
    """
    if isinstance(artifact, LakeTable) and len(recorded) > 1:
        with suppress(duckdb.Error), resources["lake"].reading():
            if not artifact.damage(resources, None):
                stored = resources["lake"].versions(artifact.table.name, [each for each in recorded if each])
                return {each: OTHER_CONTENT for each, version in recorded.items() if stored.get(each) != version}
    found = {}
    for partition, version in recorded.items():
        if files := artifact.damage(resources, partition):
            found[partition] = f"damaged: {files[0]}"
        elif _version_of(artifact, resources, partition) != version:
            found[partition] = OTHER_CONTENT
    return found


def damage(defs: dg.Definitions, key: dg.AssetKey, partition: str | None) -> list[str]:
    """The stored files of an asset that are missing or have another size than recorded."""
    return artifact_of(defs.resolve_asset_graph().get(key).to_asset_spec()).damage(defs.resources or {}, partition)


def wrong_content(defs: dg.Definitions, key: dg.AssetKey, partition: str | None, recorded: str) -> list[str]:
    """What is wrong with the stored content of an asset; all of it is read and hashed.

    Args:
        recorded: the version that Dagster recorded.
    """
    resources = defs.resources or {}
    artifact = artifact_of(defs.resolve_asset_graph().get(key).to_asset_spec())
    if damaged := artifact.damage(resources, partition):
        return damaged
    try:
        version = artifact.version(resources, partition)
    except UNREADABLE as error:
        require_reachable(error)
        return [f"cannot be read: {error}"]
    if version != recorded:
        return [f"holds version {version} instead of the recorded {recorded}"]
    return artifact.wrong_hashes(resources, partition) if isinstance(artifact, VideoFiles) else []


def repair(artifact: Artifact, resources: Resources, partition: str | None, recorded: Callable[[], str | None]) -> None:
    """Remove damage that making an asset again would keep or fail on.

    Args:
        recorded: returns the version that Dagster recorded. Content that still has it is not damaged.
    """
    # A table finds by itself what it cannot read; its rows are replaced, whatever their version.
    if (
        isinstance(artifact, LakeTable)
        or artifact.damage(resources, partition)
        or _version_of(artifact, resources, partition) not in (None, recorded())
    ):
        artifact.repair(resources, partition)
