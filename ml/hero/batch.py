"""From videos with subtitles to the packed tensors that HERO reads: alignment of frames, layout of sequences.

See ``ml.hero.pretraining`` and ``ml.hero.downstream.tasks`` for the masks, queries and questions of each task.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.hero.attention import Groups
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
    groups: Groups
    places: Tensor


class HeroBatch(NamedTuple):
    """Videos packed for the model; see ``collate``.

    Passages are sequences of rows of ``cat(frames[matched], tokens)``; ``order`` lists these rows in the stream's
    order. Videos are sequences of rows of ``cat(frames, appended)``; ``video_order`` lists these rows.
    """

    frames: Tensor
    """Features ``[frames of all videos, dim]``."""
    frame_places: Tensor
    """Place of each frame in its video ``[frames]``."""
    lengths: Tensor
    """Frames of each video ``[videos]``."""
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
    groups: Groups
    appended: Tensor
    """Tokens that follow a video's frames in the temporal transformer ``[appended]``, as in question answering."""
    appended_positions: Tensor
    video_order: Tensor
    video_groups: Groups


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


def collate(
    videos: Sequence[AlignedVideo], lead: int = END, appended: Sequence[Sequence[int]] | None = None
) -> HeroBatch:
    """Pack videos.

    Args:
        lead: the token before each passage's text; ``</s>``, except in masked language modelling.
        appended: tokens that follow the frames of each video in the temporal transformer.
    """
    counts = [len(video.features) for video in videos]
    firsts = np.cumsum([0, *counts])
    matched: list[int] = []
    matched_positions: list[int] = []
    tokens: list[int] = []
    positions: list[int] = []
    token_videos: list[int] = []
    spans: list[tuple[range, range]] = []
    for row, (video, first) in enumerate(zip(videos, firsts.tolist(), strict=False)):
        for passage in video.passages:
            frames, text = len(matched), len(tokens)
            matched += [first + frame for frame in passage.frames]
            matched_positions += range(len(passage.frames))
            tokens += [lead, *passage.tokens]
            positions += range(1 + len(passage.tokens))
            token_videos += [row] * (1 + len(passage.tokens))
            spans.append((range(frames, len(matched)), range(text, len(tokens))))
    order, groups, _ = pack([[*own, *(len(matched) + token for token in text)] for own, text in spans])
    following = appended or [()] * len(videos)
    ends = np.cumsum([firsts[-1], *map(len, following)]).tolist()
    rows = [
        [*range(first, first + count), *range(start, start + len(text))]
        for first, count, start, text in zip(firsts.tolist(), counts, ends, following, strict=False)
    ]
    video_order, video_groups, _ = pack(rows)
    return HeroBatch(
        frames=torch.from_numpy(np.concatenate([video.features for video in videos])).float(),
        frame_places=_indices(place for count in counts for place in range(count)),
        lengths=_indices(counts),
        matched=_indices(matched),
        matched_positions=_indices(matched_positions),
        tokens=_indices(tokens),
        token_positions=_indices(positions),
        token_videos=_indices(token_videos),
        order=order,
        groups=groups,
        appended=_indices(token for text in following for token in text),
        appended_positions=_indices(place for text in following for place in range(len(text))),
        video_order=video_order,
        video_groups=video_groups,
    )


def collate_texts(texts: Sequence[Sequence[int]], lead: int = BEGIN) -> Texts:
    """Pack texts, each after the token ``lead``."""
    whole = [[lead, *text] for text in texts]
    order, groups, places = pack([[number] for number in range(len(whole))], [len(text) for text in whole])
    sorted_texts = [whole[number] for number in order.tolist()]
    return Texts(
        tokens=_indices(token for text in sorted_texts for token in text),
        positions=_indices(place for text in sorted_texts for place in range(len(text))),
        groups=groups,
        places=places,
    )


def pack(sequences: Sequence[Sequence[int]], lengths: Sequence[int] | None = None) -> tuple[Tensor, Groups, Tensor]:
    """Sequences shortest first: their elements, the groups of equal length, and the new position of each sequence.

    Args:
        lengths: lengths to sort by; None for the numbers of elements.
    """
    sizes = lengths if lengths is not None else [len(sequence) for sequence in sequences]
    by_length = sorted((number for number, size in enumerate(sizes) if size), key=lambda number: sizes[number])
    groups = tuple((len(list(group)), size) for size, group in groupby(sizes[number] for number in by_length))
    places = torch.full((len(sequences),), -1)
    places[by_length] = torch.arange(len(by_length))
    return _indices(element for number in by_length for element in sequences[number]), groups, places


def key_of(thing: str | Sequence[int]) -> int:
    """A number of 64 bits that is equal for equal names or texts, in every process."""
    return int.from_bytes(hashlib.blake2b(repr(thing).encode(), digest_size=8).digest(), signed=True)


def _indices(values: Iterable[int]) -> Tensor:
    return torch.tensor(list(values), dtype=torch.int64)


def padded(rows: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Packed rows ``[all, ...]`` as ``[sequences, longest, ...]``, and the mask that is true where there is a row."""
    longest = int(lengths.max())
    mask = torch.arange(longest, device=rows.device) < lengths[:, None]
    whole = rows.new_zeros(len(lengths), longest, *rows.shape[1:])
    return whole.masked_scatter(mask.view(*mask.shape, *[1] * (rows.dim() - 1)).expand_as(whole), rows), mask
