"""Which frames a subtitle covers, by the rule and by examples; packing loses nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ml.hero.batch import END, Passage, Subtitle, Video, align, aligned, collate, collate_texts, padded
from tests.hero_videos import DIM, TINY, random_videos

times = st.floats(0, 40, allow_nan=False).map(lambda value: round(value, 2))
subtitles = st.lists(st.tuples(times, st.floats(0.01, 20)), max_size=8).map(
    lambda spans: [Subtitle(start, start + length, (7,)) for start, length in sorted(spans)]
)


@given(subtitles, st.integers(1, 20), st.sampled_from([1.5, 2.0]))
def test_each_frame_belongs_to_the_subtitle_that_overlaps_it_most(lines, frames, interval_s):
    found, unmatched = align(lines, frames, interval_s)
    assert sorted([*unmatched, *(frame for _, own in found for frame in own)]) == list(range(frames))
    kept = {number for number, _ in found}
    assert kept == {n for n, line in enumerate(lines) if math.floor(line.start_s / interval_s) < frames}
    for number, own in found:
        for frame in own:
            cell = (frame * interval_s, (frame + 1) * interval_s)
            assert _iou(lines[number], cell) == max(
                _iou(line, cell) for n, line in enumerate(lines) if n in kept and frame in _cells(lines, n, interval_s)
            )


def _iou(line, cell):
    common = min(line.end_s, cell[1]) - max(line.start_s, cell[0])
    return common / (max(line.end_s, cell[1]) - min(line.start_s, cell[0]))


def _cells(lines, number, interval_s):
    line = lines[number]
    cells = range(math.floor(line.start_s / interval_s), math.ceil(line.end_s / interval_s))
    return cells[:11] if number == len(lines) - 1 and line.end_s - line.start_s > 16 else cells


def test_a_subtitle_covers_the_frames_that_it_touches():
    lines = [Subtitle(0.0, 1.6, (5,)), Subtitle(1.6, 4.5, (6,)), Subtitle(6.1, 7.0, (7,)), Subtitle(30.0, 31.0, (8,))]
    found, unmatched = align(lines, 6, 1.5)
    assert found == [(0, (0,)), (1, (1, 2)), (2, (4,))]
    assert unmatched == [3, 5]


def test_a_very_long_last_subtitle_keeps_eleven_frames():
    found, _ = align([Subtitle(3.0, 100.0, (5,))], 60, 1.5)
    assert found == [(0, tuple(range(2, 13)))]


def features(frames, dim=DIM):
    return np.ones((frames, dim), np.float32)


def test_videos_without_subtitles_past_the_end_and_too_long():
    silent = aligned(Video("v", features(7), 1.5, []), TINY)
    assert silent.passages == (Passage((0, 1, 2, 3, 4), ()), Passage((5, 6), ()))
    late = aligned(Video("v", features(2), 1.5, [Subtitle(0, 3, tuple(range(4, 30))), Subtitle(9, 12, (5,))]), TINY)
    assert late.passages == (Passage((0, 1), tuple(range(4, 12))),)
    assert late.dropped == 1
    assert len(aligned(Video("v", features(50), 1.5, []), TINY).features) == TINY.max_frames
    seen = aligned(Video("v", features(3), 1.5, [Subtitle(0, 3, (9,))]), TINY, with_subtitles=False)
    assert seen.passages == (Passage((0, 1, 2), (0,)),)


def test_unusable_videos_are_errors():
    with pytest.raises(ValueError, match="video v: features of 7 numbers, but the model reads 12"):
        aligned(Video("v", features(3, 7), 1.5, []), TINY)
    with pytest.raises(ValueError, match="video v has no frame features"):
        aligned(Video("v", features(0), 1.5, []), TINY)


def test_a_batch_has_every_frame_and_token_once_and_in_order():
    videos = [aligned(video, TINY) for video in random_videos(5)]
    batch = collate(videos, appended=[(5, 6), (), (7,), (), ()])
    rows = np.concatenate([video.features for video in videos])
    rebuilt = []
    position, frames = 0, len(batch.matched)
    for length in batch.packing.lengths.tolist():
        places = batch.order[position : position + length].tolist()
        position += length
        own = [batch.matched[place].item() for place in places if place < frames]
        rebuilt.append((own, [batch.tokens[place - frames].item() for place in places if place >= frames]))
    assert batch.packing.lengths.tolist() == sorted(len(own) + len(text) for own, text in rebuilt)
    assert batch.packing.longest == length
    assert position == len(batch.order) == len(batch.matched) + len(batch.tokens)
    firsts = np.cumsum([0, *(len(video.features) for video in videos)])
    expected = [
        ([first + frame for frame in passage.frames], [END, *passage.tokens])
        for video, first in zip(videos, firsts.tolist(), strict=False)
        for passage in video.passages
    ]
    assert sorted(rebuilt) == sorted(expected)
    np.testing.assert_array_equal(batch.frames, rows)
    whole, mask = padded(batch.frames, batch.lengths, batch.longest + 2)
    assert torch.equal(whole[mask], batch.frames)
    assert int(batch.video_packing.lengths.sum()) == len(rows) + 3


def test_texts_keep_the_given_order():
    texts = collate_texts([(5, 6, 7), (8,), (), (9, 10)])
    assert texts.packing.lengths.tolist() == [1, 2, 3, 4] and texts.packing.longest == 4
    assert texts.tokens.tolist() == [0, 0, 8, 0, 9, 10, 0, 5, 6, 7]
    assert texts.positions.tolist() == [0, 0, 1, 0, 1, 2, 0, 1, 2, 3]
    assert texts.places.tolist() == [3, 1, 0, 2]
