"""Single frames of a video, for people; see ``features/decode`` for those of networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from assets.features.timeline import DecodeError, opened, video_stream


def stills(path: Path, times_s: Sequence[float]) -> list[NDArray[np.uint8] | None]:
    """The frame on screen at each time, RGB ``[height, width, 3]``; None after the last one.

    Args:
        times_s: seconds from the start of the file.

    Raises:
        DecodeError: the file cannot be decoded there.
    """
    with opened(path) as container:
        stream = video_stream(container)
        return [_still(_from(container, stream, time), time, container) for time in times_s]


def _from(container: av.container.InputContainer, stream: av.VideoStream, time_s: float) -> Iterator[av.VideoFrame]:
    container.seek(round((time_s + (container.start_time or 0) / av.time_base) * av.time_base))
    return container.decode(stream)


def _still(
    frames: Iterator[av.VideoFrame], time_s: float, container: av.container.InputContainer
) -> NDArray[np.uint8] | None:
    start_s = (container.start_time or 0) / av.time_base
    held: av.VideoFrame | None = None
    for frame in frames:
        if frame.time is None:
            raise DecodeError(f"{Path(container.name).name}: its frames have no times")
        if held is not None and frame.time - start_s > time_s:
            break
        held = frame
    else:
        length_s = (container.duration or 0) / av.time_base
        if length_s and time_s > length_s:
            return None
    if held is None:
        return None
    image = np.asarray(held.to_ndarray(format="rgb24"), np.uint8)
    return np.rot90(image, round(held.rotation / 90)) if held.rotation else image
