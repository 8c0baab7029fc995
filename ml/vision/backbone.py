"""What a network that turns pictures into vectors must offer.

Belongs here: the protocol. Each network has a file of its own, and ``registry`` knows them all.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ml.vision.sampling import Sampling, SourceVideo


class Backbone(Protocol):
    """A frozen network and how its pictures are to be prepared."""

    name: str
    dim: int
    """Numbers in a vector."""
    fingerprint: str
    """Hash of the weights and of the preprocessing: vectors with the same one are comparable."""

    def sampling(self, video: SourceVideo) -> Sampling:
        """Which pictures of a video this network wants; few networks let it depend on the video."""
        ...

    def __call__(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB ``clips[n, pictures, height, width, 3]`` to ``vectors[n, dim]``."""
        ...
