"""The search index over all clips: writing it with a trained model, and searching it by text. Imports torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from ml.joint_embedding.clip_index import ClipIndex
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pair_store import PairStore
from ml.joint_embedding.search import ClipSearch, embedded_clips, text_embeddings
from ml.joint_embedding.train import load_words

QUERIES = 100
"""Number of captions that measure the recall of an index."""


def write_clip_index(
    index: ClipIndex, pairs: PairStore, manifest: pl.DataFrame, model_root: Path
) -> dict[str, float | bool]:
    """Embed the clips of all usable videos and index them.

    Args:
        manifest: rows of ``training_manifest``.
        model_root: folder of the model folders.

    Returns:
        clips; indexed; and with an index, recall_at_10: the share of the 10 clips nearest to a caption that it finds.
    """
    model, words = (
        JointEmbedding.from_pretrained(model_root / "joint_embedding"),
        load_words(model_root / "word_vectors"),
    )
    shards = sorted(set(manifest["shard"]))
    count = index.write(embedded_clips(model, pairs, shards), model.video.project.out_features)
    metrics: dict[str, float | bool] = {"clips": count, "indexed": index.indexed}
    if index.indexed:
        captions = pairs.open(shards[0]).take(_evenly_spaced(pairs.open(shards[0]).count_rows()), columns=["caption"])
        metrics["recall_at_10"] = index.recall(text_embeddings(model, words, captions["caption"].to_pylist()))
    return metrics


def clip_search(index: ClipIndex, model_root: Path) -> ClipSearch:
    """Search by text with the model that wrote ``index``."""
    return ClipSearch(
        index, JointEmbedding.from_pretrained(model_root / "joint_embedding"), load_words(model_root / "word_vectors")
    )


def _evenly_spaced(rows: int) -> list[int]:
    return np.unique(np.linspace(0, rows - 1, QUERIES).astype(int)).tolist()
