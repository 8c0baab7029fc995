"""The protocol of networks that turn pictures into vectors. See ``ml.vision.registry`` for the networks."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ml.vision.sampling import Sampling, SourceVideo


class Backbone(Protocol):
    """A frozen network, and the preparation of its pictures."""

    name: str
    dim: int
    """Numbers in a vector."""
    fingerprint: str
    """Hash of the weights and of the preprocessing: vectors with equal fingerprints are comparable."""

    def sampling(self, video: SourceVideo) -> Sampling:
        """The pictures of a video that the network needs; for most networks it is the same for all videos."""
        ...

    def __call__(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB ``clips[n, pictures, height, width, 3]`` to ``vectors[n, dim]``."""
        ...
