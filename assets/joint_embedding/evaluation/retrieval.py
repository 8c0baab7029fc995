"""Text-to-video retrieval on the lake's own held-out videos. Imports torch.

See ``ml.metrics.retrieval`` for the metrics.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import torch

from assets.joint_embedding.pairs import places
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pair_store import PairStore, StoredPairs
from ml.joint_embedding.pairs import spread_pairs
from ml.joint_embedding.train import evaluate, load_words
from ml.metrics.retrieval import chance
from ml.training import pick_device

MOST_PAIRS = 20_000
"""Most pairs that are ranked against each other, spread evenly over the videos."""


class NothingToEvaluateError(Exception):
    """The split has no pair; the message says what to do."""


def held_out_retrieval(
    folder: Path, word_vectors: Path, pairs: PairStore, manifest: pl.DataFrame, split: str, device: str
) -> dict[str, dict[str, float]]:
    """Metrics of the model in ``folder`` and of chance, by method.

    Raises:
        NothingToEvaluateError: no video of the split has a usable pair.
    """
    words = load_words(word_vectors)
    held_out = StoredPairs(pairs, places(manifest, split), words)
    if not len(held_out):
        raise NothingToEvaluateError(
            f"no {split} video has a clip with features and known words; add videos or lower HOWTO_MIN_WORDS"
        )
    target = pick_device(device)
    model = JointEmbedding.from_pretrained(folder).to(target)
    clips, ids = spread_pairs(held_out, MOST_PAIRS)
    table = torch.from_numpy(words.padded).to(target)
    return {"joint_embedding": evaluate(model, clips, ids, table), "chance": chance(len(clips))}
