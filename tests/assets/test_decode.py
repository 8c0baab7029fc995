"""Decoding is exact: the files made here carry the number of each frame in its pixels."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from assets.features.decode import DecodeError, Image, frames_at, probe

BITS, BLOCK = 8, 16
WIDTH, HEIGHT = BITS * BLOCK, 48


def numbered(path: Path, times: list[Fraction], codec: str = "libx264", **options: str) -> Path:
    """A video whose frame k, shown at ``times[k]``, has the bits of k as white blocks from left to right."""
    tick = Fraction(1, 30000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options=options)
        stream.width, stream.height, stream.time_base = WIDTH, HEIGHT, tick
        stream.codec_context.time_base = tick
        for number, time in enumerate(times):
            bits = np.array([number >> bit & 1 for bit in range(BITS)], np.uint8) * 255
            image = np.broadcast_to(bits.repeat(BLOCK)[None, :, None], (HEIGHT, WIDTH, 3))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
            frame.pts, frame.time_base = round(time / tick), tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def number_of(image: Image) -> int:
    middles = image[image.shape[0] // 2, :, 0].reshape(BITS, -1).mean(1) > 127
    return int(sum(1 << bit for bit, white in enumerate(middles) if white))


def steady(rate: Fraction, seconds: int = 6) -> list[Fraction]:
    return [number / rate for number in range(int(rate * seconds))]


UNEVEN = [time + Fraction(7 * number % 5, 200) for number, time in enumerate(steady(Fraction(20)))]


@pytest.mark.parametrize("rate_hz", [1.0, 1.5, 8.0])
@pytest.mark.parametrize(
    "times",
    [steady(Fraction(24)), steady(Fraction(25)), steady(Fraction(30000, 1001)), UNEVEN],
    ids=["24", "25", "29.97", "uneven"],
)
def test_each_cell_gets_the_last_frame_before_its_middle(tmp_path: Path, times: list[Fraction], rate_hz: float) -> None:
    path = numbered(tmp_path / "v.mp4", times, g="50", bf="3")
    picked = [(time, number_of(image)) for time, image in frames_at(path, rate_hz, HEIGHT, None)]
    middles = [(cell + Fraction(1, 2)) / Fraction(rate_hz) for cell in range(len(picked))]
    expected = [max(number for number, time in enumerate(times) if time < middle) for middle in middles]
    assert [number for _, number in picked] == expected
    assert [time for time, _ in picked] == pytest.approx([float(times[number]) for number in expected], abs=4e-5)
    assert len(picked) == 6 * rate_hz


@pytest.mark.parametrize(("name", "codec"), [("v.webm", "libvpx-vp9"), ("v.mkv", "libx264"), ("v.avi", "mpeg4")])
def test_other_containers(tmp_path: Path, name: str, codec: str) -> None:
    path = numbered(tmp_path / name, steady(Fraction(30), 3), codec)
    assert [number_of(image) for _, image in frames_at(path, 1.0, HEIGHT, None)] == [14, 44, 74]
    info = probe(path)
    assert (info.width, info.height) == (WIDTH, HEIGHT)
    assert info.duration_s == pytest.approx(3, abs=0.04)


def test_a_video_shorter_than_half_a_cell_still_has_one(tmp_path: Path) -> None:
    path = numbered(tmp_path / "v.mp4", [Fraction(0)])
    assert probe(path).frame_rate > 0
    assert [(time, number_of(image)) for time, image in frames_at(path, 1.0, HEIGHT, None)] == [(0.0, 0)]


@pytest.mark.parametrize(
    ("short_side", "crop", "shape"), [(24, None, (24, 64, 3)), (24, 20, (20, 20, 3)), (96, 96, (96, 96, 3))]
)
def test_scaling_and_cropping(tmp_path: Path, short_side: int, crop: int | None, shape: tuple[int, ...]) -> None:
    path = numbered(tmp_path / "v.mp4", steady(Fraction(10), 1))
    assert [(image.shape, image.dtype) for _, image in frames_at(path, 1.0, short_side, crop)] == [(shape, np.uint8)]


def test_a_phone_held_upright_is_turned(tmp_path: Path) -> None:
    path = numbered(tmp_path / "v.mp4", steady(Fraction(10), 1))
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44  # ISO/IEC 14496-12, 8.3.2: here a quarter turn clockwise
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    ((_, image),) = frames_at(path, 1.0, HEIGHT, None)
    assert image.shape == (WIDTH, HEIGHT, 3)
    assert number_of(image.transpose(1, 0, 2)) == 4  # what was left is on top


def test_a_crop_must_fit() -> None:
    with pytest.raises(ValueError, match="centre_crop=9: must be at most short_side=8"):
        next(frames_at(Path("v.mp4"), 1.0, 8, 9))


def test_broken_files_are_named_with_what_is_wrong(tmp_path: Path) -> None:
    mp4 = numbered(tmp_path / "whole.mp4", steady(Fraction(25))).read_bytes()
    webm = numbered(tmp_path / "whole.webm", steady(Fraction(25)), "libvpx-vp9").read_bytes()
    front = tmp_path / "front.mp4"
    with (
        av.open(str(tmp_path / "whole.mp4")) as source,
        av.open(str(front), "w", options={"movflags": "faststart"}) as target,
    ):
        copy = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    for name, content, problem in (
        ("absent.mp4", None, "No such file"),
        ("empty.mp4", b"", "zero bytes"),
        ("text.txt", b"not a video\n" * 99, "not a video"),
        ("text.mp4", b"not a video\n" * 99, "Invalid data"),
        ("cut.mp4", mp4[: len(mp4) // 2], "Invalid data"),
        ("cut.webm", webm[: len(webm) // 2], "truncated, it ends at"),
        ("front.mp4", front.read_bytes()[: len(front.read_bytes()) // 2], ""),
        ("sound.wav", (tmp_path / "sound.wav").read_bytes(), "no video stream"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DecodeError, match=f"^{name}: {problem}"):
            probe(path)
        with pytest.raises(DecodeError, match=f"^{name}: {problem}"):
            list(frames_at(path, 1.0, HEIGHT, None))
