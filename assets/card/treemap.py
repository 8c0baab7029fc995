"""Where the areas of a tree map lie (squarified tree maps, Bruls, Huizing and van Wijk, 2000)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Area:
    """A rectangle, in the unit of the whole: its left upper corner and its size."""

    left: float
    top: float
    width: float
    height: float


def squarified(sizes: Sequence[float], whole: Area) -> list[Area]:
    """An area a size, proportional to it, as near to squares as rows along the shorter side allow.

    Args:
        sizes: positive, largest first.
    """
    scale = whole.width * whole.height / sum(sizes) if sizes else 0.0
    waiting = [size * scale for size in sizes]
    placed: list[Area] = []
    rest = whole
    while waiting:
        side = min(rest.width, rest.height)
        count = 1
        while count < len(waiting) and _worst(waiting[: count + 1], side) <= _worst(waiting[:count], side):
            count += 1
        row, waiting = waiting[:count], waiting[count:]
        areas, rest = _row(row, rest)
        placed += areas
    return placed


def _worst(row: Sequence[float], side: float) -> float:
    """The largest ratio of sides that areas of these sizes have in one row along ``side``."""
    total = sum(row)
    return max(side**2 * max(row) / total**2, total**2 / (side**2 * min(row)))


def _row(row: Sequence[float], rest: Area) -> tuple[list[Area], Area]:
    """The areas of a row along the shorter side, and what it leaves."""
    placed = []
    if rest.width >= rest.height:
        depth, top = sum(row) / rest.height, rest.top
        for size in row:
            placed.append(Area(rest.left, top, depth, size / depth))
            top += size / depth
        return placed, Area(rest.left + depth, rest.top, rest.width - depth, rest.height)
    depth, left = sum(row) / rest.width, rest.left
    for size in row:
        placed.append(Area(left, rest.top, size / depth, depth))
        left += size / depth
    return placed, Area(rest.left, rest.top + depth, rest.width, rest.height - depth)
