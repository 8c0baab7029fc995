"""Pictures of a video for several networks at once, each with its real presentation time, by PyAV.

See ``timeline`` for the times that containers have.
"""

from __future__ import annotations

import heapq
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from assets.features.timeline import DecodeError, Timeline, VideoInfo, opened, scan, video_stream
from ml.vision.sampling import Sampling, SourceVideo

Image = NDArray[np.uint8]
Samplings = Mapping[str, Sampling]

_LEFT_OUT, _FOR_OTHERS, _WANTED = range(3)  # what becomes of a packet


@dataclass(frozen=True)
class Clip:
    """RGB ``pictures[offsets, height, width, 3]`` of row ``row`` of a stream.

    ``time_s`` is the presentation time of the earliest of them, in seconds from the start of the file.
    """

    stream: str
    row: int
    time_s: float
    pictures: Image


def probe(path: Path) -> VideoInfo:
    """Format and length of a video file; reads the whole file once, without decoding.

    Raises:
        DecodeError: there is no video in the file, it is encrypted, or a part of it is missing.
    """
    return scan(path)[0]


def decode_clips(path: Path, samplings: Samplings | Callable[[SourceVideo], Samplings]) -> Iterator[Clip]:
    """Clips of a video for all streams in one pass; each stream's in order, the streams as their clips are ready.

    A video resampled at rate r has a picture i for each ``(i + 0.5) / r <= end`` by the rule ``middle``, as ffmpeg's
    ``fps`` filter, and for each ``i / r < end`` by the rule ``at``; ``end`` is that of its last frame, in seconds from
    the start of the file. Unlike the filter, it has at least one picture, and before the first frame it shows the
    first, so that a row is always that of its time. A stream has ``ceil(pictures / clip_frames)`` rows. The size of a
    stream's pictures is that of its first one, even if the video changes its own. Memory is that of one clip a stream
    and of the decoder, whatever the length of the video.

    Args:
        path: the file.
        samplings: what each stream needs, by its name; or a function from the format of the video to that.

    Raises:
        DecodeError: there is no video in the file, it is encrypted, a part of it is missing, or it cannot be decoded.
            Clips that came before stay valid.
    """
    info, timeline = scan(path)
    chosen = samplings(info.source) if callable(samplings) else samplings
    given = dict.fromkeys(chosen, 0)
    for sparse in (True, False) if timeline.has_pts else (False,):
        try:
            for clip in _clips(path, timeline, chosen, sparse):
                if clip.row == given[clip.stream]:
                    given[clip.stream] += 1
                    yield clip
            return
        except _DecoderError:
            # The packets promised another frame than there is, or damage is met: decoding the whole file decides.
            if not sparse:
                raise


def every_frame(path: Path) -> Iterator[tuple[float, av.VideoFrame]]:
    """All frames of a video as they are shown, each with its time in seconds from the start of the file.

    Raises:
        DecodeError: as for ``decode_clips``.
    """
    _, timeline = scan(path)
    with opened(path) as container:
        for time, frame in _frames(container, timeline, bytes([_WANTED]) * len(timeline.times)):
            yield timeline.seconds(time), frame


class _DecoderError(DecodeError):
    """A frame cannot be decoded, or is not there."""


class _Pick(NamedTuple):
    """Picture ``slot`` of clip ``row`` of a stream is the last frame that is shown at ``due`` ticks at the latest."""

    due: int
    stream: int
    row: int
    slot: int
    black: bool


def _clips(path: Path, timeline: Timeline, samplings: Samplings, sparse: bool) -> Iterator[Clip]:
    """``sparse``: decode what is needed only, and see to it that each frame is the one that its packet promised."""
    dues = [_dues(sampling, timeline) for sampling in samplings.values()]
    packets = bytes([_WANTED]) * len(timeline.times)
    if sparse:
        dues, packets = _packet_uses(timeline, dues)
    streams = [_Stream(name, sampling, timeline) for name, sampling in samplings.items()]
    picks = heapq.merge(*(stream.picks(number, dues[number]) for number, stream in enumerate(streams)))
    pick = next(picks, None)
    held: tuple[int, av.VideoFrame] | None = None
    with opened(path) as container:
        for time, frame in chain(_frames(container, timeline, packets), [(sys.maxsize, None)]):
            while held is not None and pick is not None and pick.due < time:
                if sparse and pick.due != held[0]:
                    raise _DecoderError(f"{path.name}: no frame at {timeline.seconds(pick.due):.1f} s")
                clip = streams[pick.stream].put(pick, *held)
                if clip is not None:
                    yield clip
                pick = next(picks, None)
            held = (time, frame) if frame is not None else None
    if pick is not None:
        raise _DecoderError(f"{path.name}: no frame can be decoded")


def _dues(sampling: Sampling, timeline: Timeline) -> NDArray[np.int64]:
    """``dues[pictures]``: when the frame of each picture of the resampled video is shown at the latest, ticks."""
    step = 1 / (sampling.frame_rate * timeline.tick)
    if sampling.start_s is not None:
        return _window_dues(sampling, timeline, sampling.start_s / timeline.tick, step)
    ticks, parts = step.numerator, step.denominator
    if sampling.rule == "middle":
        count = max(1, math.floor(timeline.end / step + Fraction(1, 2)))
        dues = (((2 * picture + 1) * ticks - 1) // (2 * parts) for picture in range(count))
    else:
        count = max(1, math.ceil(timeline.end / step))
        dues = (picture * ticks // parts for picture in range(count))
    return np.fromiter(dues, np.int64, count)


def _window_dues(sampling: Sampling, timeline: Timeline, start: Fraction, step: Fraction) -> NDArray[np.int64]:
    """The same for the pictures of the one clip that starts at ``start`` ticks and is within the video."""
    middle = sampling.rule == "middle"
    first = start + step / 2 if middle else start
    inside = (timeline.end - first) / step
    count = min(max(math.floor(inside) + 1 if middle else math.ceil(inside), 1), sampling.clip_frames)
    times = (first + picture * step for picture in range(count))
    return np.fromiter((math.ceil(time) - 1 if middle else math.floor(time) for time in times), np.int64, count)


def _packet_uses(timeline: Timeline, dues: list[NDArray[np.int64]]) -> tuple[list[NDArray[np.int64]], bytes]:
    """Times of the frames that are to be picked, by the packets, and what becomes of each packet.

    Frames that no other refers to are decoded if they are picked. So are all others, but those after the last one that
    is picked before a cut: a key frame such that all frames before it in the file are shown before it, and all after
    it after it. Whatever the decoder would keep across a cut is not needed there.
    """
    times, key = timeline.times, timeline.key
    frames = np.unique(times[timeline.shown])
    dues = [frames[np.maximum(np.searchsorted(frames, due, "right") - 1, 0)] for due in dues]
    wanted = timeline.shown & np.isin(times, np.concatenate([frames[:0], *dues]))
    latest_before = np.maximum.accumulate(times)[:-1]
    earliest_after = np.minimum.accumulate(times[::-1])[::-1][1:]
    cut = np.concatenate([[False], key[1:] & (latest_before < times[1:]) & (times[1:] <= earliest_after)])
    part = np.cumsum(cut)
    last = np.full(part[-1] + 1, -1)
    last[part[wanted]] = np.flatnonzero(wanted)  # of several in a part the last stays
    needed = np.arange(len(times)) <= last[part]
    return dues, np.where(needed, np.where(wanted, _WANTED, _FOR_OTHERS), _LEFT_OUT).astype(np.uint8).tobytes()


def _frames(container: InputContainer, timeline: Timeline, packets: bytes) -> Iterator[tuple[int, av.VideoFrame]]:
    """Frames as they are shown, with their times in ticks; those that packets do not ask for may be left out."""
    name = Path(container.name).name
    in_order = iter(np.sort(timeline.times[timeline.shown]))
    last = -sys.maxsize
    for frame in _decoded(container, timeline, packets):
        if not timeline.has_pts:
            time = int(next(in_order, last))
        elif frame.pts is not None:
            time = frame.pts - timeline.origin
        else:
            raise _DecoderError(f"{name}: its frames have no times")
        if time < last:
            raise _DecoderError(f"{name}: time jumps back from {timeline.seconds(last):.1f} s")
        if frame.is_corrupt:
            raise _DecoderError(f"{name}: damaged at {timeline.seconds(time):.1f} s")
        last = time
        yield time, frame


def _decoded(container: InputContainer, timeline: Timeline, packets: bytes) -> Iterator[av.VideoFrame]:
    stream = video_stream(container)
    decoder = stream.codec_context
    decoder.thread_count = 1  # videos are decoded side by side; threads inside one cost a fifth more CPU
    decoder.open()  # before any frame may be skipped: dav1d asks for that once
    name = Path(container.name).name
    demuxed = (packet for packet in container.demux(stream) if packet.size)
    begun = left_out = False
    for index, (packet, use) in enumerate(zip(demuxed, packets, strict=False)):
        begun = begun or bool(timeline.key[index])
        if use == _LEFT_OUT:
            left_out = True
            continue
        try:
            frames = []
            if left_out:
                frames = decoder.decode(None)
                decoder.flush_buffers()
                left_out = False
            decoder.skip_frame = "DEFAULT" if use == _WANTED else "NONREF"
            frames += decoder.decode(packet)
        except av.FFmpegError as error:
            # A recording may begin anywhere; what comes before its first key frame may lack what it refers to.
            if begun:
                time = timeline.seconds(int(timeline.times[index]))
                raise _DecoderError(f"{name}: damaged at {time:.1f} s: {error.strerror}") from error
        yield from frames
    try:
        frames = decoder.decode(None)
    except av.FFmpegError as error:
        raise _DecoderError(f"{name}: damaged at its end: {error.strerror}") from error
    yield from frames


def prepared_picture(picture: Image, sampling: Sampling) -> Image:
    """A picture ``[height, width, 3]`` of any size, scaled and cropped like the pictures of a video."""
    return _Scaler(sampling)(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24"))


class _Stream:
    """One stream, and its clip in the making."""

    def __init__(self, name: str, sampling: Sampling, timeline: Timeline) -> None:
        self.name, self.sampling, self.timeline = name, sampling, timeline
        self.scaled = _Scaler(sampling)
        self.clip: Clip | None = None
        self.missing = 0

    def picks(self, number: int, dues: NDArray[np.int64]) -> Iterator[_Pick]:
        """What this stream wants of the resampled video, by time."""
        length, last = self.sampling.clip_frames, len(dues) - 1
        order = sorted((offset, slot) for slot, offset in enumerate(self.sampling.pictures))
        for first in range(0, len(dues), length):
            for offset, slot in order:
                black = self.sampling.padding == "zero" and first + offset > last
                yield _Pick(int(dues[min(first + offset, last)]), number, first // length, slot, black)

    def put(self, pick: _Pick, time: int, frame: av.VideoFrame) -> Clip | None:
        """The clip, if this was the last picture that it lacked."""
        image = self.scaled(frame)
        if self.clip is None:
            pictures = np.zeros((len(self.sampling.pictures), *image.shape), np.uint8)
            self.clip, self.missing = Clip(self.name, pick.row, self.timeline.seconds(time), pictures), len(pictures)
        if not pick.black:
            self.clip.pictures[pick.slot] = image
        self.missing -= 1
        if self.missing:
            return None
        clip, self.clip = self.clip, None
        return clip


class _Scaler:
    """Scales, turns and crops frames to the size of the first. The scaler's context is reused from frame to frame."""

    def __init__(self, sampling: Sampling) -> None:
        self.short_side, self.centre_crop, self.squash = sampling.short_side, sampling.centre_crop, sampling.squash
        self.interpolation = Interpolation.BILINEAR if sampling.bilinear else Interpolation.BICUBIC
        self.reformatter = VideoReformatter()
        self.size: tuple[int, int] | None = None
        self.frame: av.VideoFrame | None = None
        self.image: Image

    def __call__(self, frame: av.VideoFrame) -> Image:
        """``image[height, width, 3]``; a frame that comes twice in a row is scaled once."""
        if frame is not self.frame:
            self.frame, self.image = frame, self._scaled(frame)
        return self.image

    def _scaled(self, frame: av.VideoFrame) -> Image:
        if self.size is None:
            width, height = (1, 1) if self.squash else (frame.width, frame.height)
            short = min(width, height)
            self.size = width * self.short_side // short, height * self.short_side // short
        width, height = self.size
        # Where the width is odd, swscale makes the same numbers faster plane by plane.
        layout = "gbrp" if width % 2 else "rgb24"
        scaled = self.reformatter.reformat(frame, width, height, layout, interpolation=self.interpolation, threads=1)
        image = np.asarray(scaled.to_ndarray(), np.uint8)
        if frame.rotation:
            image = np.rot90(image, round(frame.rotation / 90))
        if self.centre_crop is not None:
            top, left = ((side - self.centre_crop) // 2 for side in image.shape[:2])
            image = image[top : top + self.centre_crop, left : left + self.centre_crop]
        return image
