"""Draws a synthetic video and encodes it.

Frames are drawn in the YUV 4:2:0 planes of the encoder, one background crop and one pasted sprite each, so that drawing
costs less than encoding. Everything is placed on even pixels because the chroma planes have half the resolution.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from assets.sources.synthetic import sprites
from assets.sources.synthetic.vocabulary import CATEGORIES, COLOURS
from assets.sources.synthetic.world import FRAME_RATE, Step, Video, World, draws
from ml.files import whole_file

Plane = NDArray[np.uint8]
Rgb = NDArray[np.float32]

WIDTH, HEIGHT = 256, 192
MARGIN = 24  # the background is larger than the frame by this much on each side

# ITU-R BT.601, studio range.
YUV_FROM_RGB = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]], np.float32)
YUV_ZERO = np.array([16, 128, 128], np.float32)
WATER = (150, 205, 255)

ENCODER = {
    "preset": "superfast",
    "crf": "27",
    "g": "36",
    "threads": "1",  # slices and lookahead of several threads would depend on the machine
}


@dataclass(frozen=True)
class Picture:
    """Luma at full and chroma at half resolution, all views on one I420 buffer if it is a frame."""

    luma: Plane
    blue: Plane
    red: Plane

    def paste(self, x: int, y: int, sprite: Sprite) -> None:
        """Draw a sprite with its top left corner on an even pixel; the part below the frame is left out."""
        half_x, half_y = x // 2, y // 2
        for plane, left, top, colours, mask in (
            (self.luma, x, y, sprite.colours.luma, sprite.mask),
            (self.blue, half_x, half_y, sprite.colours.blue, sprite.half_mask),
            (self.red, half_x, half_y, sprite.colours.red, sprite.half_mask),
        ):
            rows, columns = mask.shape
            room = plane[top : top + rows, left : left + columns]
            np.copyto(room, colours[: len(room)], where=mask[: len(room)])

    def fill(self, x: int, y: int, width: int, height: int, yuv: Plane) -> None:
        """Fill an even rectangle; the part below the frame is left out."""
        self.luma[y : y + height, x : x + width] = yuv[0]
        self.blue[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2] = yuv[1]
        self.red[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2] = yuv[2]


@dataclass(frozen=True)
class Sprite:
    """A coloured paint map with what it covers."""

    colours: Picture
    mask: NDArray[np.bool_]
    half_mask: NDArray[np.bool_]


def file(world: World, video: Video, folder: Path) -> Path:
    """``<id>.mp4`` in the folder, with ``<id>.info.json``; a video that exists is kept."""
    target = folder / f"{video.video_id}.mp4"
    if target.exists():
        return target
    with whole_file(folder / f"{video.video_id}.info.json") as part:
        part.write_text(json.dumps(_info(video), indent=1), encoding="utf-8")
    with whole_file(target) as part:
        _encode(frames(world, video), part)
    return target


def frames(world: World, video: Video) -> Iterator[Plane]:
    """All frames of a video as I420 buffers ``frame[HEIGHT * 3 / 2, WIDTH]``."""
    rng = draws(world.seed, "look", video.number)
    light = rng.uniform(0.86, 1.08)
    background = _yuv_picture(_background(video, rng.getrandbits(64)) * light)
    sway = rng.choice((0, 2, 2, 4))
    host = _host(rng.getrandbits(64), light)
    for scene in video.scenes:
        left, top = (2 * rng.randint(2, MARGIN - 2) for _ in range(2))
        aside = 2 * rng.randint(-5, 5)
        phase = rng.uniform(0, 6)
        cast = _cast(scene.step, light) if scene.step else host
        for index in range(scene.end_frame - scene.first_frame):
            sway_x = _even(sway * math.sin(index / 7 + phase))
            sway_y = _even(sway * math.sin(index / 9 + 2 * phase))
            frame = np.empty((HEIGHT * 3 // 2, WIDTH), np.uint8)
            picture = _planes(frame)
            _crop(background, left - sway_x, top - sway_y, picture)
            x, y, sprite = cast[index % len(cast)]
            picture.paste(x + sway_x + aside, y + sway_y, sprite)
            if scene.step and scene.step.action == "rinse":
                _rain(picture, index)
            yield frame


def _cast(step: Step, light: float) -> list[tuple[int, int, Sprite]]:
    """One cycle of a step's motion: left, top and sprite for each frame."""
    main = np.array(COLOURS[step.thing.colour], float)
    # The second colour of a texture is the same hue, lighter on dark things and darker on light ones.
    dark = main @ np.array([0.3, 0.59, 0.11]) < 150
    second = main + (250 - main) * 0.6 if dark else main * 0.45
    outline = main * 0.35 if main.max() > 60 else main + 70
    palette = np.stack([np.zeros(3), main, second, outline]).astype(np.float32) * np.float32(light)
    fine = sprites.thing(step.thing.shape, step.thing.texture)
    middle_x, middle_y = (WIDTH - sprites.SPRITE) // 2, (HEIGHT - sprites.SPRITE) // 2
    return [
        (middle_x + _even(pose.dx), middle_y + _even(pose.dy), _sprite(sprites.posed(fine, pose), palette))
        for pose in sprites.MOTIONS[step.action]
    ]


def _host(seed: int, light: float) -> list[tuple[int, int, Sprite]]:
    """The talking head of a video: mouth opening and closing, head bobbing."""
    rng = np.random.default_rng(seed)
    skin = np.array([236, 188, 150]) * rng.uniform(0.45, 1.0)
    shirt, hair = rng.uniform(50, 190, 3), rng.uniform(20, 110) * np.array([1.0, 0.75, 0.5])
    palette = np.stack([np.zeros(3), skin, shirt, hair, np.array([120, 30, 40])]).astype(np.float32) * np.float32(light)
    closed, opened = (_sprite(sprites.host(mouth), palette) for mouth in (False, True))
    left, top = (WIDTH - 128) // 2, HEIGHT - 160 + 4
    return [(left, top - 4 + _even(3 * math.sin(math.pi * k / 6)), opened if k % 4 < 2 else closed) for k in range(12)]


def _sprite(paint: sprites.Paint, palette: Rgb) -> Sprite:
    yuv = _yuv(palette)
    half = paint[::2, ::2]
    return Sprite(Picture(yuv[paint, 0], yuv[half, 1], yuv[half, 2]), paint > 0, half > 0)


def _background(video: Video, seed: int) -> Rgb:
    """A muted wall and work top, patterned and tinted by category: ``rgb[height, width, 3]``."""
    rng = np.random.default_rng(seed)
    height, width = HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN
    category = next(k for k, known in enumerate(CATEGORIES) if known.name == video.task.categories[0])
    hue = 2 * math.pi * category / len(CATEGORIES)
    tint = 128 + 34 * np.cos(hue - np.array([0, 2.1, 4.2])) + rng.uniform(-10, 10, 3)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    pattern = (
        np.sign(np.sin(x / 14)),  # panelling
        (y - height / 2) / height * 2,  # light from below
        -np.maximum(np.sign(np.cos(x / 8) - 0.9), np.sign(np.cos(y / 8) - 0.9)),  # tiles
        np.sin(np.hypot(x - width / 2, y - height / 2) / 12),  # rings
    )[category % 4]
    shade = 14 * pattern + 4 * rng.standard_normal((height, width))
    top = int(height * rng.uniform(0.62, 0.8))
    shade[top:] -= rng.uniform(25, 45)
    for _ in range(4):  # clutter at the back, unlike any thing in saturation
        left, reach, tall = rng.integers(0, width), rng.integers(12, 40), rng.integers(10, 50)
        shade[top - tall : top, left : left + reach] += rng.uniform(-40, 30)
    return (tint.astype(np.float32) + shade[:, :, None]).clip(0, 255).astype(np.float32)


def _rain(picture: Picture, index: int) -> None:
    water = _yuv(np.array([WATER], np.float32))[0]
    for drop in range(14):
        y = (drop * 29 + index * 4) % 48 * (HEIGHT // 48)
        picture.fill(56 + 10 * drop, y, 4, 14, water)


def _crop(background: Picture, left: int, top: int, picture: Picture) -> None:
    picture.luma[:] = background.luma[top : top + HEIGHT, left : left + WIDTH]
    rows, columns = slice(top // 2, (top + HEIGHT) // 2), slice(left // 2, (left + WIDTH) // 2)
    picture.blue[:] = background.blue[rows, columns]
    picture.red[:] = background.red[rows, columns]


def _planes(frame: Plane) -> Picture:
    """Views on the three planes of an I420 buffer."""
    chroma = frame[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
    return Picture(frame[:HEIGHT], chroma[0], chroma[1])


def _yuv_picture(rgb: Rgb) -> Picture:
    yuv = _yuv(rgb)
    return Picture(yuv[:, :, 0].copy(), yuv[::2, ::2, 1].copy(), yuv[::2, ::2, 2].copy())


def _yuv(rgb: Rgb) -> Plane:
    return (rgb.clip(0, 255) / 255 @ YUV_FROM_RGB.T + YUV_ZERO).round().astype(np.uint8)


def _even(value: float) -> int:
    return 2 * round(value / 2)


def _encode(pictures: Iterator[Plane], path: Path) -> None:
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options=ENCODER)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _info(video: Video) -> dict[str, object]:
    """The fields of yt-dlp's info file that exist here."""
    return {
        "id": video.video_id,
        "title": video.title,
        "duration": video.duration_s,
        "view_count": video.view_count,
        "channel": video.channel,
        "extractor": "synthetic",
        "width": WIDTH,
        "height": HEIGHT,
        "fps": FRAME_RATE,
    }
