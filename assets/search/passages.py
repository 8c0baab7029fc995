"""Passages of the narration from the tables of the lake, with the facts that searches filter by, and their vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from assets.lake import Lake
from assets.search.narration import FACTS, TEXTS, NarrationArray
from sql import statement

LONG_WORDS = 25
"""Words from which on a clip is a passage alone."""
PAUSE_S = 5.0
"""Seconds without narration that separate two passages."""
BATCH = 4096

_FACTS = """
SELECT video_id, category_1 AS category, channel, source, duration_s, upload_date FROM videos WHERE kept
"""

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


def passages(lake: Lake) -> Iterator[pl.DataFrame]:
    """All passages in the order of their videos, as columns of ``FACTS`` and ``TEXTS``, some at a time."""
    facts = lake.sql(_FACTS).pl()
    found = lake.sql(statement("search/passages"), long_words=LONG_WORDS, pause_s=PAUSE_S)
    for batch in found.to_arrow_reader(BATCH):
        joined = pl.DataFrame(pa.Table.from_batches([batch])).join(facts, on="video_id", maintain_order="left")
        if len(joined):
            yield joined.select([*FACTS.names, *TEXTS.names])


def write_words(array: NarrationArray, lake: Lake) -> int:
    """Write all passages and the index of their words; the number of passages."""
    return array.write_words(each.to_arrow() for each in passages(lake))


def write_meaning(array: NarrationArray, lake: Lake, encode: Encode, encoder: str, dim: int) -> dict[str, int]:
    """Write the vectors of all passages. A passage whose text was encoded before keeps its vector.

    Args:
        encoder: identity of the encoder, part of what says that a vector can be kept.

    Returns:
        Numbers of passages and of newly encoded texts.
    """
    older, counts = array.pinned() if array.exists() else None, {"encoded": 0}

    def encoded() -> Iterator[pa.Table]:
        for each in passages(lake):
            hashes = [_hash(encoder, text) for text in each["passage"]]
            known = older.stored_vectors(list(set(hashes))) if older else {}
            new = {key: text for key, text in zip(hashes, each["passage"], strict=True) if key not in known}
            if new:
                known |= dict(zip(new, encode(list(new.values())).astype(np.float16), strict=True))
            counts["encoded"] += len(new)
            stacked = np.array([known[key] for key in hashes], np.float16)
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(stacked.ravel()), dim)
            table = each.select(FACTS.names).to_arrow()
            yield table.append_column("passage_hash", pa.array(hashes)).append_column("vector", vectors)

    return {"passages": array.write_vectors(encoded(), dim), **counts}


def _hash(encoder: str, text: str) -> int:
    digest = hashlib.blake2b(f"{encoder}\0{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
