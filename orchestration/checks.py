"""One blocking schema check per asset, made by a factory: of a table from its contract, of arrays and models alike.

Belongs here: turning a contract into counts of violations. The contracts of tables are ``sql/tables``.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import numpy as np
from safetensors.numpy import load_file

from assets.card.card import card_version
from assets.card.options import CARD
from assets.features.options import FeatureOptions
from assets.features.store import ARRAY, FeatureStore
from assets.lake import Lake, Table, load_tables
from assets.models.folder import MODEL, MODEL_FILES
from ml.joint_embedding.clip_index import ClipIndex
from ml.joint_embedding.pair_store import PairStore
from orchestration.io_manager import PART, table_of
from sql import columns, identifier


def rules(table: Table) -> Iterator[tuple[str, str]]:
    """Every rule of a contract with the query, over ``rows``, that counts the rows which break it."""
    for column in table.columns:
        if not column.nullable:
            yield (
                f"{column.name} is not NULL",
                f"SELECT count(*) FROM rows WHERE {identifier(column.name)} IS NULL",
            )
    key = columns(table.primary_key)
    unique = f"SELECT count(*) FROM (SELECT 1 FROM rows GROUP BY {key} HAVING count(*) > 1)"
    yield f"({', '.join(table.primary_key)}) is unique", unique
    for expression in table.checks:
        yield expression, f"SELECT count(*) FROM rows WHERE NOT ({expression})"


def broken_rules(lake: Lake, table: Table, partition: str | None) -> dict[str, int]:
    """The rules that rows of a table, or of one partition of it, break: rule → number of rows."""
    stored = lake.read(table.name, None if partition is None else [partition])
    actual = dict(zip(stored.columns, map(str, stored.types), strict=True))
    wrong = {
        f"{c.name} is {c.type}, not {actual.get(c.name)}": 1 for c in table.columns if actual.get(c.name) != c.type
    }
    if wrong:
        return wrong
    counts = {}
    for rule, query in rules(table):
        counts[rule] = int(stored.query("rows", query).fetchall()[0][0])
    return {rule: count for rule, count in counts.items() if count}


def broken_model_rules(folder: Path) -> dict[str, int]:
    """What a model folder lacks: files, or finite parameters."""
    missing = {f"{name} is there": 1 for name in MODEL_FILES if not (folder / name).exists()}
    if missing:
        return missing
    tensors = load_file(folder / "model.safetensors")
    broken = sum(not np.isfinite(tensor).all() for tensor in tensors.values())
    return {"parameters are finite": broken} if broken else {}


def broken_feature_rules(store: FeatureStore, streams: Sequence[str], shard: str) -> dict[str, int]:
    """What is wrong with a shard's feature arrays: videos whose rows do not lie together."""
    counts = {stream: int(store.array(stream, shard).index()["video_id"].is_duplicated().sum()) for stream in streams}
    return {f"rows of a video lie together in {stream}": count for stream, count in counts.items() if count}


def broken_pair_rules(store: PairStore, lake: Lake, shard: str) -> dict[str, int]:
    """What is wrong with a shard's pair array: rows that its index does not know, or that are not there."""
    indexed = lake.read("pair_index", [shard]).sum("pairs").fetchall()[0][0] or 0
    apart = abs(store.open(shard).count_rows() - int(indexed))
    return {"every pair is in pair_index": apart} if apart else {}


def broken_index_rules(index: ClipIndex, lake: Lake) -> dict[str, int]:
    """What is wrong with the embeddings of clips: more or fewer than there are pairs in the manifest."""
    wanted = lake.read("training_manifest").sum("pairs").fetchall()[0][0] or 0
    apart = abs(len(index) - int(wanted))
    return {"every pair of training_manifest has an embedding": apart} if apart else {}


def schema_check(spec: dg.AssetSpec) -> dg.AssetChecksDefinition:
    """The blocking check that what an asset stored, or the partition just written, keeps its contract."""
    metadata = dict(spec.metadata)
    table = load_tables().get(table_of(spec.key, metadata))
    if table:
        description = f"Types, NOT NULL, key and CHECK constraints of sql/tables/{table.name}.sql hold."
    elif MODEL in metadata:
        description = "The model folder is whole and its parameters are finite."
    elif CARD in metadata:
        description = "The card's files are all there."
    elif metadata[ARRAY] == "clip_embeddings":
        description = "Every pair of training_manifest has an embedding."
    else:
        description = "The rows of each video lie together, and its index knows them."

    def check(
        context: dg.AssetCheckExecutionContext,
        lake: dg.ResourceParam[Lake],
        features: dg.ResourceParam[FeatureStore],
        pairs: dg.ResourceParam[PairStore],
        clip_index: dg.ResourceParam[ClipIndex],
        feature_options: dg.ResourceParam[FeatureOptions],
        model_root: dg.ResourceParam[Path],
        card_root: dg.ResourceParam[Path],
    ) -> dg.AssetCheckResult:
        partition = context.partition_key if spec.partitions_def else None
        if table:
            own = partition if table.partition_column else None
            broken = broken_rules(lake, table, own or metadata.get(PART))
        elif MODEL in metadata:
            broken = broken_model_rules(model_root / metadata[MODEL])
        elif CARD in metadata:
            broken = {} if card_version(card_root) else {"the card's files are there": 1}
        elif metadata[ARRAY] == "clip_embeddings":
            broken = broken_index_rules(clip_index, lake)
        elif metadata[ARRAY] == "features":
            broken = broken_feature_rules(features, feature_options.streams, str(partition))
        else:
            broken = broken_pair_rules(pairs, lake, str(partition))
        return dg.AssetCheckResult(
            passed=not broken,
            description="; ".join(f"{count} break: {rule}" for rule, count in broken.items()) or None,
            metadata={"rules broken": len(broken)},
        )

    # Of each partition by itself: otherwise a good one would hide a broken one.
    return dg.asset_check(
        asset=spec.key, name="schema", blocking=True, description=description, partitions_def=spec.partitions_def
    )(check)
