"""What is measured of clips, and the limits that drop them with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.features.frames.measure import read_frames
from assets.features.frames.options import ClipLimits
from assets.features.frames.quality import clip_quality
from assets.lake import load_tables
from tests.shot_videos import HEIGHT, WIDTH, Picture, Piece, ShotVideo

ENGLISH = "now we put the wooden lid on the pot and wait"
GERMAN = "jetzt legen wir den Deckel auf den Topf und warten"


def quality(limits: ClipLimits) -> pl.DataFrame:
    """Video a has a cut at 5 s, is a still picture before it and is dark after it; video b cannot be decoded.

    Video b shows what a benchmark's does.
    """
    tables = load_tables()
    lines = [
        ("a", 0, 1.0, 4.0, ENGLISH),
        ("a", 1, 4.0, 6.0, ENGLISH),
        ("a", 2, 6.0, 9.0, ENGLISH),
        ("b", 0, 0, 2, GERMAN),
    ]
    clips = pl.DataFrame(
        [("shard-0000", *line, line[4], len(line[4].split()), None, None, None, "en", None) for line in lines],
        tables["clips"].schema,
        orient="row",
    )
    shots = tables["shots"].frame(
        [("shard-0000", "a", 0, 0.0, 5.0, None, None, "x"), ("shard-0000", "a", 1, 5.0, 9.0, "cut", 0.0, "x")]
    )
    statistics = tables["frame_statistics"].frame(
        ("shard-0000", "a", second, 0.5 if second < 5 else 0.05, 100.0, 0.0 if second < 5 else 0.1, *[None] * 6, "x")
        for second in range(9)
    )
    leak = ("b", "MSR-VTT", "video1", 0.9, 0.5, False, 0.0, "90% of its pictures are those of video1")
    leaks = tables["benchmark_leaks"].frame([leak])
    return clip_quality(clips, shots, statistics, tables["visual_duplicates"].frame([]), leaks, limits)


def test_without_limits_every_clip_is_kept_and_measured() -> None:
    found = quality(ClipLimits())
    assert found["kept"].all()
    assert found["cuts"].to_list() == [0, 1, 0, None]
    assert found["brightness"].to_list() == pytest.approx([0.5, 0.275, 0.05, None])
    assert found["words_per_s"][0] == pytest.approx(11 / 3)
    assert found["spoken_language"].to_list() == ["en", "en", "en", "de"]


@pytest.mark.parametrize(
    ("limits", "reasons"),
    [
        (ClipLimits(max_cuts=0), [None, "more than 0 cuts", None, None]),
        (ClipLimits(min_motion=0.01), ["motion below 0.01", None, None, None]),
        (ClipLimits(min_brightness=0.1), [None, None, "brightness below 0.1", None]),
        (
            ClipLimits(max_words_per_s=4.5),
            [None, "more than 4.5 words per second", None, "more than 4.5 words per second"],
        ),
        (ClipLimits(languages=("en",)), [None, None, None, "language: de"]),
        (ClipLimits(benchmarks=True), [None, None, None, "shows an evaluation video of a benchmark"]),
        (ClipLimits(benchmarks=True, drop_benchmark_leaks=False), [None] * 4),
    ],
)
def test_a_clip_that_fails_a_limit_has_the_reason(limits: ClipLimits, reasons: list[str | None]) -> None:
    assert quality(limits)["reason"].to_list() == reasons


def test_light_blur_and_motion_are_measured(tmp_path: Path) -> None:
    def seconds(name: str, piece: Piece, change: float = 1.0, blur: int = 1) -> tuple[float, float]:
        def changed(shot: Picture) -> Picture:
            small = shot[::blur, ::blur].repeat(blur, 0).repeat(blur, 1)[:HEIGHT, :WIDTH]
            kernel = np.ones(blur) / blur
            soft = np.apply_along_axis(np.convolve, 1, small.astype(np.float32), kernel, "same") if blur > 1 else small
            return (soft * change).astype(np.uint8)

        found = read_frames(ShotVideo((piece,)).write(tmp_path / f"{name}.mp4", changed)).seconds
        return found[0].brightness, found[0].sharpness

    plain = seconds("plain", Piece(1, 1))
    assert seconds("dark", Piece(1, 1), change=0.2)[0] < 0.4 * plain[0]
    assert seconds("blurred", Piece(1, 1), blur=6)[1] < 0.5 * plain[1]
