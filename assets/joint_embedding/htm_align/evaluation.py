"""HTM-Align with the text-video model of the lake: which second shows each sentence, and whether any does.

Imports torch. See ``ml.joint_embedding.htm_align`` for the file and the scorer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.features.layouts import LayoutError
from assets.features.published_files import PublishedFiles
from assets.features.reader import FeatureReader
from assets.joint_embedding.htm_align.options import ANNOTATIONS
from assets.joint_embedding.pairs import video_streams
from ml.joint_embedding.htm_align import (
    AlignmentScorer,
    Sentence,
    Similarities,
    in_windows,
    read_htm_align,
)
from ml.joint_embedding.pairs import Stream
from ml.joint_embedding.text_video import TextVideoModel
from ml.text_video.model import Tower

WHOLE, WINDOWED = "over the whole video", "in windows of 64 s"
_WITHIN_A_SECOND = 1 - 1e-6


@dataclass(frozen=True)
class HtmAlignResult:
    """Metrics by method, and the videos that were left out, with the reason."""

    metrics: dict[str, dict[str, float]]
    videos: int
    left_out: dict[str, str]


def evaluate_htm_align(
    folder: Path, model: TextVideoModel, features: FeatureReader, rates_hz: Mapping[str, float]
) -> HtmAlignResult:
    """Both ways of scoring: over the whole video, and over windows of 64 s.

    Args:
        folder: that of ``HtmAlignOptions``.
        features: reader of the lake's features by the streams that the model reads. Where all of these have a
            subfolder, the files in it are read instead.
        rates_hz: rows per second of published files, by stream; 1 for a model's own stream, which is not there.

    Raises:
        ValueError: a sentence of the annotations cannot be read, or no video has features.
    """
    streams_of = _streams_of(folder, model, features, rates_hz)
    scorers = {WHOLE: AlignmentScorer(), WINDOWED: AlignmentScorer()}
    annotated, left_out = read_htm_align(folder / ANNOTATIONS), {}
    for video_id, sentences in annotated.items():
        try:
            similarities = second_similarities(model, streams_of(video_id), sentences)
        except (LayoutError, LookupError) as error:
            left_out[video_id] = str(error.args[0])
            continue
        for scorer, seen in zip(scorers.values(), (similarities, in_windows(similarities, sentences)), strict=True):
            scorer.add(seen, sentences)
    if len(left_out) == len(annotated):
        raise ValueError(f"{folder}: no video of it can be scored; {next(iter(left_out.items()))}")
    return HtmAlignResult(_metrics(model.identity, scorers), len(annotated), left_out)


def second_similarities(
    model: TextVideoModel, streams: Sequence[Stream], sentences: Sequence[Sentence]
) -> Similarities:
    """Similarity of each sentence with each whole second of the video, ``[sentences, seconds]``.

    Raises:
        LookupError: the video has less than a second of features.
    """
    seconds = int(min(len(stream.features) / stream.rate_hz for stream in streams) + 1e-6)
    if seconds == 0:
        raise LookupError("less than a second of features")
    start_s: NDArray[np.float64] = np.arange(seconds, dtype=np.float64)
    clips, _ = model.encode_clips(streams, start_s, start_s + _WITHIN_A_SECOND)
    texts = model.encode_text([sentence.text for sentence in sentences])
    found: Similarities = texts @ clips.T
    return found


def _streams_of(
    folder: Path, model: TextVideoModel, features: FeatureReader, rates_hz: Mapping[str, float]
) -> Callable[[str], list[Stream]]:
    """The streams of a video, from the files of HTM-Align or from the lake.

    Raises, when called:
        LayoutError: a file is missing or cannot be read.
        LookupError: the lake has no features of the video.
    """
    files = {name: PublishedFiles(folder / name) for name in features.streams if (folder / name).is_dir()}

    def streams(video_id: str) -> list[Stream]:
        if set(files) == set(features.streams):
            read = {name: published.read(video_id)[0] for name, published in files.items()}
            if isinstance(model, Tower):
                read = {name: model.rows_of_file(rows) for name, rows in read.items()}
            return [Stream(rows.astype(np.float16), rates_hz.get(name, 1.0)) for name, rows in read.items()]
        stored = video_streams(features, video_id)
        if stored is None:
            raise LookupError(f"the lake has no features by {features.missing_stream(video_id)}")
        return stored

    return streams


def _metrics(name: str, scorers: Mapping[str, AlignmentScorer]) -> dict[str, dict[str, float]]:
    metrics: dict[str, dict[str, float]] = {}
    for mode, scorer in scorers.items():
        found = scorer.scores()
        auc = {} if found.roc_auc is None else {"ROC-AUC": found.roc_auc}
        metrics[f"{name}, {mode}"] = {"R@1": found.recall, **auc, "queries": found.sentences}
        metrics["random second"] = {"R@1": found.chance, "ROC-AUC": 0.5, "queries": found.sentences}
    return metrics
