"""Moments: the search against every pair of frames, suppression, IoU, hit rates and the prediction file."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ml.metrics.moments import (
    Moment,
    Search,
    Truth,
    best,
    iou,
    moment_metrics,
    moments_of_videos,
    read_predictions,
    suppress,
    write_predictions,
)

seconds = st.floats(0, 100, allow_nan=False)
intervals = st.tuples(seconds, seconds).map(lambda pair: (min(pair), max(pair)))


def every_moment(starts, ends, scores, search):
    """All allowed moments by plain loops, best first, of equals the first."""
    found = []
    for video, (start, end) in enumerate(zip(starts, ends, strict=True)):
        for first in range(len(start)):
            for last in range(len(end)):
                score = float(start[first]) * float(end[last]) * np.exp(search.alpha * float(scores[video]))
                if search.shortest <= last - first < search.longest and score > 0:
                    found.append((video, first * search.interval_s, (last + 1) * search.interval_s, score))
    return sorted(found, key=lambda each: -each[3])


@given(
    st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 12), st.integers(0, 4), st.integers(1, 9), st.booleans()
)
def test_the_search_equals_an_exhaustive_search(seed, videos, frames, shortest, more, coarse):
    rng = np.random.default_rng(seed)
    starts, ends = rng.random((2, videos, frames))
    if coarse:  # many equal scores, and some of probability 0
        starts, ends = np.round(starts * 2) / 2, np.round(ends * 2) / 2
    scores = rng.integers(-1, 2, videos) / 4
    search = Search(shortest=shortest, longest=shortest + more, before_suppression=25, keep=20)
    (found,) = moments_of_videos(*each_in_a_row(starts, ends, np.arange(videos), scores), search)
    expected = every_moment(starts, ends, scores, search)[:20]
    assert [moment[:3] for moment in found] == [moment[:3] for moment in expected]
    np.testing.assert_allclose([m.score for m in found], [m[3] for m in expected])


def test_a_moment_ends_after_its_last_frame_and_the_upper_length_is_exclusive():
    starts, ends = np.array([[0.0, 1.0, 0.0, 0.0, 0.0]]), np.array([[0.1, 0.1, 0.1, 0.2, 0.5]])
    given = each_in_a_row(starts, ends, np.array([7]), np.zeros(1))
    (found,) = moments_of_videos(*given, Search(interval_s=1.5, shortest=1, longest=3))
    assert found == [Moment(7, 1.5, 6.0, 0.2), Moment(7, 1.5, 4.5, 0.1)]  # last = 4 would be a length of 3


@given(st.lists(st.lists(st.integers(-3, 3), min_size=7, max_size=7), min_size=1, max_size=4), st.integers(1, 10))
def test_the_best_are_those_of_a_stable_sort(values, count):
    scores = np.array(values, float)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    found, positions = best(torch.from_numpy(scores), count)
    assert positions.tolist() == order.tolist()
    assert found.tolist() == np.take_along_axis(scores, order, 1).tolist()


def each_in_a_row(*arrays):
    """Arrays of one query as tensors of a batch of queries."""
    return [torch.from_numpy(each)[None] for each in arrays]


@given(intervals, intervals)
def test_iou_is_symmetric_and_one_only_for_the_same(one, other):
    assert iou(one, other) == iou(other, one)
    assert 0 <= iou(one, other) <= 1
    assert iou(one, one) == (1 if one[1] > one[0] else 0)


def test_iou_of_disjoint_intervals_is_zero():
    assert iou((0, 4), (2, 8)) == 2 / 8
    assert iou((0, 1), (3, 4)) == 0


@given(st.lists(st.tuples(st.integers(0, 1), intervals, st.floats(0, 1)), max_size=12), st.floats(0, 1))
def test_suppression_keeps_a_moment_unless_a_kept_better_one_of_its_video_overlaps(rows, overlap):
    moments = sorted((Moment(v, *times, score) for v, times, score in rows), key=lambda m: -m.score)
    kept: list[Moment] = []
    for moment in moments:
        if not any(k.video == moment.video and iou(k[1:3], moment[1:3]) > overlap for k in kept):
            kept.append(moment)
    assert suppress(moments, overlap) == kept
    assert suppress(moments, None) == moments


def test_hit_rates_count_every_description_and_each_kind():
    truths = {1: Truth(0, ((0.0, 10.0),), "v"), 2: Truth(1, ((5.0, 9.0),), "t")}
    wrong_video, half, exact = Moment(1, 0, 10, 3), Moment(0, 4, 10, 2), Moment(0, 0, 10, 1)
    found = {"VCMR": {1: [wrong_video, half, exact], 2: []}, "VR": {1: [exact], 2: [exact, wrong_video]}}
    measured = moment_metrics(found, truths)
    assert measured["queries"] == 2
    assert (measured["VCMR_0.5_R@1"], measured["VCMR_0.5_R@5"], measured["VCMR_0.5_R@5_v"]) == (0, 0.5, 1)
    assert (measured["VR_R@1"], measured["VR_R@5"], measured["VR_R@1_t"]) == (0.5, 1, 0)
    # 6/10 shared: right at 0.5, not at 0.7.
    assert moment_metrics({"VCMR": {1: [half], 2: []}}, truths)["VCMR_0.7_R@100"] == 0


def test_two_of_four_annotators_must_agree():
    four = Truth(0, ((0.0, 5.0), (0.0, 5.0), (10.0, 15.0), (20.0, 25.0)))
    found = {"SVMR": {1: [Moment(0, 10, 15, 1), Moment(0, 0, 5, 0.5)]}}
    assert moment_metrics(found, {1: four})["SVMR_0.7_R@1"] == 0
    assert moment_metrics(found, {1: four})["SVMR_0.7_R@5"] == 1


def test_answers_must_be_those_of_the_descriptions():
    truths = {1: Truth(0, ((0.0, 1.0),))}
    with pytest.raises(ValueError, match=r"VCMR: description 1 .* has no answer"):
        moment_metrics({"VCMR": {}}, truths)
    with pytest.raises(ValueError, match=r"description 2 .* is no description"):
        moment_metrics({"VCMR": {1: [], 2: []}}, truths)


def test_predictions_are_read_as_written(tmp_path):
    path = tmp_path / "predictions.json"
    found = {"VCMR": {11: [Moment(4, 1.5, 6.0, 0.25)], 12: []}, "VR": {11: [Moment(4, 0.0, 0.0, 1.0)], 12: []}}
    write_predictions(path, {"a": 4}, {11: "they eat", 12: "they leave"}, found)
    assert read_predictions(path) == ({"a": 4}, found)
    path.write_text('{"VCMR": []}')
    with pytest.raises(ValueError, match="no video2idx"):
        read_predictions(path)
