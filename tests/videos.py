"""Small generated videos whose frames show their own number in their pixels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

BITS, BLOCK = 8, 16
WIDTH, HEIGHT = BITS * BLOCK, 48
TICK = Fraction(1, 30000)


def steady(rate: Fraction, seconds: int = 6) -> list[Fraction]:
    return [number / rate for number in range(int(rate * seconds))]


def numbered(
    path: Path, times: Sequence[Fraction], codec: str = "libx264", turn: int = 0, sound_s: int = 0, **options: str
) -> Path:
    """A video whose frame k, shown at ``times[k]``, has the bits of k as white blocks from left to right.

    ``turn``: rotation in the metadata, degrees. ``sound_s``: seconds of a silent audio track, from 0.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options=options)
        stream.width, stream.height, stream.time_base = WIDTH, HEIGHT, TICK
        stream.codec_context.time_base = TICK
        if turn:
            stream.set_display_rotation(turn)
        if sound_s:
            silence(container, sound_s)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number), "rgb24")
            frame.pts, frame.time_base = round(time / TICK), TICK
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if hasattr(os, "sched_setscheduler"):
        # As root, the AV1 encoder gives the calling thread, and all threads that it starts later, a real-time priority.
        # A busy thread among them would never release its processor.
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return path


def end_of(path: Path) -> Fraction:
    """End of the last frame, seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return sum(max((packet.pts, packet.duration) for packet in container.demux(stream) if packet.size)) * TICK


def silence(container: av.container.OutputContainer, seconds: int) -> None:
    stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
    for second in range(seconds):
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        sound.rate, sound.pts, sound.time_base = 8000, 8000 * second, Fraction(1, 8000)
        container.mux(stream.encode(sound))
    container.mux(stream.encode())


def picture(number: int) -> NDArray[np.uint8]:
    bits = np.array([number >> bit & 1 for bit in range(BITS)], np.uint8) * 255
    return np.tile(bits.repeat(BLOCK)[None, :, None], (HEIGHT, 1, 3))


def number_of(image: NDArray[np.uint8]) -> int:
    """The number that a frame shows, at any scale."""
    middles = [image[image.shape[0] // 2, (2 * bit + 1) * image.shape[1] // (2 * BITS), 0] for bit in range(BITS)]
    return sum(1 << bit for bit, value in enumerate(middles) if value > 127)


def copied(source: Path, target: Path, shift: Fraction = Fraction(0), leave_out: int = 0, **options: str) -> Path:
    """Copy the packets of an MP4 file, ``shift`` seconds later and without the first ``leave_out``."""
    with av.open(str(source)) as there, av.open(str(target), "w", options=options) as here:
        stream = here.add_stream_from_template(there.streams.video[0])
        packets = [packet for packet in there.demux(video=0) if packet.size]
        for packet in packets[leave_out:]:
            ticks = int(shift / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts + ticks, packet.dts + ticks, stream
            here.mux(packet)
    return target
