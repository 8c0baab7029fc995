"""Moments of videos that a text describes, found by the text-video model. Imports torch.

See `ml.joint_embedding.search` for the search of clips, and `app` for the web pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.joint_embedding.text_video import INDEX, LakeModel, lake_model, load_joint_embedding
from assets.lake import Lake
from assets.models.folder import MODEL_FILES
from ml.joint_embedding.clip_index import ClipIndex
from ml.joint_embedding.pair_store import PairStore
from ml.joint_embedding.search import ClipSearch, Found, text_embeddings
from ml.joint_embedding.text_video import JointTextVideo
from ml.text.tokens import clean, stop_words, tokenize
from orchestration.search.errors import NotReadyError

SAME_MOMENT = 0.5
"""Share of the shorter of two stretches of one video from which on their overlap makes them one moment."""
MODELS = ("word_vectors", "joint_embedding")
"""Model folders that are needed, in the order in which they are made."""
CLIPS_OF_MOMENT = 4
"""Clips that are requested at first per moment: many of them overlap."""
ROUNDING = 0.01
"""Largest difference of a stored embedding from a recomputed one, caused by half precision and other processors."""
EXAMPLES = 6
TABLES = ("training_manifest", "clips", "videos", "video_files")


@dataclass(frozen=True)
class Moment:
    """A stretch of a video, in seconds from its start, and how well it fits a text (larger is better).

    ``split`` is train, validation or test: a moment of a training video was seen in training. ``playable``: whether
    the lake has the file of the video.
    """

    video_id: str
    title: str
    start_s: float
    end_s: float
    caption: str
    score: float
    split: str
    source: str
    playable: bool


@dataclass(frozen=True)
class Video:
    """A video: its title, source and split, and its caption lines (seconds and text)."""

    title: str
    source: str
    split: str
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    captions: list[str]

    def line_at(self, start_s: float) -> str:
        """The caption line that starts there."""
        lines = np.flatnonzero(self.start_s == start_s)
        return self.captions[lines[0]] if len(lines) else ""

    def said(self, start_s: float, end_s: float) -> str:
        """The caption lines between two times, as spoken; lines that reach into it where no line is within it."""
        lines = np.flatnonzero((self.start_s >= start_s) & (self.end_s <= end_s))
        if not len(lines):
            lines = np.flatnonzero((self.start_s < end_s) & (self.end_s > start_s))
        return " ".join(self.captions[line] for line in lines)

    def moment(self, video_id: str, start_s: float, end_s: float, score: float, playable: bool) -> Moment:
        """A stretch of it, with its captions."""
        said = self.said(start_s, end_s)
        return Moment(video_id, self.title, start_s, end_s, said, score, self.split, self.source, playable)


class Moments:
    """The moments of a lake's videos, found by its index of clips.

    Args:
        clips: finds clips by text.
        videos: each video; clips of others are not moments.
        files: path of each video that has a file, relative to the media root or absolute.
    """

    def __init__(self, clips: ClipSearch, videos: Mapping[str, Video], files: Mapping[str, str]) -> None:
        self._clips, self._videos, self.files = clips, videos, files
        joint = isinstance(clips.model, JointTextVideo)
        self.name = "joint embedding" if joint else clips.model.identity
        self.scored_by = f"{'cosine' if joint else 'dot product'} of text and clip"

    def __len__(self) -> int:
        return len(self._clips.index)

    @property
    def videos(self) -> int:
        """Number of videos."""
        return len(self._videos)

    @property
    def synthetic(self) -> bool:
        """Whether some video is generated data."""
        return any(video.source == "synthetic" for video in self._videos.values())

    def search(self, text: str, limit: int) -> list[Moment]:
        """The best moments for a text, best first; of clips that overlap, the best one. None if no word is known."""
        words, requested = " ".join(self._known(text)), CLIPS_OF_MOMENT * limit
        while True:
            clips = self._clips.search(words, requested)
            found = self._apart(clips)[:limit]
            if len(found) == limit or len(clips) < requested:
                return [self._moment(clip) for clip in found]
            requested *= CLIPS_OF_MOMENT

    def unknown(self, text: str) -> list[str]:
        """Words of a text that the model has no vector for, without stop words."""
        known = {word.lower() for word in self._known(text)}
        return [word for word in tokenize(text) if word.lower() not in known | stop_words()]

    @cached_property
    def examples(self) -> list[str]:
        """Some short captions, without stop words, that the model scores best with their own clips: example queries."""
        some = self._clips.index.take(np.unique(np.linspace(0, len(self) - 1, min(400, len(self))).astype(int)))
        places = enumerate(zip(some.video_ids, some.start_s, strict=True))
        lines = {row: self._videos[own].line_at(start) for row, (own, start) in places if own in self._videos}
        cleaned = {row: clean(line).lower() for row, line in lines.items()}
        short = {row: text for row, text in cleaned.items() if 2 <= len(text.split()) <= 5 and self._known(text)}
        if not short:
            return []
        texts = text_embeddings(self._clips.model, list(short.values()))
        fit = (texts * some.vectors[list(short)]).sum(1)
        best = [text for _, text in sorted(zip(fit, short.values(), strict=True), reverse=True)]
        by_first_word = {text.split()[0]: text for text in reversed(best)}
        return sorted(by_first_word.values(), key=best.index)[:EXAMPLES]

    def _known(self, text: str) -> list[str]:
        known = self._clips.model.known_words
        spelled = (word if known(word) else word.lower() for word in tokenize(text))
        return [word for word in spelled if known(word)]

    def _apart(self, clips: Sequence[Found]) -> list[Found]:
        """The clips, best first, without those whose moment a better clip has already."""
        apart: list[Found] = []
        for clip in clips:
            if clip.video_id in self._videos and not any(same_moment(clip, other) for other in apart):
                apart.append(clip)
        return apart

    def _moment(self, clip: Found) -> Moment:
        playable = clip.video_id in self.files
        return self._videos[clip.video_id].moment(clip.video_id, clip.start_s, clip.end_s, clip.score, playable)


def same_moment(clip: Found | Moment, other: Found | Moment) -> bool:
    """Whether two stretches of a video overlap so much that one of them is enough."""
    shared = min(clip.end_s, other.end_s) - max(clip.start_s, other.start_s)
    shorter = min(clip.end_s - clip.start_s, other.end_s - other.start_s)
    return clip.video_id == other.video_id and shared > SAME_MOMENT * shorter


def load_moments(lake: Lake, models: Path, pairs: PairStore, index: ClipIndex, own: LakeModel | None = None) -> Moments:
    """The moments of the videos that the model may use, as they are indexed.

    Args:
        models: folder of the model folders.
        pairs: clip vectors of the videos, by which the index is compared with the model.
        index: embeddings of the clips.
        own: the model that wrote the index; None for the joint embedding in ``models``.

    Raises:
        NotReadyError: a model, a table or the index is missing, or they do not fit each other.
    """
    for name in MODELS if own is None else ():
        if not all((models / name / file).exists() for file in MODEL_FILES):
            raise NotReadyError(
                f"The model {name} is not in {models} yet. Run howto refresh, or materialize the asset {name}."
            )
    if missing := [table for table in TABLES if not lake.has(table)]:
        raise NotReadyError(f"The lake has no table {missing[0]} yet. Run howto refresh, or materialize that asset.")
    if not index.exists():
        raise NotReadyError(
            f"The clips are not indexed in {index.path} yet. Run howto refresh, or materialize the asset"
            " clip_search_index."
        )
    # Pinned, because a training in the meantime writes embeddings of another model.
    own = own or LakeModel(load_joint_embedding(models))
    clips, manifest = ClipSearch(index.pinned(), own.model), lake.read("training_manifest").pl()
    _refuse_other_index(clips, own, pairs, manifest)
    files = lake.sql("SELECT video_id, uri FROM video_files WHERE status = 'ok'").fetchall()
    return Moments(clips, videos_of(lake, manifest), dict(files))


def configured_model(resources: Mapping[str, Any]) -> LakeModel:
    """The model of HOWTO_TEXT_VIDEO_MODEL with its feature rows in the lake.

    Raises:
        NotReadyError: the rows have not been extracted, or the model's files do not fit.
    """
    lake: Lake = resources["lake"]
    if not lake.has(INDEX):
        raise NotReadyError(f"The lake has no table {INDEX} yet. Run howto refresh, or materialize that asset.")
    try:
        return lake_model(
            resources["text_video_options"],
            resources["feature_options"],
            resources["features"],
            lake.read(INDEX).pl(),
            resources["model_root"],
        )
    except (ValueError, ImportError) as error:
        raise NotReadyError(str(error)) from error


def _refuse_other_index(clips: ClipSearch, own: LakeModel, pairs: PairStore, manifest: pl.DataFrame) -> None:
    """Compare the first clips of the index with embeddings of the first stored clips by the model."""
    try:
        wanted = next(own.embedded_clips(pairs, sorted(set(manifest["shard"]))), None)
    except ValueError as error:
        raise NotReadyError(f"{error}. Run howto refresh, or materialize the asset joint_embedding again.") from error
    if wanted is None:
        return
    stored = clips.index.take(np.arange(min(len(wanted.video_ids), len(clips.index))))
    same = stored.video_ids == wanted.video_ids and stored.vectors.shape == wanted.vectors.shape
    if not (same and np.allclose(stored.vectors, wanted.vectors, atol=ROUNDING)):
        raise NotReadyError(
            "The index of the clips is of another model or of other clips. Run howto refresh, or materialize the asset"
            " clip_search_index."
        )


def videos_of(lake: Lake, manifest: pl.DataFrame) -> dict[str, Video]:
    """Titles, sources, splits and captions of the videos of ``manifest``, which has one row per video."""
    titles = lake.read("videos").pl().select("video_id", "title", "source")
    lines = lake.read("clips").pl().select("video_id", "clip_index", "start_s", "end_s", "caption")
    spoken = lines.sort("video_id", "clip_index").partition_by("video_id", as_dict=True)
    videos = {}
    for video_id, title, source, split in (
        manifest.join(titles, on="video_id").select("video_id", "title", "source", "split").iter_rows()
    ):
        own = spoken.get((video_id,), lines.clear())
        start_s, end_s = own["start_s"].to_numpy(), own["end_s"].to_numpy()
        videos[video_id] = Video(title, source, split, start_s, end_s, own["caption"].to_list())
    return videos
