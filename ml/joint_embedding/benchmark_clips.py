"""Vectors of the benchmarks' clips from the feature rows of their videos, if no published vectors are available."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ml.joint_embedding.benchmarks import STREAMS, ClipPlace, EvaluationSet
from ml.joint_embedding.clip_vectors import clip_vectors
from ml.joint_embedding.pairs import Stream

StreamsOf = Callable[[str], Sequence[Stream] | None]
"""The feature rows of a video by each network; None if it has none."""


def featured(
    listed: EvaluationSet, places: Sequence[ClipPlace], streams_of: StreamsOf
) -> tuple[EvaluationSet, dict[str, str]]:
    """The listed clips with the vectors of their feature rows.

    The first network gives the 2D vectors, the second one the 3D vectors; with one network the 3D vectors are empty.

    Args:
        places: the video and interval of each clip.

    Returns:
        The clips with vectors, and the reason for each of the others.

    Raises:
        ValueError: there are more networks than the files have room for.
    """
    of_video: dict[str, list[int]] = {}
    for clip, place in enumerate(places):
        of_video.setdefault(place.video_id, []).append(clip)
    vectors: dict[int, list[NDArray[np.float32]]] = {}
    left_out: dict[str, str] = {}
    for video_id, clips in of_video.items():
        streams = streams_of(video_id)
        if streams is None:
            left_out |= {listed.ids[clip]: f"video {video_id} has no features" for clip in clips}
            continue
        pooled = [_pooled(stream, [places[clip] for clip in clips]) for stream in streams]
        for row, clip in enumerate(clips):
            if any(empty[row] for _, empty in pooled):
                left_out[listed.ids[clip]] = f"no feature row of video {video_id} lies in the clip"
            else:
                vectors[clip] = [rows[row] for rows, _ in pooled]
    kept = np.array(sorted(vectors), np.int64)
    return replace(listed.part(kept), streams=_by_stream([vectors[clip] for clip in kept])), left_out


def _pooled(stream: Stream, places: Sequence[ClipPlace]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    duration_s = len(stream.features) / stream.rate_hz
    start_s = np.array([place.start_s for place in places])
    end_s = np.array([duration_s if place.end_s is None else place.end_s for place in places])
    return clip_vectors(stream.features, start_s, end_s, stream.rate_hz)


def _by_stream(vectors: Sequence[Sequence[NDArray[np.float32]]]) -> dict[str, NDArray[np.floating]]:
    networks = len(vectors[0]) if vectors else 0
    if networks > len(STREAMS):
        raise ValueError(f"{networks} networks; the benchmarks' files hold the vectors of {len(STREAMS)}")
    missing = np.empty((len(vectors), 0), np.float32)
    return {
        stream: np.stack([each[number] for each in vectors]) if number < networks else missing
        for number, stream in enumerate(STREAMS)
    }
