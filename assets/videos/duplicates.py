"""Near-duplicate re-uploads under another id, found by their captions. HowTo100M compares ids only (section 3.1).

Broder, "On the resemblance and containment of documents" (1997). Signatures and the choice of bands are datasketch's;
the bands are matched by sorting, because a table of buckets for a million videos takes gigabytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from assets.lake import Lake
from assets.options import Options, Variable
from ml.text.tokens import tokenize

Texts = Callable[[Collection[str] | None], Iterable[tuple[str, str]]]
"""Video id and whole caption text, of the requested videos or (None) of all; it is called twice."""

_BASE = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden section: odd, and its powers spread well
_SEED = 1


@dataclass(frozen=True)
class DuplicateOptions(Options):
    """When two videos are the same.

    Args:
        threshold: Jaccard similarity of the sets of word shingles.
        shingle_words: words of a shingle.
        min_shingles: distinct shingles below which a video is not compared: greetings alone make no duplicate.
        permutations: length of a MinHash signature.
    """

    group: ClassVar = "Videos"

    threshold: Annotated[
        float,
        Variable("duplicate_similarity"),
        Field(gt=0, le=1, description="similarity of captions from which a video is a re-upload of another one"),
    ] = 0.7
    shingle_words: int = 3
    min_shingles: int = 50
    permutations: int = 64


def shingles(text: str, words: int) -> NDArray[np.uint32]:
    """Hashes of the text's distinct runs of ``words`` words, sorted; case and punctuation do not count."""
    hashed = np.fromiter(map(_word_hash, tokenize(text.lower())), np.uint64)
    runs = len(hashed) - words + 1
    if runs < 1:
        return np.empty(0, np.uint32)
    mixed = np.zeros(runs, np.uint64)
    for offset in range(words):
        mixed = (mixed ^ hashed[offset : offset + runs]) * _BASE
    return np.unique((mixed >> np.uint64(32)).astype(np.uint32))


@lru_cache(maxsize=1 << 18)
def _word_hash(word: str) -> int:
    return zlib.crc32(word.encode())


def similarity(left: NDArray[np.uint32], right: NDArray[np.uint32]) -> float:
    """Jaccard similarity of two sorted sets of shingles; 0 where either is empty."""
    shared = len(np.intersect1d(left, right, assume_unique=True))
    return shared / (len(left) + len(right) - shared) if shared else 0.0


def near_duplicates(ranked: pl.DataFrame, texts: Texts, options: DuplicateOptions) -> pl.DataFrame:
    """The videos whose captions repeat those of a better-ranked one.

    A video is compared with the originals that share a band of its signature, best rank first, on the exact sets of
    shingles. It is a duplicate of the first one at or above the threshold, else an original itself; so no duplicate
    points to another duplicate.

    Args:
        ranked: video_id, rank; the order of equal ranks is that of the ids.
        texts: caption texts; videos that are not in ``ranked`` are skipped.

    Returns:
        video_id, duplicate_of, similarity: one row per duplicate, sorted by video_id.
    """
    order = ranked.sort("rank", "video_id").unique("video_id", keep="first", maintain_order=True)["video_id"].to_list()
    position = {video_id: index for index, video_id in enumerate(order)}
    bands = _bands(position, texts(None), options)
    suspects = [order[index] for index in np.flatnonzero(_shares_a_band(bands))]
    sets = {video_id: shingles(text, options.shingle_words) for video_id, text in texts(suspects)}
    rows = []
    originals: dict[tuple[int, int], list[str]] = {}
    for video_id in suspects:
        buckets = [(band, int(key)) for band, key in enumerate(bands[position[video_id]])]
        candidates = {candidate for bucket in buckets for candidate in originals.get(bucket, ())}
        for candidate in sorted(candidates, key=position.__getitem__):
            alike = similarity(sets[video_id], sets[candidate])
            if alike >= options.threshold:
                rows.append((video_id, candidate, alike))
                break
        else:
            for bucket in buckets:
                originals.setdefault(bucket, []).append(video_id)
    schema = {"video_id": pl.String, "duplicate_of": pl.String, "similarity": pl.Float64}
    return pl.DataFrame(rows, schema, orient="row").sort("video_id")


def _bands(position: dict[str, int], texts: Iterable[tuple[str, str]], options: DuplicateOptions) -> NDArray[np.uint64]:
    """A hash of each band of each video's signature ``[videos, bands]``; 0 where a video is not compared."""
    # Takes half a second to import, so not when the definitions load.
    from datasketch import MinHash, MinHashLSH

    # Exact comparison follows, so that recall weighs more than precision.
    lsh = MinHashLSH(options.threshold, options.permutations, weights=(0.1, 0.9))
    bands = np.zeros((len(position), lsh.b), np.uint64)
    signature = MinHash(options.permutations, seed=_SEED, hashfunc=int, scheme="affine32")
    for video_id, text in texts:
        found = shingles(text, options.shingle_words)
        if video_id not in position or len(found) < options.min_shingles:
            continue
        signature.clear()
        signature.update_batch(found.tolist())
        rows = signature.hashvalues[: lsh.b * lsh.r].astype(np.uint64).reshape(lsh.b, lsh.r)
        mixed = np.zeros(lsh.b, np.uint64)
        for column in rows.T:
            mixed = (mixed ^ column) * _BASE
        bands[position[video_id]] = mixed | np.uint64(1)
    return bands


def _shares_a_band(bands: NDArray[np.uint64]) -> NDArray[np.bool_]:
    shared = np.zeros(len(bands), bool)
    for keys in bands.T:
        _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
        shared |= (counts[inverse] > 1) & (keys != 0)
    return shared


def caption_texts(lake: Lake) -> Texts:
    """The caption texts in a lake, read shard by shard."""

    def texts(video_ids: Collection[str] | None) -> Iterator[tuple[str, str]]:
        shards = lake.sql("SELECT DISTINCT shard FROM captions ORDER BY shard").fetchall()
        chosen = "" if video_ids is None else "AND video_id IN (SELECT unnest($video_ids))"
        query = f"""
            SELECT video_id, string_agg(text, ' ' ORDER BY line_index)
            FROM captions WHERE shard = $shard {chosen} GROUP BY video_id ORDER BY video_id
        """
        params = {} if video_ids is None else {"video_ids": list(video_ids)}
        for (shard,) in shards:
            yield from lake.sql(query, shard=shard, **params).fetchall()

    return texts
