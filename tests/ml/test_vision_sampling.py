"""Pictures of a video for each published network: rates, clips and crops."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from ml.vision import resnext101_3d
from ml.vision.resnet152 import picture_sampling
from ml.vision.sampling import SourceVideo
from ml.vision.slowfast_r50 import SLOW_OF_FAST, clip_sampling, even_offsets, fast_offsets


def test_heros_frames_depend_on_the_frame_rate_of_the_file() -> None:
    """Of a clip of 45 frames the last one is used 10 times at 30 frames per second, 4 times at 24."""
    by_hand = [min(i * 63 // 31, 44) for i in range(32)]
    assert list(fast_offsets(45, 30.0)) == by_hand and by_hand.count(44) == 10
    assert fast_offsets(45, 24.0).count(44) == 4
    assert fast_offsets(45, 29.97) == fast_offsets(45, 29.0)
    assert fast_offsets(60, 15.0) == tuple(range(32))
    assert all(len(fast_offsets(60, rate)) == 32 for rate in (0, 1, 12, 59.94, 240))
    assert SLOW_OF_FAST == tuple(i * 31 // 7 for i in range(8)) == (0, 4, 8, 13, 17, 22, 26, 31)


def test_consistent_frames_are_evenly_spaced() -> None:
    for frames in (45, 60):
        offsets = even_offsets(frames)
        assert (len(offsets), offsets[0], offsets[-1]) == (32, 0, frames - 1)
        assert set(np.diff(offsets)) <= {1, 2}


def test_pictures_of_the_published_presets() -> None:
    film, phone = SourceVideo(23.976, 300), SourceVideo(30, 300)
    resnet = picture_sampling(None, False, film)
    assert (resnet.row_rate, resnet.short_side, resnet.centre_crop, resnet.rule) == (1, 224, None, "middle")
    clips = resnext101_3d.ResNeXt101.fixed_sampling
    assert (clips.frame_rate, clips.row_rate, clips.clip_frames) == (24, Fraction(3, 2), 16)
    assert (clips.short_side, clips.centre_crop, clips.padding) == (112, 112, "zero")
    for clip_s in (Fraction(3, 2), Fraction(2)):
        resnet, slowfast = picture_sampling(clip_s, False, film), clip_sampling(clip_s, False, film)
        assert resnet.row_rate == slowfast.row_rate == 1 / clip_s
        assert slowfast.frame_rate == 30 and slowfast.offsets == fast_offsets(int(30 * clip_s), 23)
        assert (slowfast.short_side, slowfast.centre_crop, slowfast.padding) == (224, 224, "repeat")
        for sampling in (picture_sampling, clip_sampling):
            assert sampling(clip_s, True, film) == sampling(clip_s, True, phone)
    with pytest.raises(ValueError, match=r"clip_s=1/7: not a whole number of frames at 30 per second"):
        clip_sampling(Fraction(1, 7), False, film)


@pytest.mark.parametrize(
    ("clip_s", "duration_s", "rate"),
    [("3/2", 1.59, "2"), ("3/2", 1.61, "2/3"), ("3/2", 0.2, "2"), ("2", 2.05, "1"), ("2", 1.9, "2"), ("2", 2.2, "1/2")],
)
def test_hero_samples_very_short_videos_at_a_higher_rate(clip_s: str, duration_s: float, rate: str) -> None:
    video, length = SourceVideo(30, duration_s), Fraction(clip_s)
    assert picture_sampling(length, False, video).frame_rate == Fraction(rate)
    assert picture_sampling(length, True, video).frame_rate == 1 / length
