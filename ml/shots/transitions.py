"""Cuts, dissolves and fades of a video, from all of its frames at 48 × 27 pixels.

A dissolve is found by its middle: it is the mean of its ends, which no camera motion makes. Hampapur et al., "Digital
video segmentation" (1994), model transitions as such edits; Yeo and Liu, "Rapid scene analysis on compressed video"
(1995), compare a difference with those of its neighbours. Both compare frames only, so that a frame costs microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 48, 27
CELL = 3
"""Pixels of a side that are averaged, so that noise and motion within a cell do not count."""
LEAST_CUT = 7.0
"""Mean difference of two frames, of 255, below which they are of one shot."""
CUT_RATIO = 2.2
"""A cut differs by so many times as much as the third largest difference near it."""
NEAR_S = 0.5
FLASH_S = 0.3
"""Longest interruption after which the same scene goes on: a camera flash, a dropped picture."""
LEAST_FLASH = 20.0
"""Change of brightness, of 255, that is a flash if it goes back as soon, whatever moves meanwhile."""
SAME_SCENE = 0.85
"""Correlation of two frames from which they show the same scene in another light."""
PLAIN = 6.0
"""Standard deviation of a frame below which it is plain, as between the halves of a fade."""
DARK, LIGHT = 40.0, 215.0
"""Brightness up to which a plain frame is black, and from which it is white; a clear sky is between them."""
REPEATED, REPEATS = 1.0, 3
"""Mean difference of frames, of 255, of which one repeats the other, and how often: 25 a second may be stored as 50."""
DISSOLVE_S = (0.3, 0.5, 0.8, 1.2, 2.0)
LEAST_DISSOLVE = 10.0
FROM_MEAN = 0.32
"""Distance of a dissolve's middle from the mean of its ends, as a share of that between the ends; 0.87 for a pan."""
EXACT_MEAN, EXACT_DIP, EXACT_APART = 0.2, 0.9, 30.0
"""The same for ends so different, and a middle so near their mean, that its contrast needs no dip."""
CONTRAST_DIP = 0.7
"""Variance of that middle as a share of the mean variance of the ends; 0.5 for unrelated pictures."""


@dataclass(frozen=True)
class Transition:
    """A change of shot: ``first`` is the first frame that is not of the shot before, ``after`` that of the next shot.

    The two are equal for a cut. ``strength`` is the mean difference of the frames around it, 0 to 255.
    """

    kind: Literal["cut", "dissolve", "fade"]
    first: int
    after: int
    strength: float


Cells = NDArray[np.uint8]


def cells(frames: NDArray[np.uint8]) -> Cells:
    """``cells[n, cells * 3]``: means of squares of ``CELL`` pixels of ``frames[n, HEIGHT, WIDTH, 3]``."""
    rows = sum((frames[:, each::CELL] for each in range(CELL)), np.zeros((), np.uint16))
    sums = sum((rows[:, :, each::CELL] for each in range(CELL)), np.zeros((), np.uint16))
    return ((sums + CELL * CELL // 2) // (CELL * CELL)).astype(np.uint8).reshape(len(frames), -1)


def transitions(found: Cells, frame_s: float) -> list[Transition]:
    """The transitions between shots, in order.

    Args:
        found: all frames of a video by ``cells``.
        frame_s: usual time between two frames, seconds.
    """
    if len(found) < 3:
        return []
    video = _Video(found, frame_s)
    fades = list(video.fades())
    cuts = _strongest([cut for cut in video.cuts() if not _near(cut, fades, 1)], video.flash)
    dissolves = [each for each in video.dissolves(cuts) if not _near(each, fades, video.flash)]
    return sorted([*cuts, *fades, *dissolves], key=lambda each: each.first)


def _near(one: Transition, others: Sequence[Transition], frames: int) -> bool:
    return any(one.first <= other.after + frames and other.first - frames <= one.after for other in others)


def _strongest(cuts: Sequence[Transition], frames: int) -> list[Transition]:
    """The cuts without a stronger one within so many frames: no shot is that short."""
    kept: list[Transition] = []
    for cut in sorted(cuts, key=lambda each: -each.strength):
        if not _near(cut, kept, frames):
            kept.append(cut)
    return kept


class _Video:
    """The frames of a video as cells, and what differs from frame to frame."""

    def __init__(self, found: Cells, frame_s: float) -> None:
        self.cells, self.frame_s = found, frame_s
        self.steps = np.concatenate([[0.0], _distances(found, 1)])  # steps[i]: frame i - 1 to frame i
        self.contrast = _contrast(found)
        self.light = found.mean(1, dtype=np.float32)
        self.relief = self.contrast / (self.light + 10)  # unlike contrast, the same in any light
        self.flash = self.frames_of(FLASH_S, 2)

    def frames_of(self, seconds: float, least: int) -> int:
        return max(least, round(seconds / self.frame_s))

    def picture(self, index: int) -> NDArray[np.float32]:
        return self.cells[index].astype(np.float32)

    def distance(self, one: int, other: int) -> float:
        return float(np.abs(self.picture(one) - self.picture(other)).mean())

    def same_scene(self, one: int, other: int) -> bool:
        """Whether two frames differ in light only: what is left of their means is correlated."""
        a, b = _centred(self.picture(one)), _centred(self.picture(other))
        size = float(np.linalg.norm(a) * np.linalg.norm(b))
        return size > 0 and float(a @ b) >= SAME_SCENE * size

    def cuts(self) -> Iterator[Transition]:
        near = self.frames_of(NEAR_S, 6)
        for index in map(int, np.flatnonzero(self.steps >= LEAST_CUT)):
            around = np.concatenate(
                [self.steps[max(1, index - near) : index], self.steps[index + 1 : index + 1 + near]]
            )
            usual = float(np.sort(around)[-3]) if len(around) >= 3 else 0.0
            step = float(self.steps[index])
            if step < CUT_RATIO * usual or self.same_scene(index - 1, index) or self._returns(index, step):
                continue
            yield Transition("cut", index, index, step)

    def _returns(self, index: int, step: float) -> bool:
        """Whether the scene before, or its light, is back soon after; or what begins was there just before."""
        change = abs(float(self.light[index] - self.light[index - 1]))
        for frames in range(1, self.flash + 1):
            for one, other in ((index - 1, index + frames), (index - 1 - frames, index)):
                if one < 0 or other >= len(self.cells):
                    continue
                if self.distance(one, other) < step / 2:
                    return True
                if change >= LEAST_FLASH and abs(float(self.light[other] - self.light[one])) < change / 5:
                    return True
        return False

    def fades(self) -> Iterator[Transition]:
        """Runs of plain frames that contrast leads to or from, with a scene on both sides."""
        black_or_white = (self.contrast < PLAIN) & ((self.light <= DARK) | (self.light >= LIGHT))
        plain = np.flatnonzero(np.diff(np.concatenate([[0], black_or_white, [0]])))
        reach = self.frames_of(2.0, 3)
        for start, stop in plain.reshape(-1, 2):
            first = self._ramp(int(start), -1, reach)
            after = self._ramp(int(stop), 1, reach)
            ramps = start - first, after - stop
            # A flash begins at once; from black, a video may begin a scene without having left one.
            least = max(ramps) if self.light[start] <= DARK else min(ramps)
            if first == 0 or after >= len(self.cells) - 1 or least < 2:
                continue
            if (after - first) * self.frame_s <= 2 * FLASH_S and self.same_scene(first - 1, after):
                continue
            yield Transition("fade", first, after, self.distance(first - 1, after))

    def _ramp(self, plain: int, step: int, reach: int) -> int:
        """The frame up to which contrast rises from a plain frame on, within ``reach`` frames; ``step`` is 1 or -1."""
        index = plain
        while abs(index - plain) < reach:
            ahead = index + step
            while 0 < ahead < len(self.cells) - 1 and abs(ahead - index) < REPEATS:
                if self.steps[ahead + (step < 0)] > REPEATED:
                    break
                ahead += step
            if not 0 <= ahead < len(self.cells) or self.contrast[ahead] <= 1.01 * self.contrast[index]:
                break
            index = ahead
        return index

    def dissolves(self, cuts: Sequence[Transition]) -> Iterator[Transition]:
        candidates = [each for seconds in DISSOLVE_S for each in self._mixtures(seconds)]
        taken: list[tuple[int, int]] = []
        for _, first, last in sorted(candidates):
            if any(first - 1 <= cut.first <= last + 1 for cut in cuts):
                continue
            if any(first <= end and start <= last for start, end in taken):
                continue
            taken.append((first, last))
            yield self._dissolve(first, last)

    def _mixtures(self, seconds: float) -> Iterator[tuple[float, int, int]]:
        """Spans of a length whose middle is the mean of their ends: how far from it, first and last frame."""
        lag = self.frames_of(seconds, 4) // 2 * 2
        if lag >= len(self.cells):
            return
        apart = _distances(self.cells, lag)
        for first in map(int, np.flatnonzero(apart >= LEAST_DISSOLVE)):
            last, middle = first + lag, first + lag // 2
            one, other, mixed = self.picture(first), self.picture(last), self.picture(middle)
            off = float(np.linalg.norm(mixed - (one + other) / 2)) / max(float(np.linalg.norm(other - one)), 1.0)
            ends = float(self.relief[first] ** 2 + self.relief[last] ** 2)
            dip = 2 * float(self.relief[middle] ** 2) / max(ends, 1e-6)
            exact = off <= EXACT_MEAN and dip <= EXACT_DIP and apart[first] >= EXACT_APART
            if (not exact and (off > FROM_MEAN or dip > CONTRAST_DIP)) or self.same_scene(first, last):
                continue
            if self.steps[first + 1 : last + 1].max() <= 0.5 * apart[first]:
                yield (off + dip, first, last)

    def _dissolve(self, first: int, last: int) -> Transition:
        """The dissolve around a span of mixtures: from where the shot before is left to where the next is reached."""
        one, other = self.picture(first), self.picture(last)
        way = other - one
        shares = (self.cells[first : last + 1].astype(np.float32) - one) @ way / float(way @ way)
        begun = np.flatnonzero(shares > 0.1)
        ended = np.flatnonzero(shares > 0.9)
        return Transition("dissolve", first + int(begun[0]), first + int(ended[0]), self.distance(first, last))


def _centred(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    colours = picture.reshape(-1, 3)
    return (colours - colours.mean(0)).reshape(-1)


def _distances(found: Cells, lag: int, block: int = 4096) -> NDArray[np.float32]:
    """``distances[n - lag]``: mean absolute difference of each frame and the one ``lag`` frames after it."""
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(found) - lag, block):
        stop = min(start + block, len(found) - lag)
        one, other = found[start:stop].astype(np.int16), found[start + lag : stop + lag].astype(np.int16)
        parts.append(np.abs(other - one).mean(1, dtype=np.float32))
    return np.concatenate(parts)


def _contrast(found: Cells, block: int = 4096) -> NDArray[np.float32]:
    """``contrast[n]``: standard deviation of each frame's cells, mean of the colours."""
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(found), block):
        colours = found[start : start + block].reshape(-1, found.shape[1] // 3, 3)
        parts.append(colours.std(1, dtype=np.float32).mean(1))
    return np.concatenate(parts)
