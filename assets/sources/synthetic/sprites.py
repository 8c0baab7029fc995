"""How the things, actions and hosts of the synthetic world look.

Silhouettes, textures and motions are small maps of paint numbers. See `render` for colours and backgrounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assets.sources.synthetic.world import FRAME_RATE

Mask = NDArray[np.bool_]
Paint = NDArray[np.uint8]
Axis = NDArray[np.float32]

CLEAR, MAIN, SECOND, OUTLINE = range(4)
SKIN, SHIRT, HAIR, MOUTH = 1, 2, 3, 4

FINE: Final = 256  # side of the map that every pose is sampled from
SPRITE: Final = 128  # side of a pasted sprite in pixels
RADIUS: Final = 60  # pixels per unit; every silhouette is within the unit disc, so that it may turn


@dataclass(frozen=True)
class Pose:
    """Where and how a thing is held: offset in pixels, turn in radians, and scale along its own axes."""

    dx: float = 0.0
    dy: float = 0.0
    turn: float = 0.0
    scale_x: float = 1.0
    scale_y: float = 1.0


def _disc(x: Axis, y: Axis, cx: float, cy: float, radius: float) -> Mask:
    return (x - cx) ** 2 + (y - cy) ** 2 < radius**2


def _box(x: Axis, y: Axis, left: float, right: float, top: float, bottom: float) -> Mask:
    return (x > left) & (x < right) & (y > top) & (y < bottom)


def _polygon(x: Axis, y: Axis, *corners: tuple[float, float]) -> Mask:
    """Even-odd rule: a point is inside if a ray to the right crosses the border an odd number of times."""
    inside = np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        if y1 != y2:
            inside ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return inside


def _star(x: Axis, y: Axis) -> Mask:
    corners = [
        (radius * math.sin(k * math.pi / 5), -radius * math.cos(k * math.pi / 5))
        for k, radius in enumerate([0.98, 0.4] * 5)
    ]
    return _polygon(x, y, *corners)


def _wheel(x: Axis, y: Axis) -> Mask:
    spokes = np.abs(np.sin(2 * np.arctan2(y, x))) * np.hypot(x, y) < 0.15
    rim = _disc(x, y, 0, 0, 0.95)
    return rim & (~_disc(x, y, 0, 0, 0.68) | spokes | _disc(x, y, 0, 0, 0.22))


def _gear(x: Axis, y: Axis) -> Mask:
    reach = np.where(np.cos(8 * np.arctan2(y, x)) > 0, 0.97, 0.72)
    return (np.hypot(x, y) < reach) & ~_disc(x, y, 0, 0, 0.3)


def _ladder(x: Axis, y: Axis) -> Mask:
    rungs = (np.abs(x) < 0.4) & (np.abs((y + 0.9) % 0.45 - 0.225) < 0.075)
    return (np.abs(y) < 0.9) & ((np.abs(np.abs(x) - 0.34) < 0.08) | rungs)


def _mug(x: Axis, y: Axis) -> Mask:
    handle = _disc(x, y, 0.38, 0, 0.5) & ~_disc(x, y, 0.38, 0, 0.3)
    return _box(x, y, -0.65, 0.35, -0.7, 0.7) | (handle & (x > 0.3))


def _fork(x: Axis, y: Axis) -> Mask:
    tines = (np.abs(np.abs(x) - 0.3) < 0.09) | (np.abs(x) < 0.09)
    return (
        (tines & _box(x, y, -1, 1, -0.92, -0.2)) | _box(x, y, -0.39, 0.39, -0.3, 0) | _box(x, y, -0.1, 0.1, -0.1, 0.97)
    )


def _key(x: Axis, y: Axis) -> Mask:
    bow = _disc(x, y, 0, -0.55, 0.43) & ~_disc(x, y, 0, -0.55, 0.18)
    bits = _box(x, y, 0, 0.42, 0.5, 0.66) | _box(x, y, 0, 0.42, 0.78, 0.94)
    return bow | _box(x, y, -0.13, 0.13, -0.2, 0.96) | (bits & (np.hypot(x, y) < 1))


SILHOUETTES: dict[str, Callable[[Axis, Axis], Mask]] = {
    "plate": lambda x, y: _disc(x, y, 0, 0, 0.92),
    "bowl": lambda x, y: _disc(x, y, 0, -0.4, 0.9) & (y > -0.4),
    "box": lambda x, y: _box(x, y, -0.68, 0.68, -0.68, 0.68),
    "plank": lambda x, y: _box(x, y, -0.96, 0.96, -0.25, 0.25),
    "tent": lambda x, y: _polygon(x, y, (0, -0.9), (0.82, 0.52), (0.12, 0.52), (0, 0.1), (-0.12, 0.52), (-0.82, 0.52)),
    "kite": lambda x, y: _polygon(x, y, (0, -0.97), (0.62, -0.25), (0, 0.97), (-0.62, -0.25)),
    "star": _star,
    "croissant": lambda x, y: _disc(x, y, 0, 0, 0.95) & ~_disc(x, y, 0, -0.45, 0.75),
    "tyre": lambda x, y: _disc(x, y, 0, 0, 0.95) & ~_disc(x, y, 0, 0, 0.5),
    "wheel": _wheel,
    "gear": _gear,
    "ladder": _ladder,
    "bottle": lambda x, y: (
        _box(x, y, -0.42, 0.42, -0.2, 0.88) | _disc(x, y, 0, -0.2, 0.42) | _box(x, y, -0.15, 0.15, -0.96, 0)
    ),
    "mug": _mug,
    "leaf": lambda x, y: _disc(x, y, -0.55, 0, 1.05) & _disc(x, y, 0.55, 0, 1.05) | _box(x, y, -0.05, 0.05, 0.6, 0.99),
    "mushroom": lambda x, y: (_disc(x, y, 0, 0.05, 0.9) & (y < 0.05)) | _box(x, y, -0.28, 0.28, 0, 0.85),
    "hammer": lambda x, y: _box(x, y, -0.66, 0.66, -0.72, -0.25) | _box(x, y, -0.14, 0.14, -0.3, 0.97),
    "key": _key,
    "fork": _fork,
    "fish": lambda x, y: (
        (((x + 0.2) / 0.75) ** 2 + (y / 0.48) ** 2 < 1) | _polygon(x, y, (0.3, 0), (0.85, -0.5), (0.85, 0.5))
    ),
}

TEXTURES: dict[str, Callable[[Axis, Axis], Mask]] = {
    "plain": lambda x, y: np.zeros(np.broadcast_shapes(x.shape, y.shape), bool),
    "striped": lambda x, y: (x + y) % 0.42 < 0.21,
    "dotted": lambda x, y: np.hypot(x % 0.38 - 0.19, y % 0.38 - 0.19) < 0.125,
    "checked": lambda x, y: (x % 0.6 < 0.3) ^ (y % 0.6 < 0.3),
    "wavy": lambda x, y: (y + 0.09 * np.sin(9 * x)) % 0.36 < 0.16,
}


def _cycle(seconds: float, pose: Callable[[float], Pose]) -> tuple[Pose, ...]:
    """One period of a motion, a pose per frame; ``pose`` gets the phase in radians."""
    frames = round(seconds * FRAME_RATE)
    return tuple(pose(2 * math.pi * k / frames) for k in range(frames))


def _roll(phase: float) -> Pose:
    # Turns with the distance, as a rolling thing does; faster than a true roll, so that it differs from sawing.
    distance = 46 * math.sin(phase)
    return Pose(dx=distance, dy=24, turn=distance / 20)


def _flip(phase: float) -> Pose:
    height = math.cos(phase)
    return Pose(dy=-18 * abs(math.sin(phase)), scale_y=math.copysign(max(0.12, abs(height)), height))


def _inflate(phase: float) -> Pose:
    size = 0.8 - 0.25 * math.cos(phase)
    return Pose(scale_x=size, scale_y=size)


def _shake(phase: float) -> Pose:
    return Pose(11 * math.sin(2 * phase + 0.5), 7 * math.cos(phase), turn=0.16 * math.cos(3 * phase))


def _swing(phase: float) -> Pose:
    return Pose(-44 * math.sin(phase), 14 * math.cos(2 * phase), turn=0.8 * math.sin(phase))


def _squeeze(phase: float) -> Pose:
    return Pose(scale_x=0.75 + 0.27 * math.cos(phase), scale_y=0.92 - 0.12 * math.cos(phase))


def _lift(phase: float) -> Pose:
    return Pose(dy=28 - 56 * min(1.0, phase / 4.5))


# Rinsing holds the thing still; the water that falls over it is drawn by ``render.py``.
MOTIONS: dict[str, tuple[Pose, ...]] = {
    "stir": _cycle(1.5, lambda t: Pose(dx=44 * math.cos(t), dy=26 * math.sin(t))),
    "chop": _cycle(0.75, lambda t: Pose(dy=28 - 56 * abs(math.sin(t / 2)))),
    "saw": _cycle(1.0, lambda t: Pose(dx=46 * math.sin(t))),
    "spin": _cycle(2.0, lambda t: Pose(turn=t)),
    "inflate": _cycle(2.0, _inflate),
    "shake": _cycle(0.5, _shake),
    "rinse": (Pose(),),
    "roll": _cycle(3.0, _roll),
    "flip": _cycle(1.5, _flip),
    "swing": _cycle(2.0, _swing),
    "lift": _cycle(2.5, _lift),
    "squeeze": _cycle(1.0, _squeeze),
}


@lru_cache(maxsize=256)
def thing(shape: str, texture: str) -> Paint:
    """Fine map of a thing in its rest position: ``paint[FINE, FINE]``, clear outside the silhouette."""
    x, y = _axes(FINE)
    inside = SILHOUETTES[shape](x, y)
    paint = np.where(TEXTURES[texture](x, y), np.uint8(SECOND), np.uint8(MAIN)) * inside
    line = 5
    core = inside.copy()
    for axis in (0, 1):
        core &= np.roll(inside, line, axis) & np.roll(inside, -line, axis)
    paint[inside & ~core] = OUTLINE
    return paint


def posed(paint: Paint, pose: Pose) -> Paint:
    """A thing as it appears in a pose (offset left out): ``paint[SPRITE, SPRITE]`` by nearest pixel."""
    x, y = _axes(SPRITE, SPRITE / 2 / RADIUS)
    cos, sin = math.cos(pose.turn), math.sin(pose.turn)
    column = ((cos * x + sin * y) / pose.scale_x + 1) * (FINE / 2)
    row = ((cos * y - sin * x) / pose.scale_y + 1) * (FINE / 2)
    # The outermost fine pixels are clear in every thing, so everything outside may be clipped onto them.
    return paint[row.clip(0, FINE - 1).astype(np.intp), column.clip(0, FINE - 1).astype(np.intp)]


@lru_cache(maxsize=4)
def host(mouth_open: bool) -> Paint:
    """A talking head: ``paint[160, 128]``."""
    x = np.linspace(-0.8, 0.8, 128, dtype=np.float32)[None, :]
    y = np.linspace(-1.0, 1.0, 160, dtype=np.float32)[:, None]
    paint = np.zeros((160, 128), np.uint8)
    paint[((x / 0.78) ** 2 + ((y - 1.1) / 0.75) ** 2) < 1] = SHIRT
    paint[_box(x, y, -0.14, 0.14, 0.1, 0.5)] = SKIN
    paint[_disc(x, y, 0, -0.35, 0.56)] = HAIR
    paint[((x / 0.44) ** 2 + ((y + 0.25) / 0.52) ** 2) < 1] = SKIN
    paint[_disc(x, y, -0.17, -0.33, 0.06) | _disc(x, y, 0.17, -0.33, 0.06)] = HAIR
    paint[((x / 0.17) ** 2 + ((y - 0.02) / (0.11 if mouth_open else 0.03)) ** 2) < 1] = MOUTH
    return paint


def _axes(side: int, reach: float = 1.0) -> tuple[Axis, Axis]:
    """Coordinates of pixel centres, x to the right and y downwards, from −reach to reach."""
    line = (((np.arange(side) + 0.5) * 2 / side - 1) * reach).astype(np.float32)
    return line[None, :], line[:, None]
