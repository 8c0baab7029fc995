"""Comparison of the caption tracks of the same videos: words, time, and retrieval by a text-video model.

Imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from assets.captions.segments import clips as clips_of
from assets.captions.sentences import Segmentation
from assets.captions.tracks import SOURCE
from assets.features.reader import FeatureReader
from assets.joint_embedding.pairs import video_streams
from assets.lake import load_tables
from ml.joint_embedding.text_video import TextVideoModel
from ml.metrics.retrieval import ranks
from ml.text.tokens import tokenize

OWN = SOURCE
"""The track that the clips of the lake are made from; the others are compared with it."""
MOST_VIDEOS = 1_000
"""Videos that are compared at most, spread evenly over their ids."""
MOST_PAIRS = 5_000
"""Pairs that are ranked at most per track."""

MIN_CLIP_S = 5.0

Vectors = NDArray[np.float32]
Spans = list[tuple[float, float]]


def studied_videos(manifest: pl.DataFrame, split: str) -> list[str]:
    """Up to ``MOST_VIDEOS`` usable videos of a split."""
    ids = manifest.filter(pl.col("split") == split)["video_id"].sort().to_list()
    return [ids[place] for place in _evenly(len(ids), MOST_VIDEOS)]


def release_clips(captions: pl.DataFrame, videos: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The clips of each release, made as those of the lake are.

    Args:
        captions: rows of ``release_captions``.
        videos: video_id, duration_s.
    """
    found = {}
    for (release,), lines in sorted(captions.partition_by("caption_source", as_dict=True).items()):
        tracks = lines.select("video_id", source="caption_source").unique("video_id")
        fetches = tracks.with_columns(language=pl.lit("en"), language_probability=pl.lit(None, pl.Float64))
        columns = list(load_tables()["captions"].column_types)
        found[str(release)] = clips_of(lines.select(columns), videos, fetches, Segmentation())
    return found


def compare_tracks(
    tracks: Mapping[str, pl.DataFrame], videos: pl.DataFrame, features: FeatureReader, model: TextVideoModel
) -> pl.DataFrame:
    """Rows of ``caption_track_study``.

    Words and times are those of every video that has the track. For retrieval, each track has the same number of
    pairs, of videos that have all tracks.

    Args:
        tracks: rows of ``clips`` by track; ``OWN`` first.
        videos: video_id, duration_s.
        features: reader of the streams that the model reads.
    """
    used = {name: clips for name, clips in tracks.items() if len(clips)}
    shared = set.intersection(*(set(clips["video_id"]) for clips in used.values())) if used else set()
    pairs = {name: _pairs(clips, sorted(shared), features, model) for name, clips in used.items()}
    count = min([MOST_PAIRS, *(len(texts) for texts, _ in pairs.values())], default=0)
    rows = [
        (name, *_text_and_time(clips, tracks[OWN], videos), *_retrieval(*pairs[name], count))
        for name, clips in used.items()
    ]
    return load_tables()["caption_track_study"].frame(rows)


def _text_and_time(clips: pl.DataFrame, own: pl.DataFrame, videos: pl.DataFrame) -> tuple[object, ...]:
    durations = dict(videos.select("video_id", "duration_s").iter_rows())
    own_of = own.partition_by("video_id", as_dict=True)
    words: set[str] = set()
    spoken, covered, known_s, both_s, either_s = 0, 0.0, 0.0, 0.0, 0.0
    common: list[float] = []
    of_video = clips.partition_by("video_id", as_dict=True)
    for (video_id,), lines in of_video.items():
        tokens = _tokens(lines)
        spoken += len(tokens)
        words |= set(tokens)
        spans = _spans(lines)
        if durations.get(video_id) is not None:
            covered += _length(spans)
            known_s += durations[video_id]
        other = own_of.get((video_id,))
        if other is not None:
            others = _spans(other)
            joined = _length(merged([*spans, *others]))
            either_s += joined
            both_s += _length(spans) + _length(others) - joined
            theirs = set(_tokens(other))
            common.append(len(theirs & set(tokens)) / max(len(theirs | set(tokens)), 1))
    return (
        len(of_video),
        len(clips),
        spoken / len(of_video),
        len(words),
        (clips["end_s"] - clips["start_s"]).median(),
        min(covered / known_s, 1.0) if known_s else 0.0,
        both_s / either_s if either_s else None,
        float(np.mean(common)) if common else None,
    )


def _tokens(lines: pl.DataFrame) -> list[str]:
    return [word for caption in lines["caption"] for word in tokenize(caption.lower())]


def _spans(lines: pl.DataFrame) -> Spans:
    return merged(lines.select("start_s", "end_s").iter_rows())


def merged(spans: Iterable[tuple[float, float]]) -> Spans:
    """The same time in spans that do not overlap, by start."""
    found: Spans = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _length(spans: Spans) -> float:
    return sum(end - start for start, end in spans)


def _pairs(
    clips: pl.DataFrame, video_ids: Sequence[str], features: FeatureReader, model: TextVideoModel
) -> tuple[Vectors, Vectors]:
    """Vectors of texts and clips, ``[pairs, dimension]`` each, of the pairs with a known word and a feature row.

    Clips shorter than ``MIN_CLIP_S`` are extended on both sides.
    """
    of_video = clips.partition_by("video_id", as_dict=True)
    texts, videos = ([np.empty((0, model.dimension), np.float32)] for _ in range(2))
    for video_id in video_ids:
        streams = video_streams(features, video_id)
        if streams is None:
            continue
        lines = of_video[video_id,].sort("clip_index")
        known = [bool(model.known_words(caption)) for caption in lines["caption"]]
        lines = lines.filter(pl.Series(known, dtype=pl.Boolean))
        start_s, end_s = (lines[name].to_numpy() for name in ("start_s", "end_s"))
        missing_s = np.maximum(MIN_CLIP_S - (end_s - start_s), 0)
        clip, empty = model.encode_clips(streams, np.maximum(start_s - missing_s / 2, 0), end_s + missing_s / 2)
        videos.append(clip[~empty])
        texts.append(model.encode_text(lines["caption"].to_list())[~empty])
    return np.concatenate(texts), np.concatenate(videos)


def _retrieval(texts: Vectors, videos: Vectors, count: int) -> tuple[float | None, float | None, float | None, int]:
    """Mean similarity, R@1 and R@10 of ``count`` pairs, spread evenly; None where there are no pairs."""
    if not count:
        return None, None, None, 0
    places = _evenly(len(texts), count)
    text, video = (torch.from_numpy(vectors[places]) for vectors in (texts, videos))
    found = ranks(text, video)
    return float((text * video).sum(1).mean()), found.recall(1), found.recall(10), count


def _evenly(rows: int, most: int) -> list[int]:
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).round().astype(int)).tolist() if rows else []


PANELS = ("words_per_video", "covered", "time_overlap", "word_overlap", "similarity", "recall_at_10")


def tracks_figure(study: pl.DataFrame) -> Figure:
    """A bar per track in a panel per measure."""
    names = study["caption_source"].to_list()[::-1]
    drawn = Figure(figsize=(12, 2.4 + 0.5 * len(names)), dpi=80, layout="constrained")
    for axes, measure in zip(drawn.subplots(2, 3, sharey=True).flat, PANELS, strict=True):
        values = dict(study.select("caption_source", measure).iter_rows())
        axes.barh(names, [values[name] or 0 for name in names], color="C0")
        axes.set_title(measure.replace("_", " "))
        axes.grid(alpha=0.3, axis="x")
    return drawn
