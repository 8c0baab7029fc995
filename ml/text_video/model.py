"""Text-video models with a feature network of their own: what they share.

See ``ml.joint_embedding.text_video`` for the protocol, ``assets.joint_embedding.text_video`` for the models by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ml.joint_embedding.clip_vectors import clip_rows
from ml.joint_embedding.pairs import Stream
from ml.joint_embedding.text_video import TextVideoModel
from ml.vision.backbone import Backbone
from ml.vision.sampling import Sampling, SourceVideo

_ANY_VIDEO = SourceVideo(frame_rate=30.0, duration_s=60.0)
_PER_SECOND = 1_000_000  # windows start at whole microseconds


class Tower(TextVideoModel):
    """Base of the models with a feature network of their own, whose rows are averaged over a clip.

    Args:
        identity: see ``TextVideoModel``.
        network: from pictures to feature rows.
        dimension: see ``TextVideoModel``.
        windows: windows of a clip in the published evaluation.
    """

    def __init__(self, identity: str, network: Backbone, dimension: int, windows: int) -> None:
        self.identity, self.network, self.dimension, self.windows = identity, network, dimension, windows

    @property
    def stream(self) -> str:
        """Name of the stream of feature rows."""
        return self.network.name

    @property
    def picture(self) -> Sampling | None:
        """How a single picture is prepared; None if the network takes several at a time."""
        sampling = self.network.sampling(_ANY_VIDEO)
        return sampling if sampling.clip_frames == 1 else None

    def project(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Feature rows ``[n, dim]`` to the joint space ``[n, dimension]``. It is linear, so it commutes with a mean."""
        return rows

    def rows_of_file(self, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        """Feature rows ``[n, dim]`` that others published, as the network gives them."""
        return rows

    def encode_clips(
        self, streams: Sequence[Stream], start_s: NDArray[np.float64], end_s: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Mean of the rows that each clip overlaps, of the only stream; not scaled to unit length."""
        (stream,) = streams
        first, stop = clip_rows(start_s, end_s, len(stream.features), stream.rate_hz)
        empty = stop <= first
        means = np.zeros((len(first), stream.features.shape[1]), np.float32)
        for clip in np.flatnonzero(~empty):
            means[clip] = stream.features[first[clip] : stop[clip]].astype(np.float32).mean(0)
        vectors = self.project(means)
        vectors[empty] = 0
        return vectors, empty

    def window_starts(self, start_s: float, end_s: float) -> NDArray[np.float64]:
        """When the windows of a clip start, in seconds."""
        raise NotImplementedError

    def window_samplings(self, start_s: float, end_s: float) -> list[Sampling]:
        """The pictures of each window of a clip."""
        sampling = self.network.sampling(_ANY_VIDEO)
        starts = (Fraction(start).limit_denominator(_PER_SECOND) for start in self.window_starts(start_s, end_s))
        return [replace(sampling, start_s=start) for start in starts]
