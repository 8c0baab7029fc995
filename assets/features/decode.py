"""Pictures of a video at a steady rate, each with its real presentation time.

Belongs here: containers, decoders, timestamps and scaling, by PyAV. What networks make of the pictures does not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

Image = NDArray[np.uint8]
_Frame = tuple[int, av.VideoFrame]  # with its time in ticks of its stream

MISSING_S = 1.0
"""Seconds that may be missing at a file's end before it counts as truncated (a tenth of a short video)."""

_NOT_VIDEOS = ("tty", "image2")  # libavformat takes any text for terminal output, and a picture for a video


class DecodeError(Exception):
    """The file cannot be decoded; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class VideoInfo:
    """What a container tells about its video: pixels as they are stored, mean frames per second, seconds."""

    width: int
    height: int
    frame_rate: float
    duration_s: float


@dataclass(frozen=True)
class _Timeline:
    """When the frames of a video are shown.

    ``pts``: their times in presentation order, in ticks of ``tick`` seconds, as packets tell them (None if they do
    not). ``start``: beginning of the file, ``end``: end of the last frame, seconds on the stream's own clock.
    """

    pts: list[int] | None
    tick: Fraction
    start: Fraction
    end: Fraction

    def middle(self, cell: int, rate: Fraction) -> Fraction:
        """Stream time of the middle of a cell, in ticks."""
        return (self.start + (cell + Fraction(1, 2)) / rate) / self.tick


def probe(path: Path) -> VideoInfo:
    """Format and length of a video file; reads the whole file once, without decoding.

    Raises:
        DecodeError: there is no video in the file, or its end is missing.
    """
    return _scan(path)[0]


def frames_at(path: Path, rate_hz: float, short_side: int, centre_crop: int | None) -> Iterator[tuple[float, Image]]:
    """The frame in the middle of each cell ``[i / rate, (i + 1) / rate)`` of a video, in order.

    Frame i is the last one with ``pts < (i + 0.5) / rate``, which is what ffmpeg's ``fps`` filter picks. A cell is
    there if the video lasts until its middle; the first always is. One frame is held at a time.

    Args:
        path: the file.
        rate_hz: cells per second.
        short_side: length of the shorter side after scaling, pixels; the aspect ratio stays.
        centre_crop: side of the square that is cut from the middle, or None for the whole picture.

    Yields:
        Presentation time in seconds from the start of the file, and RGB ``image[height, width, 3]``.

    Raises:
        DecodeError: there is no video in the file, its end is missing, or it cannot be decoded.
    """
    if centre_crop is not None and centre_crop > short_side:
        raise ValueError(f"centre_crop={centre_crop}: must be at most short_side={short_side}")
    rate = Fraction(rate_hz).limit_denominator(1_000_000)
    _, timeline = _scan(path)
    scale = _Scaler(short_side, centre_crop)
    with _opened(path) as container:
        for pts, frame in _picked(container, timeline, rate):
            yield float(pts * timeline.tick - timeline.start), scale(frame)


def _picked(container: InputContainer, timeline: _Timeline, rate: Fraction) -> Iterator[_Frame]:
    """The frame of each cell. A frame stays the candidate until one comes that is past the cell's middle."""
    cells = max(1, int((timeline.end - timeline.start) * rate + Fraction(1, 2)))
    cell, middle = 0, timeline.middle(0, rate)
    held = None
    for pts, frame in _decoded(container, _needed(timeline, rate, cells)):
        while held is not None and pts >= middle:
            yield held
            cell, middle = cell + 1, timeline.middle(cell + 1, rate)
            if cell == cells:
                return
        held = pts, frame
    if held is None:
        raise DecodeError(f"{Path(container.name).name}: no frame can be decoded")
    for _ in range(cell, cells):
        yield held


def _needed(timeline: _Timeline, rate: Fraction, cells: int) -> set[int] | None:
    """Times of the frames that are picked; None where packets do not tell which frame is theirs."""
    if timeline.pts is None:
        return None
    positions = (bisect_left(timeline.pts, timeline.middle(cell, rate)) - 1 for cell in range(cells))
    return {timeline.pts[max(0, position)] for position in positions}


def _decoded(container: InputContainer, needed: set[int] | None) -> Iterator[_Frame]:
    """Frames in presentation order; those that neither are needed nor serve another frame may be left out."""
    stream = _video_stream(container)
    decoder = stream.codec_context
    decoder.thread_count = 1  # videos are decoded side by side; threads inside one cost a fifth more CPU
    for packet in container.demux(stream):
        decoder.skip_frame = "DEFAULT" if needed is None or packet.pts in needed else "NONREF"
        for frame in packet.decode():
            if frame.pts is None:
                raise DecodeError(f"{Path(container.name).name}: its frames have no times")
            yield frame.pts, frame


def _scan(path: Path) -> tuple[VideoInfo, _Timeline]:
    """Reads all packets: times of the frames, and whether the file holds as much as its header says."""
    with _opened(path) as container:
        stream = _video_stream(container)
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        start = max(Fraction(0), Fraction(container.start_time or 0, av.time_base))
        times: list[int] = []
        has_pts = True
        ends = dict.fromkeys(container.streams, 0)  # in ticks of each stream
        for packet in container.demux():
            time = packet.pts if packet.pts is not None else packet.dts
            if time is None or packet.size == 0 or packet.is_discard:
                continue
            ends[packet.stream] = max(ends[packet.stream], time + (packet.duration or 0))
            if packet.stream is stream:
                times.append(time)
                has_pts &= packet.pts is not None
        if not times or stream.time_base is None:
            raise DecodeError(f"{path.name}: it holds no pictures")
        times.sort()
        # Not every container tells how long its last frame is shown.
        end = max(ends[stream] * stream.time_base, times[-1] * stream.time_base + 1 / rate)
        found = float(max([end, *(last * each.time_base for each, last in ends.items() if each.time_base)]) - start)
        stated = container.duration / av.time_base if container.duration else found
        if stated - found > min(MISSING_S, stated / 10):
            raise DecodeError(f"{path.name}: truncated, it ends at {found:.1f} s of {stated:.1f} s")
        info = VideoInfo(stream.codec_context.width, stream.codec_context.height, float(rate), stated)
        return info, _Timeline(times if has_pts else None, stream.time_base, start, end)


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """The container, closed afterwards; libav's errors become DecodeError."""
    try:
        if path.stat().st_size == 0:
            raise DecodeError(f"{path.name}: zero bytes")
        with av.open(str(path), metadata_errors="replace") as container:
            yield container
    except av.FFmpegError as error:
        raise DecodeError(f"{path.name}: {error.strerror or error}") from error
    except OSError as error:
        raise DecodeError(f"{path.name}: {error.strerror}") from error


def _video_stream(container: InputContainer) -> av.VideoStream:
    name = Path(container.name).name
    if container.format.name in _NOT_VIDEOS or container.format.name.endswith("_pipe"):
        raise DecodeError(f"{name}: not a video")
    covers = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & covers]
    if not streams:
        raise DecodeError(f"{name}: no video stream")
    if streams[0].codec_context is None:
        raise DecodeError(f"{name}: no decoder for its video stream")
    return streams[0]


class _Scaler:
    """Scales, turns and crops frames. The scaler's context is reused from frame to frame."""

    def __init__(self, short_side: int, centre_crop: int | None) -> None:
        self.short_side, self.centre_crop = short_side, centre_crop
        self.reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Image:
        short = min(frame.width, frame.height)
        width, height = (side * self.short_side // short for side in (frame.width, frame.height))
        scaled = self.reformatter.reformat(
            frame, width, height, "rgb24", interpolation=Interpolation.BICUBIC, threads=1
        )
        image = scaled.to_ndarray()
        if frame.rotation:
            image = np.rot90(image, round(frame.rotation / 90))
        if self.centre_crop is not None:
            top, left = ((side - self.centre_crop) // 2 for side in image.shape[:2])
            image = image[top : top + self.centre_crop, left : left + self.centre_crop]
        return np.ascontiguousarray(image)
