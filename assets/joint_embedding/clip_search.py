"""The search index over all clips, written with a text-video model. Imports torch."""

from __future__ import annotations

import numpy as np
import polars as pl

from assets.joint_embedding.text_video import LakeModel
from ml.joint_embedding.clip_index import ClipIndex
from ml.joint_embedding.pair_store import PairStore
from ml.joint_embedding.search import text_embeddings

QUERIES = 100
"""Number of captions that measure the recall of an index."""


def write_clip_index(
    index: ClipIndex, pairs: PairStore, manifest: pl.DataFrame, own: LakeModel
) -> dict[str, float | bool]:
    """Embed the clips of all usable videos and index them.

    Args:
        manifest: rows of ``training_manifest``.
        own: the model, and the reader of its feature rows.

    Returns:
        clips; indexed; and with an index, recall_at_10: the share of the 10 clips nearest to a caption that it finds.
    """
    shards = sorted(set(manifest["shard"]))
    count = index.write(own.embedded_clips(pairs, shards), own.model.dimension)
    metrics: dict[str, float | bool] = {"clips": count, "indexed": index.indexed}
    if index.indexed:
        captions = pairs.open(shards[0]).take(_evenly_spaced(pairs.open(shards[0]).count_rows()), columns=["caption"])
        metrics["recall_at_10"] = index.recall(text_embeddings(own.model, captions["caption"].to_pylist()))
    return metrics


def _evenly_spaced(rows: int) -> list[int]:
    return np.unique(np.linspace(0, rows - 1, QUERIES).astype(int)).tolist()
