"""What a network that turns pictures into vectors must offer.

Belongs here: the protocol. Each network has a file of its own, and ``registry`` knows them all.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Backbone(Protocol):
    """A frozen image network and how its pictures are to be prepared."""

    name: str
    dim: int
    """Numbers in a vector."""
    rate_hz: float
    """Pictures per second of video."""
    short_side: int
    """Shorter side after scaling, pixels."""
    centre_crop: int | None
    """Side of the square cut from the middle, pixels, or None for whole pictures."""
    fingerprint: str
    """Hash of the weights and of the preprocessing: vectors with the same one are comparable."""

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB ``frames[n, height, width, 3]`` to ``vectors[n, dim]``."""
        ...
