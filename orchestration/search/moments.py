"""Finding the moments of a lake's videos that a text describes, by the trained joint embedding.

Belongs here: from tables, pairs and a model to the best moments for a text. Web pages are ``app``. Imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from assets.lake import Lake
from assets.training.embedding import load_joint_embedding
from assets.training.models import MODEL_FILES
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pair_store import SCAN_ROWS, PairStore
from ml.joint_embedding.train import load_words
from ml.text.tokens import clean, stop_words, tokenize
from ml.text.word_vectors import WordVectors, pad
from orchestration.search.library import NotReadyError

SAME_MOMENT = 0.5
"""Share of the shorter of two stretches of one video from which on their overlap makes them one moment."""
MODELS = ("word_vectors", "joint_embedding")
"""Model folders that are needed, in the order in which they are made."""
EXAMPLES = 6
TABLES = ("training_manifest", "clips", "videos", "video_files")


@dataclass(frozen=True)
class Moment:
    """A stretch of a video, in seconds from its start, and how well it fits a text (larger is better).

    ``split`` is train, validation or test: a moment of a training video was seen while learning. ``playable`` tells
    whether the lake has the video's file.
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
    """What is known of a video: its title, where it is from, its split, and its caption lines (seconds and text)."""

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
        """The caption lines between two times, as spoken; those that reach into it where none lies within."""
        lines = np.flatnonzero((self.start_s >= start_s) & (self.end_s <= end_s))
        if not len(lines):
            lines = np.flatnonzero((self.start_s < end_s) & (self.end_s > start_s))
        return " ".join(self.captions[line] for line in lines)


class Moments:
    """All clips of a lake, embedded once, ranked by one matrix product a query: exact, and right for small corpora.

    Args:
        model: the embedding, with the words that it reads.
        vectors: embeddings of the clips ``[clips, dim]``.
        video_ids, start_s, end_s: where each clip is.
        videos: what is known of each video.
        files: path of each video that has a file, relative to the media root or absolute.
    """

    name = "joint embedding"

    def __init__(
        self,
        model: JointEmbedding,
        words: WordVectors,
        vectors: NDArray[np.float32],
        video_ids: Sequence[str],
        start_s: NDArray[np.float64],
        end_s: NDArray[np.float64],
        videos: Mapping[str, Video],
        files: Mapping[str, str],
    ) -> None:
        self._model, self._words, self._table = model, words, torch.from_numpy(words.padded)
        self._vectors, self._video_ids, self._start_s, self._end_s = vectors, video_ids, start_s, end_s
        self._videos, self.files = videos, files

    def __len__(self) -> int:
        return len(self._vectors)

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
        ids = self._words.ids([" ".join(self._known(text))])
        if not ids[0]:
            return []
        with torch.inference_mode():
            query = self._model.encode_ids(torch.from_numpy(pad(ids)), self._table)[0].numpy()
        scores = self._vectors @ query
        found: list[int] = []
        for clip in _descending(scores):
            if len(found) == limit:
                break
            if not any(self._same(clip, other) for other in found):
                found.append(clip)
        return [self._moment(clip, float(scores[clip])) for clip in found]

    def unknown(self, text: str) -> list[str]:
        """Words of a text that the model does not know, without those that captions are cleaned of."""
        known = {word.lower() for word in self._known(text)}
        return [word for word in tokenize(text) if word.lower() not in known | stop_words()]

    @cached_property
    def examples(self) -> list[str]:
        """Some short captions, without stop words, that the model finds most like their own clips: what to ask for."""
        some = np.unique(np.linspace(0, len(self) - 1, min(400, len(self))).astype(int))
        lines = (self._videos[self._video_ids[clip]].line_at(self._start_s[clip]) for clip in some)
        cleaned = {clip: clean(line).lower() for clip, line in zip(some.tolist(), lines, strict=True)}
        short = {clip: text for clip, text in cleaned.items() if 2 <= len(text.split()) <= 5}
        if not short:
            return []
        with torch.inference_mode():
            ids = torch.from_numpy(pad(self._words.ids(list(short.values()))))
            fit = (self._model.encode_ids(ids, self._table).numpy() * self._vectors[list(short)]).sum(1)
        best = [text for _, text in sorted(zip(fit, short.values(), strict=True), reverse=True)]
        by_first_word = {text.split()[0]: text for text in reversed(best)}
        return sorted(by_first_word.values(), key=best.index)[:EXAMPLES]

    def _known(self, text: str) -> list[str]:
        spelled = (word if word in self._words.rows else word.lower() for word in tokenize(text))
        return [word for word in spelled if word in self._words.rows]

    def _same(self, clip: int, other: int) -> bool:
        if self._video_ids[clip] != self._video_ids[other]:
            return False
        start, end = self._start_s[[clip, other]], self._end_s[[clip, other]]
        return bool(end.min() - start.max() > SAME_MOMENT * (end - start).min())

    def _moment(self, clip: int, score: float) -> Moment:
        video_id, start_s, end_s = self._video_ids[clip], float(self._start_s[clip]), float(self._end_s[clip])
        video = self._videos[video_id]
        caption = video.said(start_s, end_s)
        return Moment(
            video_id, video.title, start_s, end_s, caption, score, video.split, video.source, video_id in self.files
        )


def _descending(scores: NDArray[np.float32], first: int = 256) -> Iterator[int]:
    """Positions by falling score; the few that are nearly always enough are sorted without the others."""
    clips = np.arange(len(scores))
    head = np.argpartition(-scores, first)[:first] if len(scores) > first else clips
    yield from head[np.argsort(-scores[head], kind="stable")].tolist()
    rest = np.setdiff1d(clips, head)
    yield from rest[np.argsort(-scores[rest], kind="stable")].tolist()


def load_moments(
    lake: Lake, models: Path, pairs: PairStore, progress: Callable[[int, int], None] | None = None
) -> Moments:
    """Embed every clip of the videos that the model may use.

    Args:
        models: folder of the model folders.
        pairs: clip vectors of the videos.
        progress: told of the clips that are embedded and of all clips.

    Raises:
        NotReadyError: a model or a table is missing, or the model does not fit the clips.
    """
    for name in MODELS:
        if not all((models / name / file).exists() for file in MODEL_FILES):
            raise NotReadyError(
                f"The model {name} is not in {models} yet. Run “make demo”, or materialise the asset {name}."
            )
    if missing := [table for table in TABLES if not lake.has(table)]:
        raise NotReadyError(f"The lake has no table {missing[0]} yet. Run “make demo”, or materialise that asset.")
    model, words = load_joint_embedding(models / "joint_embedding"), load_words(models / "word_vectors")
    manifest = lake.read("training_manifest").pl()
    rows, vectors = _embedded(model, pairs, manifest, progress)
    files = lake.sql("SELECT video_id, uri FROM video_files WHERE status = 'ok'").fetchall()
    return Moments(
        model,
        words,
        vectors,
        rows["video_id"].to_list(),
        rows["start_s"].to_numpy(),
        rows["end_s"].to_numpy(),
        _videos(lake, manifest),
        dict(files),
    )


@torch.inference_mode()
def _embedded(
    model: JointEmbedding, pairs: PairStore, manifest: pl.DataFrame, progress: Callable[[int, int], None] | None
) -> tuple[pl.DataFrame, NDArray[np.float32]]:
    """Place and embedding of every clip of the manifest's videos."""
    wanted, total = manifest["video_id"].to_list(), int(manifest["pairs"].sum())
    places = [pl.DataFrame(schema={"video_id": pl.String, "start_s": pl.Float64, "end_s": pl.Float64})]
    embedded = [np.empty((0, model.video.gate.out_features), np.float32)]
    done = 0
    for shard in sorted(set(manifest["shard"])):
        for batch in pairs.open(shard).scanner(batch_size=SCAN_ROWS).to_batches():
            frame = pl.DataFrame(batch.select(["video_id", "start_s", "end_s"]))
            mine = frame["video_id"].is_in(wanted).to_numpy()
            vectors = batch["vector"].flatten().to_numpy(zero_copy_only=False).reshape(len(batch), -1)[mine]
            _refuse_other_width(model, vectors.shape[1])
            places.append(frame.filter(mine))
            embedded.append(model.encode_video(torch.from_numpy(vectors).float()).numpy())
            done += len(vectors)
            if progress:
                progress(done, total)
    return pl.concat(places), np.concatenate(embedded)


def _refuse_other_width(model: JointEmbedding, width: int) -> None:
    if width != model.video.project.in_features:
        raise NotReadyError(
            f"The model reads clip vectors of {model.video.project.in_features} numbers, and those of the lake have"
            f" {width}. Run “make demo”, or materialise the asset joint_embedding again."
        )


def _videos(lake: Lake, manifest: pl.DataFrame) -> dict[str, Video]:
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
