"""Import of published feature files into the feature arrays, and export of the arrays to such files.

See ``layouts`` for the file formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.features import layouts
from assets.features.extract import Extraction, Progress
from assets.features.published_files import PublishedFiles
from assets.features.store import FeatureStore, Source, VideoRows

Layout = Literal["npy", "npz", "lmdb"]
PUBLISHED = "published file"
"""Extractor of rows that were read from published files."""


def import_shard(
    folder: Path,
    stream: str,
    rate_hz: float,
    video_ids: Sequence[str],
    store: FeatureStore,
    shard: str,
    progress: Progress | None = None,
) -> tuple[list[Extraction], int]:
    """Fill one shard's array of a stream from published files below a folder (``PublishedFiles``).

    A missing or unreadable file is recorded and does not affect others. The time of a row is the middle of its cell.

    Returns:
        The outcome of each video, sorted by id, and the dimension of the rows (0 if no file can be read).
    """
    files = PublishedFiles(folder)
    array = store.array(stream, shard)
    stored = array.finished()
    outcomes, wanted, dim = [], [], 0
    for video_id in sorted(video_ids):
        rows: layouts.Rows = np.empty((0, 0), np.float16)
        error: str | None = None
        try:
            rows, checksum = files.read(video_id)
        except layouts.LayoutError as problem:
            error = str(problem)
        else:
            source = Source(video_id, checksum, PUBLISHED)
            if source not in stored:
                times = ((np.arange(len(rows)) + 0.5) / rate_hz).astype(np.float64)
                array.append([VideoRows(source, times, rows.astype(np.float16))])
            wanted.append(source)
            dim = rows.shape[1]
        outcome = Extraction(video_id, stream, len(rows), rate_hz, "failed" if error else "ok", error)
        outcomes.append(outcome)
        if progress:
            progress(outcome)
    array.finish(wanted)
    return outcomes, dim


def export_features(
    index: pl.DataFrame, store: FeatureStore, streams: Sequence[str], layout: Layout, folder: Path
) -> int:
    """Write the rows of all videos that have some in a published layout.

    ``npy`` and ``npz`` write one file per video and stream, ``<folder>/<stream>/<id>.npy``; ``lmdb`` writes HERO's LMDB
    of two concatenated streams.

    Args:
        index: rows of ``feature_index``.

    Returns:
        The number of videos written.

    Raises:
        ValueError: the layout is unknown, or LMDB is requested for other than two streams of one rate.
    """
    if layout not in get_args(Layout):
        raise ValueError(f"layout {layout!r}: must be one of {', '.join(get_args(Layout))}")
    good = index.filter(pl.col("rows") > 0, pl.col("stream").is_in(streams)).sort("video_id")
    if layout == "lmdb":
        return _export_lmdb(good, store, streams, folder)
    write: Callable[[Path, NDArray[np.float16]], None]
    write = layouts.write_npy if layout == "npy" else layouts.write_npz
    for shard, stream, video_id, first_row, rows in good.select(
        "shard", "stream", "video_id", "first_row", "rows"
    ).iter_rows():
        write(folder / stream / f"{video_id}.{layout}", store.array(stream, shard).rows(first_row, rows)[1])
    return good["video_id"].n_unique()


def _export_lmdb(good: pl.DataFrame, store: FeatureStore, streams: Sequence[str], folder: Path) -> int:
    rates = good["rate_hz"].unique().to_list()
    if len(streams) != 2 or len(rates) != 1:
        raise ValueError(
            f"an LMDB of HERO's needs two streams of one rate; here are {', '.join(streams)} at {rates} Hz"
        )

    def videos() -> Iterator[tuple[str, NDArray[np.floating]]]:
        for (video_id,), rows in sorted(good.partition_by("video_id", as_dict=True).items()):
            places = {
                stream: (shard, first, count)
                for shard, stream, first, count in rows.select("shard", "stream", "first_row", "rows").iter_rows()
            }
            if set(places) == set(streams):
                parts = [store.array(stream, places[stream][0]).rows(*places[stream][1:])[1] for stream in streams]
                yield str(video_id), layouts.hero_rows(*parts)

    return len(layouts.write_lmdb(folder, videos(), 1 / Fraction(rates[0]).limit_denominator(1000)))
