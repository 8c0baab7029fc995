"""Search for clips by text with a text-video model. See ``ml.joint_embedding.clip_index`` for stored embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ml.joint_embedding.clip_index import SCAN_ROWS, ClipEmbeddings, ClipIndex
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pair_store import PairStore
from ml.joint_embedding.pairs import Stream
from ml.joint_embedding.text_video import TextVideoModel
from ml.training import device_of


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
    """

    def __init__(self, index: ClipIndex, model: TextVideoModel) -> None:
        self.index, self.model = index, model

    def search(self, text: str, limit: int = 10, exact: bool = False) -> list[Found]:
        """The best clips for a text, best first; empty if none of its words is known."""
        queries = text_embeddings(self.model, [text])
        if not len(queries):
            return []
        return self.near(queries[0], limit, exact)

    def near(self, query: NDArray[np.float32], limit: int = 10, exact: bool = False) -> list[Found]:
        """The best clips for a vector of the model, best first."""
        rows = self.index.nearest(query, limit, exact).drop_columns(["_rowid"])
        return [Found(**row) for row in rows.to_pylist()]


def tower_clips(
    model: TextVideoModel, store: PairStore, shards: Sequence[str], streams_of: Callable[[str], Sequence[Stream] | None]
) -> Iterator[ClipEmbeddings]:
    """Embeddings of all stored clips by a model with feature rows of its own, one block at a time.

    A clip without such a row is left out.

    Args:
        streams_of: feature rows of a video in the model's stream; None if there are none.
    """
    for shard in shards:
        for batch in (
            store.open(shard).scanner(columns=["video_id", "start_s", "end_s"], batch_size=SCAN_ROWS).to_batches()
        ):
            video_ids = np.array(batch["video_id"].to_pylist(), object)
            start_s, end_s = (batch[name].to_numpy() for name in ("start_s", "end_s"))
            vectors = np.zeros((len(batch), model.dimension), np.float32)
            empty = np.ones(len(batch), bool)
            for video_id in dict.fromkeys(video_ids):
                rows, streams = np.flatnonzero(video_ids == video_id), streams_of(video_id)
                if streams is not None:
                    vectors[rows], empty[rows] = model.encode_clips(streams, start_s[rows], end_s[rows])
            kept = np.flatnonzero(~empty)
            yield ClipEmbeddings(video_ids[kept].tolist(), start_s[kept], end_s[kept], vectors[kept])


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


def text_embeddings(model: TextVideoModel, texts: Sequence[str]) -> NDArray[np.float32]:
    """Queries ``[texts, dim]``; texts without a known word are left out."""
    return model.encode_text([text for text in texts if model.known_words(text)])


def _video(model: JointEmbedding, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    with torch.inference_mode():
        clips = torch.from_numpy(np.array(vectors)).to(device_of(model)).float()
        found: NDArray[np.float32] = model.encode_video(clips).cpu().numpy()
    return found
