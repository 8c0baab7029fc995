"""From videos with subtitles to the packed tensors that HERO reads: alignment of frames, layout of sequences.

See ``ml.hero.pretraining`` and ``ml.hero.downstream.tasks`` for the masks, queries and questions of each task.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.hero.attention import Packing
from ml.hero.config import HeroConfig
from ml.hero.video import Subtitle, Video

BEGIN, PADDING, END = 0, 1, 2
"""Ids of ``<s>``, ``<pad>`` and ``</s>`` in RoBERTa's vocabulary and in those trained here."""

FRAMES_WITHOUT_SUBTITLE = 5
"""Frames that share an empty subtitle in a video without subtitles."""
LONGEST_LAST_S = 16.0
FRAMES_OF_LONG_LAST = 11
"""A last subtitle that is longer than ``LONGEST_LAST_S`` seconds keeps only this number of frames."""


class Vocabulary(NamedTuple):
    """The tokens that masked language modelling replaces words by: the mask, or an id from ``first`` to ``last``."""

    mask: int
    first: int
    last: int


class Passage(NamedTuple):
    """One sequence for the cross-modal transformer: frames in order, and the tokens said during them."""

    frames: tuple[int, ...]
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class AlignedVideo:
    """A video cut into passages; frames of no passage have no subtitle. ``dropped`` counts subtitles after the end."""

    video_id: str
    features: NDArray[np.floating]
    passages: tuple[Passage, ...]
    dropped: int = 0


class Texts(NamedTuple):
    """Texts packed shortest first: ``tokens`` and their ``positions``, both ``[tokens]``.

    ``places[texts]`` is the position of each text, in the order given, among the packed ones.
    """

    tokens: Tensor
    positions: Tensor
    packing: Packing
    places: Tensor


class HeroBatch(NamedTuple):
    """Videos packed for the model; see ``collate``.

    Passages are sequences of rows of ``cat(frames[matched], tokens)``; ``order`` lists these rows in the stream's
    order. Videos are sequences of rows of ``cat(frames, appended)``; ``video_order`` lists these rows.
    """

    frames: Tensor
    """Features ``[frames of all videos, dim]``, in the precision in which they are stored."""
    frame_places: Tensor
    """Place of each frame in its video ``[frames]``."""
    lengths: Tensor
    """Frames of each video ``[videos]``."""
    longest: int
    """The greatest of them."""
    matched: Tensor
    """Rows of ``frames`` that are in a passage ``[matched]``; each at most once."""
    matched_positions: Tensor
    """Their places in their passage ``[matched]``."""
    tokens: Tensor
    """Tokens of all passages ``[tokens]``."""
    token_positions: Tensor
    """Their places in their passage's text ``[tokens]``."""
    token_videos: Tensor
    """Row of their video ``[tokens]``."""
    order: Tensor
    packing: Packing
    appended: Tensor
    """Tokens that follow a video's frames in the temporal transformer ``[appended]``, as in question answering."""
    appended_positions: Tensor
    video_order: Tensor
    video_packing: Packing

    def features(self, rows: Tensor | None = None) -> Tensor:
        """``frames`` or some rows of them, in float32 at least: they are widened where the model is."""
        chosen = self.frames if rows is None else self.frames[rows]
        return chosen.to(torch.promote_types(chosen.dtype, torch.float32))


def align(
    subtitles: Sequence[Subtitle], frames: int, interval_s: float
) -> tuple[list[tuple[int, tuple[int, ...]]], list[int]]:
    """Which frames each subtitle covers, as in the authors' public code (linjieli222/HERO).

    Frame t is the interval ``[t, t + 1) * interval_s``. A subtitle covers the frames from the one it begins in to the
    one it ends in. A frame that several subtitles cover belongs to the one with the greatest temporal IoU, the first of
    equals.

    Returns:
        (number of the subtitle, its frames) for each subtitle that begins before the last frame ends, and the frames
        without a subtitle.
    """
    claims: dict[int, tuple[float, int]] = {}
    kept: list[int] = []
    for number, subtitle in enumerate(subtitles):
        covered = _covered(subtitle, interval_s, last=number == len(subtitles) - 1)
        if covered.start >= frames:
            continue
        kept.append(number)
        for frame in covered:
            if frame >= frames:
                break
            overlap = _overlap(subtitle, frame, interval_s)
            if overlap > claims.get(frame, (0.0, 0))[0]:
                claims[frame] = overlap, number
    found = {number: tuple(f for f in sorted(claims) if claims[f][1] == number) for number in kept}
    return list(found.items()), [frame for frame in range(frames) if frame not in claims]


def _covered(subtitle: Subtitle, interval_s: float, last: bool) -> range:
    first = max(math.floor(subtitle.start_s / interval_s), 0)
    stop = math.ceil(subtitle.end_s / interval_s)
    if last and subtitle.end_s - subtitle.start_s > LONGEST_LAST_S:
        stop = min(stop, first + FRAMES_OF_LONG_LAST)
    return range(first, stop)


def _overlap(subtitle: Subtitle, frame: int, interval_s: float) -> float:
    """Temporal IoU of a subtitle with a frame."""
    begin, end = frame * interval_s, (frame + 1) * interval_s
    common = min(end, subtitle.end_s) - max(begin, subtitle.start_s)
    return common / (max(end, subtitle.end_s) - min(begin, subtitle.start_s))


def aligned(video: Video, config: HeroConfig, with_subtitles: bool = True) -> AlignedVideo:
    """The video's passages; frames and tokens beyond the model's limits are cut.

    A video without subtitles, or whose subtitles all begin after its end, has passages of five frames without text.
    Without ``with_subtitles`` (video-only tasks) all frames are one passage with the text ``<s>``.

    Raises:
        ValueError: the video has no frame, or features of another width than the model.
    """
    features = video.features[: config.max_frames]
    frames = len(features)
    if not frames:
        raise ValueError(f"video {video.video_id} has no frame features")
    if features.shape[1] != config.frame_dim:
        raise ValueError(
            f"video {video.video_id}: features of {features.shape[1]} numbers, but the model reads {config.frame_dim}"
        )
    if not with_subtitles:
        return AlignedVideo(video.video_id, features, (Passage(tuple(range(frames)), (BEGIN,)),))
    found, _ = align(video.subtitles, frames, video.interval_s)
    if found:
        passages = [Passage(own, tuple(video.subtitles[number].tokens[: config.max_text])) for number, own in found]
    else:
        places = tuple(range(frames))
        firsts = range(0, frames, FRAMES_WITHOUT_SUBTITLE)
        passages = [Passage(places[first : first + FRAMES_WITHOUT_SUBTITLE], ()) for first in firsts]
    return AlignedVideo(video.video_id, features, tuple(passages), len(video.subtitles) - len(found))


def tokens_of(video: AlignedVideo, text: Sequence[int] = ()) -> int:
    """Elements of the sequences of a video in both transformers, each passage's text with its lead.

    Args:
        text: tokens that are appended to every passage and to the frames (``ml.hero.model.Hero.with_texts``).
    """
    of_passages = sum(len(passage.frames) + 1 + len(passage.tokens) for passage in video.passages)
    return of_passages + len(video.features) + (len(video.passages) + 1) * len(text)


def collate(
    videos: Sequence[AlignedVideo], lead: int = END, appended: Sequence[Sequence[int]] | None = None
) -> HeroBatch:
    """Pack videos.

    Args:
        lead: the token before each passage's text; ``</s>``, except in masked language modelling.
        appended: tokens that follow the frames of each video in the temporal transformer.
    """
    counts = np.array([len(video.features) for video in videos])
    passages = [passage for video in videos for passage in video.passages]
    of_video = np.repeat(np.arange(len(videos)), [len(video.passages) for video in videos])
    own_frames = np.array([len(passage.frames) for passage in passages], np.int64)
    own_tokens = np.array([1 + len(passage.tokens) for passage in passages], np.int64)
    frames = _flat(passage.frames for passage in passages)
    matched = frames + np.repeat((counts.cumsum() - counts)[of_video], own_frames)
    token_positions = places_within(own_tokens)
    tokens = np.full(len(token_positions), lead)
    tokens[token_positions > 0] = _flat(passage.tokens for passage in passages)
    order, packing = _interleaved(own_frames, own_tokens)
    following = appended or [()] * len(videos)
    appended_counts = np.array([len(text) for text in following], np.int64)
    video_order, video_packing = _interleaved(counts, appended_counts)
    return HeroBatch(
        frames=torch.from_numpy(np.concatenate([video.features for video in videos])),
        frame_places=torch.from_numpy(places_within(counts)),
        lengths=torch.from_numpy(counts),
        longest=int(counts.max()),
        matched=torch.from_numpy(matched),
        matched_positions=torch.from_numpy(places_within(own_frames)),
        tokens=torch.from_numpy(tokens),
        token_positions=torch.from_numpy(token_positions),
        token_videos=torch.from_numpy(np.repeat(of_video, own_tokens)),
        order=order,
        packing=packing,
        appended=torch.from_numpy(_flat(following)),
        appended_positions=torch.from_numpy(places_within(appended_counts)),
        video_order=video_order,
        video_packing=video_packing,
    )


def collate_texts(texts: Sequence[Sequence[int]], lead: int = BEGIN) -> Texts:
    """Pack texts, each after the token ``lead``."""
    lengths = np.array([1 + len(text) for text in texts], np.int64)
    shortest_first = np.argsort(lengths, kind="stable")
    packed = lengths[shortest_first]
    positions = places_within(packed)
    tokens = np.full(len(positions), lead)
    tokens[positions > 0] = _flat(texts[number] for number in shortest_first.tolist())
    places = np.empty(len(texts), np.int64)
    places[shortest_first] = np.arange(len(texts))
    return Texts(
        tokens=torch.from_numpy(tokens),
        positions=torch.from_numpy(positions),
        packing=packing_of(packed),
        places=torch.from_numpy(places),
    )


def _interleaved(first: NDArray[np.int64], second: NDArray[np.int64]) -> tuple[Tensor, Packing]:
    """Sequences of which each has elements of one array, then elements of another that follows it, shortest first.

    Args:
        first, second: how many elements of each array a sequence has; the arrays have them in the sequences' order.

    Returns:
        The numbers of the elements in the order of the packed sequences, and their packing.
    """
    lengths = first + second
    by_length = np.argsort(lengths, kind="stable")
    by_length = by_length[np.count_nonzero(lengths == 0) :]
    packed = lengths[by_length]
    places = places_within(packed)
    of_first = np.repeat(first[by_length], packed)
    starts = np.repeat((first.cumsum() - first)[by_length], packed)
    second_starts = np.repeat((first.sum() + second.cumsum() - second)[by_length], packed)
    order = np.where(places < of_first, starts + places, second_starts + places - of_first)
    return torch.from_numpy(order), packing_of(packed)


def packing_of(lengths: NDArray[np.int64]) -> Packing:
    """The packing of sequences with these lengths, ascending."""
    return Packing(torch.from_numpy(lengths), int(lengths[-1]) if len(lengths) else 0)


def places_within(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, 2, ... for each sequence in a row, ``[sum of lengths]``."""
    return np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)


def _flat(sequences: Iterable[Iterable[int]]) -> NDArray[np.int64]:
    return np.fromiter(chain.from_iterable(sequences), np.int64)


def key_of(thing: str | Sequence[int]) -> int:
    """A number of 64 bits that is equal for equal names or texts, in every process."""
    return int.from_bytes(hashlib.blake2b(repr(thing).encode(), digest_size=8).digest(), signed=True)


def padded(rows: Tensor, lengths: Tensor, longest: int) -> tuple[Tensor, Tensor]:
    """Packed rows ``[all, ...]`` as ``[sequences, longest, ...]``, and the mask that is true where there is a row.

    Args:
        lengths: of the sequences; longest: the greatest of them or more.
    """
    mask = torch.arange(longest, device=rows.device) < lengths[:, None]
    starts = torch.arange(len(lengths), device=rows.device) * longest - (lengths.cumsum(0) - lengths)
    places = torch.arange(len(rows), device=rows.device) + starts.repeat_interleave(lengths, output_size=len(rows))
    whole = rows.new_zeros(len(lengths) * longest, *rows.shape[1:]).index_copy(0, places, rows)
    return whole.unflatten(0, (len(lengths), longest)), mask
