"""Windows of a video that start at any time, and squashed pictures: what text-video models with own towers read."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from assets.features.decode import decode_clips
from ml.vision.sampling import Sampling
from tests.videos import number_of, numbered, steady


def test_a_window_has_the_pictures_from_its_start_and_black_ones_after_the_end(tmp_path: Path) -> None:
    video = numbered(tmp_path / "v.mp4", steady(Fraction(10), 3))
    window = Sampling(Fraction(5), 48, None, clip_frames=16, padding="zero")
    starts = {"start": Fraction(0), "middle": Fraction(13, 10), "end": Fraction(28, 10), "late": Fraction(9)}
    windows = {name: replace(window, start_s=start) for name, start in starts.items()}
    found = {clip.stream: [number_of(picture) for picture in clip.pictures] for clip in decode_clips(video, windows)}
    # Each is the last frame before the middle of a fifth of a second; black pictures count as 0.
    assert found["start"] == [*range(0, 30, 2), 0]
    assert found["middle"] == [*range(13, 30, 2), *[0] * 7]
    assert found["end"] == [28, *[0] * 15]
    assert found["late"] == [29, *[0] * 15]


def test_a_squashed_picture_shows_the_whole_frame(tmp_path: Path) -> None:
    video = numbered(tmp_path / "v.mp4", [Fraction(0), Fraction(1, 4), Fraction(1, 2)])
    squashed = Sampling(Fraction(1), 64, None, rule="at", squash=True, bilinear=True, start_s=Fraction(1, 4))
    (clip,) = decode_clips(video, {"squashed": squashed})
    assert clip.pictures.shape == (1, 64, 64, 3) and number_of(clip.pictures[0]) == 1
