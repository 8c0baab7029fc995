"""Videos that must not be in the set beside another: near-duplicate re-uploads, and videos of evaluation sets.

Belongs here: finding re-uploads under another id by what is said in them, which HowTo100M leaves in (section 3.1 only
compares ids), and reading lists of evaluation videos. Does not belong here: the verdicts (``filters``).

Near-duplicates: Broder, "On the resemblance and containment of documents" (1997). Signatures and the choice of bands
are datasketch's; the bands are matched by sorting, because a table of buckets for a million videos takes gigabytes.
"""

from __future__ import annotations

import csv
import json
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from assets.lake import Lake
from assets.options import ExistingFile, Options, Variable, named
from ml.text.tokens import tokenize

Texts = Callable[[Collection[str] | None], Iterable[tuple[str, str]]]
"""Video id and whole caption text, of the videos asked for or (None) of all; it is called twice."""

_BASE = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden section: odd, and its powers spread well
_SEED = 1
_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_ANY_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_ADDRESS = re.compile(r"(?:[?&]v=|youtu\.be/|/embed/|/shorts/)([A-Za-z0-9_-]{11})")
_SUFFIX = re.compile(r"\.(?:mp4|mkv|webm|npy|csv)$")


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
    """The videos that say what a better-ranked one says.

    A video is compared with the originals that share a band of its signature, best rank first, on the exact sets of
    shingles. It is a duplicate of the first one at or above the threshold, else an original itself; so no duplicate
    points to another duplicate.

    Args:
        ranked: video_id, rank; the order of equal ranks is that of the ids.
        texts: caption texts; videos that ``ranked`` lacks are passed over.

    Returns:
        video_id, duplicate_of, similarity: a row a duplicate, sorted by video_id.
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
    """A hash of each band of each video's signature: [videos, bands]; 0 in the rows of videos that are not judged."""
    # Half a second to import, which loading the definitions need not wait for.
    from datasketch import MinHash, MinHashLSH

    # Exact comparison follows, so a candidate too many costs little and a missed one is lost: recall weighs more.
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


@dataclass(frozen=True)
class EvaluationLists(Options):
    """Benchmarks by name, with their lists of video ids."""

    group: ClassVar = "Videos"

    paths: Annotated[
        Mapping[str, ExistingFile],
        Variable("evaluation_lists"),
        BeforeValidator(named),
        Field(description="lists of videos that the data set must not contain, with commas: benchmark=path"),
    ] = field(default_factory=dict)


class IdListError(ValueError):
    """A list of evaluation videos cannot be used; the message names the file, the line and the remedy."""


def leakage(lists: Mapping[str, Path]) -> pl.DataFrame:
    """The evaluation videos of some benchmarks, which the data set must not hold (HowTo100M section 3.1).

    Args:
        lists: a benchmark's name and its list of ids.

    Returns:
        video_id, benchmark: a row a video, of the first benchmark that has it.

    Raises:
        IdListError: a list cannot be used.
    """
    rows = [(video_id, name) for name, path in lists.items() for video_id in sorted(read_id_list(path))]
    frame = pl.DataFrame(rows, {"video_id": pl.String, "benchmark": pl.String}, orient="row")
    return frame.unique("video_id", keep="first", maintain_order=True)


def read_id_list(path: Path) -> frozenset[str]:
    """The video ids of a list.

    Forms: JSON with a ``database`` (YouCook2's annotations: all but the subset ``training``), a JSON list or an object
    with ids for keys; CSV or TSV with a column ``video_id``; CrossTask's ``videos.csv`` and ``videos_val.csv`` (task,
    id, address, without a header); else an id, a file name, a path that ends in one, or a YouTube address a line.

    Raises:
        IdListError: there is no such file, it holds no id, or a line of it holds none.
    """
    if not path.is_file():
        raise IdListError(f"{path}: no such file")
    text = path.read_text(encoding="utf-8-sig")
    ids = _ids_of_json(path, text) if path.suffix.lower() == ".json" else _ids_of_lines(path, text)
    if not ids:
        raise IdListError(f"{path}: holds no video id")
    return frozenset(ids)


def _ids_of_json(path: Path, text: str) -> set[str]:
    try:
        read = json.loads(text)
    except ValueError as error:
        raise IdListError(f"{path}: not JSON ({error})") from error
    if isinstance(read, dict) and isinstance(read.get("database"), dict):
        read = {key: entry for key, entry in read["database"].items() if entry.get("subset") != "training"}
    if not isinstance(read, dict | list) or not all(isinstance(each, str) for each in read):
        raise IdListError(f"{path}: neither an object with video ids for keys nor a list of video ids")
    return {_id_of(path, number, each) for number, each in enumerate(read, start=1)}


def _ids_of_lines(path: Path, text: str) -> set[str]:
    first = text.split("\n", 1)[0]
    delimiter = "\t" if "\t" in first else ","
    header = [name.strip().lower() for name in first.split(delimiter)]
    if "video_id" in header:
        rows = csv.DictReader(text.splitlines(), [*header], delimiter=delimiter)
        next(rows)
        return {_id_of(path, rows.line_num, row["video_id"] or "") for row in rows}
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return {_id_of(path, number, line) for number, line in lines if line and not line.startswith("#")}


def _id_of(path: Path, number: int, entry: str) -> str:
    address = _ADDRESS.search(entry)
    if address:
        return address[1]
    name = entry.strip().rsplit("/", 1)[-1]
    name = name if _YOUTUBE_ID.fullmatch(name) else _SUFFIX.sub("", name)
    if not _ANY_ID.fullmatch(name):
        raise IdListError(
            f"{path}:{number}: no video id in '{entry.strip()[:80]}'; give one a line, or a column video_id"
        )
    return name
