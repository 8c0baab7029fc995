"""When the pictures of a video file are shown, and whether the file is whole, by its packets; nothing is decoded."""

from __future__ import annotations

import errno
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from ml.files import file_hash
from ml.machine import require_sound_machine
from ml.vision.sampling import SourceVideo

MISSING_S = 1.0
"""Seconds that may be missing at a file's end before it counts as truncated (a tenth of a short video)."""
LEAST_PICTURES = 0.75
"""Share of a file's sound that its pictures must last; below it, the picture track was cut off."""
HOLE_BYTES = 4096
"""Bytes of a Matroska file between two packets above which packets are lost there; headers take about thirty."""

_NOT_VIDEOS = ("tty", "image2")  # libavformat takes any text for terminal output, and a picture for a video


class DecodeError(Exception):
    """The file cannot be decoded; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class VideoInfo:
    """A video by its container: pixels as they are stored, mean frames per second, seconds."""

    width: int
    height: int
    frame_rate: float
    duration_s: float

    @property
    def source(self) -> SourceVideo:
        """What a network's choice of pictures depends on."""
        return SourceVideo(self.frame_rate, self.duration_s)


@dataclass(frozen=True)
class Timeline:
    """The packets of a video stream in the order of the file, and when their pictures are shown.

    Times are in ticks of ``tick`` seconds from the start of the file, which is that of its earliest stream.
    """

    tick: Fraction
    origin: int
    """Start of the file on the stream's own clock, ticks."""
    end: int
    """When the last picture ends, ticks."""
    times: NDArray[np.int64]
    """``times[packets]``: when each picture is shown."""
    has_pts: bool
    """False if it is not known which picture is shown when, only that one is at each of ``times``."""
    shown: NDArray[np.bool_]
    """``shown[packets]``: false where a picture is cut off by an edit list and only serves others."""
    key: NDArray[np.bool_]
    """``key[packets]``: decoding can begin here."""

    def seconds(self, ticks: int) -> float:
        return float(ticks * self.tick)


def scan(path: Path) -> tuple[VideoInfo, Timeline]:
    """Read all packets of a file once.

    Raises:
        DecodeError: there is no video in the file, it is encrypted, or a part of it is missing.
    """
    with opened(path) as container:
        stream = video_stream(container)
        packets = _Packets(container, stream)
        tick, shown = stream.time_base, packets.shown
        if tick is None or not shown.any():
            raise DecodeError(f"{path.name}: it holds no pictures with times")
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        start = Fraction(container.start_time or 0, av.time_base)
        origin = round(start / tick)
        times = np.array(packets.times, np.int64) - origin
        last = int(np.where(shown, times, times.min()).argmax())
        # Not every container has the duration of its last frame.
        end = int(times[last]) + (packets.durations[last] or round(1 / (rate * tick)))
        found = float(max(end * tick, packets.end - start))
        stated = _stated_length(container, found)
        if stated - found > min(MISSING_S, stated / 10):
            raise DecodeError(f"{path.name}: truncated, it ends at {found:.1f} s of {stated:.1f} s")
        pictures, sound = float(end * tick), float(packets.sound_end - start)
        if pictures < LEAST_PICTURES * sound and sound - pictures > MISSING_S:
            ends = f"its pictures end at {pictures:.1f} s, its sound at {sound:.1f} s"
            raise DecodeError(f"{path.name}: {ends}: a part of its pictures is missing")
        info = VideoInfo(stream.codec_context.width, stream.codec_context.height, float(rate), stated)
        return info, Timeline(tick, origin, end, times, packets.has_pts, shown, packets.key)


def _stated_length(container: InputContainer, found_s: float) -> float:
    """The length that a container states, in seconds; ``found_s`` where it states none.

    Some files state their length, others the time at which they end. The two differ where the first packet is not at
    zero, as in recordings and cut files, and most Matroska files state their end. The one that is nearer to the length
    of the packets is meant.
    """
    if not container.duration:
        return found_s
    stated_s, start_s = container.duration / av.time_base, (container.start_time or 0) / av.time_base
    return min(stated_s, stated_s - start_s, key=lambda length: abs(length - found_s))


def stated_length(path: Path) -> float | None:
    """The length in seconds that a file's header gives, without reading its packets.

    None if the file cannot be opened, or if its header may mean a length or an end.
    """
    try:
        with opened(path) as container:
            late = "matroska" in container.format.name and (container.start_time or 0) > 0
            return container.duration / av.time_base if container.duration and not late else None
    except DecodeError:
        return None  # what is wrong with a file is recorded with the file


class _Packets:
    """The packets' times: of the video each by itself, of all streams and of the sound where they end."""

    def __init__(self, container: InputContainer, stream: av.VideoStream) -> None:
        self.times, self.durations = array("q"), array("q")
        # AVI files have no presentation times; libavformat makes some up, as if all came a little later.
        self.has_pts = container.format.name != "avi"
        shown, key = bytearray(), bytearray()
        ends = dict.fromkeys(container.streams, 0)
        for packet in _whole(container):
            time = packet.pts if packet.pts is not None else packet.dts
            if packet.stream is stream:
                if packet.has_sidedata("encryption_info"):
                    raise DecodeError(f"{Path(container.name).name}: encrypted, it cannot be decoded without its key")
                self.has_pts &= packet.pts is not None
                self.times.append((time if self.has_pts or packet.dts is None else packet.dts) or 0)
                self.durations.append(packet.duration or 0)
                shown.append(time is not None and not packet.is_discard)
                key.append(packet.is_keyframe)
            if time is not None:
                ends[packet.stream] = max(ends[packet.stream], time + (packet.duration or 0))
        self.end = max(ticks * each.time_base for each, ticks in ends.items() if each.time_base)
        sounds = [ticks * each.time_base for each, ticks in ends.items() if each.time_base and each.type == "audio"]
        self.sound_end = max(sounds, default=Fraction(0))
        self.shown, self.key = np.frombuffer(shown, np.bool_), np.frombuffer(key, np.bool_)


def _whole(container: InputContainer) -> Iterator[av.Packet]:
    """All packets with content. In Matroska they follow each other closely unless something between is damaged."""
    matroska = "matroska" in container.format.name
    previous, reached = None, 0
    for packet in container.demux():
        if packet.size == 0:
            continue
        if matroska and packet.pos is not None:
            hole = packet.pos - reached
            if previous and hole > HOLE_BYTES and not previous.has_sidedata("matroska_block_additional"):
                time = float((packet.dts or 0) * packet.time_base)
                name = Path(container.name).name
                raise DecodeError(f"{name}: damaged before {time:.1f} s, {hole} bytes hold no packet")
            # Several packets may share a block, and then its position.
            reached = packet.size + (reached if previous and packet.pos == previous.pos else packet.pos)
            previous = packet
        yield packet


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """The container, closed afterwards; libav's errors become DecodeError.

    Raises:
        DecodeError: the file is missing, may not be read, or is malformed.
        OSError: this machine cannot read it now.
    """
    try:
        if path.stat().st_size == 0:
            raise DecodeError(f"{path.name}: zero bytes")
        with av.open(str(path), metadata_errors="replace") as container:
            yield container
    except (av.FFmpegError, OSError) as error:
        if isinstance(error, av.FFmpegError) and error.errno == errno.EIO:
            file_hash(path)  # libavformat says the same of some malformed files, which can be read
        else:
            require_sound_machine(error)
        raise DecodeError(f"{path.name}: {error.strerror or error}") from error


def video_stream(container: InputContainer) -> av.VideoStream:
    """The first video stream that is more than a cover picture."""
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
