"""Generated videos with known transitions between shots: photographs and generated textures with camera motion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

Picture = NDArray[np.uint8]
WIDTH, HEIGHT = 192, 108
RATES = [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(12), Fraction(15, 2), Fraction(50)]


@dataclass(frozen=True)
class Piece:
    """A shot of ``seconds``, and the transition by which it begins, which overlaps the shot before.

    ``lead`` is ``cut``, ``dissolve`` or ``fade`` (through black); ``lead_s`` is the length of the last two. ``flashes``
    are times within the shot at which a camera flashes, ``motion`` is camera motion in picture widths per second, and
    ``shake`` the size of random motion from frame to frame in pixels.
    """

    seed: int
    seconds: float
    lead: str = "cut"
    lead_s: float = 0.8
    flashes: tuple[float, ...] = ()
    motion: float = 0.1
    shake: float = 0.0
    turns_light: bool = False
    texture: bool = False


@dataclass(frozen=True)
class ShotVideo:
    """Pieces at a frame rate, and the transitions: kind, first frame of the change, first frame after it."""

    pieces: tuple[Piece, ...]
    rate: Fraction = Fraction(25)
    repeat: int = 1
    transitions: list[tuple[str, int, int]] = field(default_factory=list)

    def frames(self) -> Iterator[Picture]:
        """Frames in order; ``transitions`` is complete when all were taken."""
        self.transitions.clear()
        number, previous = 0, None
        for piece in self.pieces:
            count = max(1, round(piece.seconds * self.rate))
            shots = (shot_frame(piece, index, self.rate) for index in range(count))
            lead = round(piece.lead_s * self.rate) if piece.lead != "cut" else 0
            if previous is not None:
                self.transitions.append((piece.lead, number, number + max(lead, 0)))
            for index, shot in enumerate(shots):
                if index < lead and previous is not None:
                    share = (index + 1) / (lead + 1)
                    before = shot_frame(previous[0], previous[1] + index, self.rate).astype(np.float32)
                    if piece.lead == "dissolve":
                        mixed = (1 - share) * before + share * shot
                    else:
                        mixed = before * max(0.0, 1 - 2.4 * share) + shot * max(0.0, 2.4 * share - 1.4)
                    shot = mixed.astype(np.uint8)
                yield shot
                number += 1
            previous = (piece, count)

    def write(self, path: Path, change: Callable[[Picture], Picture] = lambda shot: shot, crf: int = 26) -> Path:
        """Encode the frames, each after ``change``."""
        with av.open(str(path), "w") as container:
            options = {"preset": "ultrafast", "crf": str(crf)}
            stream = container.add_stream("libx264", rate=self.rate, options=options)
            stream.codec_context.thread_count = 1
            for number, shot in enumerate(map(change, self.frames())):
                if number == 0:
                    stream.height, stream.width = shot.shape[:2]
                for _ in range(self.repeat):
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(shot), "rgb24")))
            container.mux(stream.encode())
        return path


def shot_frame(piece: Piece, index: int, rate: Fraction) -> Picture:
    """Frame ``index`` of a shot: a window that moves over a picture."""
    picture, rng = _picture(piece.seed, piece.texture), np.random.default_rng([piece.seed, 7])
    room_y, room_x = picture.shape[0] - HEIGHT, picture.shape[1] - WIDTH
    angle = rng.uniform(0, 2 * np.pi)
    seconds = index / float(rate)
    shaken = np.random.default_rng([piece.seed, 9, index]).normal(0, piece.shake, 2) if piece.shake else (0.0, 0.0)
    y = rng.uniform(0, room_y) + np.sin(angle) * piece.motion * WIDTH * seconds + shaken[0]
    x = rng.uniform(0, room_x) + np.cos(angle) * piece.motion * WIDTH * seconds + shaken[1]
    top, left = round(_bounced(y, room_y)), round(_bounced(x, room_x))
    shown = picture[top : top + HEIGHT, left : left + WIDTH].astype(np.float32)
    if piece.turns_light:
        shown = shown * (0.75 + 0.25 * np.sin(1.3 * seconds))
    # A flash is brightest at once and is over after an eighth of a second.
    light = sum(max(0.0, 1 - (seconds - at) / 0.12) for at in piece.flashes if seconds - at >= 0)
    return np.clip(shown + 230 * min(light, 1.0), 0, 255).astype(np.uint8)


def _bounced(place: float, room: int) -> float:
    folded = place % (2 * room)
    return min(folded, 2 * room - folded)


@cache
def _picture(seed: int, texture: bool) -> Picture:
    """A photograph of scikit-learn, cut, turned and tinted by the seed; or blurred noise."""
    rng = np.random.default_rng(seed)
    if texture:
        coarse = rng.uniform(0, 255, (rng.integers(4, 12), rng.integers(6, 18), 3)).astype(np.uint8)
        return np.asarray(Image.fromarray(coarse).resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.BICUBIC))
    photo = load_sample_image(("china.jpg", "flower.jpg")[seed % 2])
    height, width = photo.shape[:2]
    size_y = int(rng.integers(HEIGHT + 40, height))
    size_x = min(width, int(size_y * 1.6))
    top, left = int(rng.integers(0, height - size_y + 1)), int(rng.integers(0, width - size_x + 1))
    part = Image.fromarray(photo[top : top + size_y, left : left + size_x])
    part = part.resize((int(WIDTH * 1.7), int(HEIGHT * 1.7)))
    tinted = np.asarray(part, np.float32) * rng.uniform(0.5, 1.1, 3)
    flipped = tinted[:, ::-1] if rng.random() < 0.5 else tinted
    return np.clip(flipped, 0, 255).astype(np.uint8)


def random_video(seed: int) -> ShotVideo:
    """Shots of random length, transition, motion, flashes and light, at a random frame rate."""
    rng = np.random.default_rng([seed, 1])
    rate = (Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(12), Fraction(15, 2), Fraction(50))[
        seed % 6
    ]
    pieces = []
    for index in range(int(rng.integers(5, 10))):
        lead = str(rng.choice(["cut", "cut", "cut", "dissolve", "fade"]))
        seconds = float(rng.uniform(1.5, 5))
        flashes = tuple(map(float, rng.uniform(1.3, max(1.4, seconds - 0.5), 2)))
        pieces.append(
            Piece(
                seed=1000 * seed + index,
                seconds=seconds + (1.2 if lead != "cut" else 0),
                lead=lead,
                lead_s=float(rng.uniform(0.5, 1.2)),
                flashes=flashes if rng.random() < 0.25 and lead == "cut" else (),
                motion=float(rng.choice([0, 0.05, 0.15, 0.4])),
                shake=float(rng.choice([0, 0, 1.0])),
                turns_light=bool(rng.random() < 0.15),
                texture=bool(rng.random() < 0.3),
            )
        )
    return ShotVideo(tuple(pieces), rate, repeat=2 if seed % 7 == 6 else 1)
