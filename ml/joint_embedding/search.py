"""Search for clips by text with the joint embedding. See ``ml.joint_embedding.clip_index`` for stored embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ml.joint_embedding.clip_index import SCAN_ROWS, ClipEmbeddings, ClipIndex
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pair_store import PairStore
from ml.text.word_vectors import WordVectors, pad


@dataclass(frozen=True)
class Found:
    """A clip and its score, the dot product with the query; larger is better."""

    video_id: str
    start_s: float
    end_s: float
    score: float


class ClipSearch:
    """Finds the clips that match a text.

    Args:
        index: embeddings of the clips, computed by ``model``.
        model, words: the embedding and its word vectors.
    """

    def __init__(self, index: ClipIndex, model: JointEmbedding, words: WordVectors) -> None:
        self.index, self.model, self.words = index, model, words

    def search(self, text: str, limit: int = 10, exact: bool = False) -> list[Found]:
        """The best clips for a text, best first; empty if none of its words is known."""
        queries = text_embeddings(self.model, self.words, [text])
        if not len(queries):
            return []
        rows = self.index.nearest(queries[0], limit, exact).drop_columns(["_rowid"])
        return [Found(**row) for row in rows.to_pylist()]


def embedded_clips(model: JointEmbedding, store: PairStore, shards: Sequence[str]) -> Iterator[ClipEmbeddings]:
    """Embeddings of all stored clips, one block at a time.

    Raises:
        ValueError: the clip vectors of a shard do not have the dimensions of the model.
    """
    wanted = model.eval().video.project.in_features
    for shard in shards:
        for batch in store.open(shard).scanner(batch_size=SCAN_ROWS).to_batches():
            vectors = batch["vector"].flatten().to_numpy(zero_copy_only=False).reshape(len(batch), -1)
            if len(batch) and vectors.shape[1] != wanted:
                raise ValueError(
                    f"clip vectors of {shard} have {vectors.shape[1]} numbers, but the model takes {wanted}"
                )
            start_s, end_s = (batch[name].to_numpy() for name in ("start_s", "end_s"))
            yield ClipEmbeddings(batch["video_id"].to_pylist(), start_s, end_s, _video(model, vectors))


def text_embeddings(model: JointEmbedding, words: WordVectors, texts: Sequence[str]) -> NDArray[np.float32]:
    """Queries ``[texts, dim]``; texts without a known word are left out."""
    ids = [own for own in words.ids(texts) if own]
    with torch.inference_mode():
        found: NDArray[np.float32] = (
            model.eval().encode_ids(torch.from_numpy(pad(ids)), torch.from_numpy(words.padded)).numpy()
        )
    return found


def _video(model: JointEmbedding, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    with torch.inference_mode():
        found: NDArray[np.float32] = model.encode_video(torch.from_numpy(vectors.astype(np.float32))).numpy()
    return found
