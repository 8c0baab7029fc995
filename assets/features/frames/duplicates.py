"""Videos that show the same pictures, by perceptual hashes and by vectors of the feature network.

See ``assets/videos/duplicates`` for videos that say the same, which is known before any file is fetched.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from assets.features.frames.matching import Hashes, Seconds, copies_by_hashes, copies_by_vectors
from assets.features.frames.options import VisualDuplicateOptions
from assets.features.reader import FeatureReader
from assets.lake import load_tables
from ml.shots.hashes import EDGES, PARTS


def visual_duplicates(
    ranked: pl.DataFrame, hashes: Hashes, vectors: Seconds | None, options: VisualDuplicateOptions
) -> pl.DataFrame:
    """The columns of ``visual_duplicates``: each video with the better-ranked one that shows the same.

    Args:
        ranked: video_id by rank; the numbers of ``Seconds`` are its rows.
        hashes: hashes of the videos' seconds, by the columns of ``frame_statistics``.
        vectors: vectors of their seconds; None if there are none.
    """
    ids = ranked["video_id"].to_list()
    found = [*copies_by_hashes(hashes, hashes, options)]
    if vectors is not None:
        found += copies_by_vectors(vectors, options)
    originals: dict[int, int] = {}
    rows = []
    # By rank, so that no duplicate points to another duplicate; of several originals the most similar one.
    for match in sorted(found, key=lambda each: (each.later, -each.share, each.earlier)):
        if match.later in originals or match.earlier in originals:
            continue
        originals[match.later] = match.earlier
        one, other = ids[match.later], ids[match.earlier]
        about = match.share, options.threshold, match.mirrored, float(match.shift_s), match.reason(other)
        rows.append((one, other, match.found_by, *about))
    return load_tables()["visual_duplicates"].frame(sorted(rows))


def hashes_of(videos: pl.DataFrame, statistics: pl.LazyFrame, first: int = 0) -> dict[str, Seconds]:
    """The hashes of the seconds that have them, by the columns of ``frame_statistics``.

    Args:
        videos: video_id, in the order of the numbers of ``Seconds``.
        statistics: rows of ``frame_statistics``, or of another table with these columns.
        first: number of the first video.
    """
    names = [*PARTS, EDGES]
    numbered = videos.with_row_index("video", first).lazy()
    rows = (
        statistics.join(numbered, on="video_id")
        .select(pl.col("video").cast(pl.Int64), "second", pl.col(names).cast(pl.UInt64))
        .sort("video", "second")
        .collect()
    )
    parts = {name: rows.filter(pl.col(name).is_not_null()) for name in names}
    return {
        name: Seconds(part["video"].to_numpy(), part["second"].to_numpy(), part[name].to_numpy())
        for name, part in parts.items()
    }


def vectors_of(ranked: pl.DataFrame, features: FeatureReader) -> Seconds | None:
    """The feature rows of the videos less their mean, one per second and of unit length; None if there are none."""
    known = set(features.video_ids)
    videos, seconds, parts = [], [], []
    for number, video_id in enumerate(ranked["video_id"]):
        found = features.read(video_id) if video_id in known else None
        if found is None:
            continue
        whole, places = np.unique(found[0].times.astype(np.int64), return_index=True)
        videos.append(np.full(len(whole), number))
        seconds.append(whole)
        parts.append(found[0].vectors[places].astype(np.float32))
    if not parts:
        return None
    vectors = np.concatenate(parts)
    vectors -= vectors.mean(0)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return Seconds(np.concatenate(videos), np.concatenate(seconds), vectors)
