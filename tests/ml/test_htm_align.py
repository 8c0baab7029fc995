"""The scorer of HTM-Align equals one that is written out sentence by sentence and second by second."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.joint_embedding.htm_align import AlignmentScorer, Sentence, in_windows, read_htm_align


def plain_windowed(sim: np.ndarray, sentences: list[Sentence]) -> np.ndarray:
    """Cell by cell: the mean over all windows that hold the second and in which the sentence takes part."""
    seconds = sim.shape[1]
    starts = []
    start = 0
    while start < seconds - 32:
        starts.append(start)
        start += 16
    out = np.zeros(sim.shape)
    for row in range(sim.shape[0]):
        for second in range(seconds):
            values = []
            for number, start in enumerate(starts):
                if not start <= second < start + 64:
                    continue
                near = [
                    i
                    for i, s in enumerate(sentences)
                    if not s.alignable and start - 64 <= (s.start_s + s.end_s) / 2 <= start + 128
                ]
                if not near:
                    continue
                low, high = min(near), max(near)
                if number in (0, 1, 2, 3):
                    low = 0
                if number in range(len(starts) - 4, len(starts)):
                    high = len(sentences) - 1
                if low <= row <= high:
                    values.append(sim[row, second])
            out[row, second] = sum(values) / len(values) if values else 0.0
    return out


def plain_scores(videos: list[tuple[np.ndarray, list[Sentence]]]) -> tuple[float, float | None]:
    """R@1, and ROC-AUC as the share of (alignable, other) pairs in the right order, ties a half."""
    hits, positive, negative = [], [], []
    for sim, sentences in videos:
        for row, sentence in enumerate(sentences):
            values = [-6e4 if value == 0 else float(value) for value in sim[row]]
            (positive if sentence.alignable else negative).append(max(values))
            if sentence.alignable:
                best = values.index(max(values))
                hits.append(math.floor(sentence.start_s) <= best <= math.ceil(sentence.end_s))
    pairs = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    return sum(hits) / len(hits), sum(pairs) / len(pairs) if pairs else None


SENTENCES = st.lists(
    st.tuples(st.booleans(), st.floats(0, 390), st.floats(0, 40)), min_size=1, max_size=12
)  # alignable, start, length


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(SENTENCES, st.integers(1, 400)), min_size=1, max_size=3), st.integers(0, 99))
def test_the_scores_equal_those_written_out(drawn: list[tuple[list[tuple], int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    videos = []
    for rows, seconds in drawn:
        sentences = [Sentence(flag, start, start + length, "x") for flag, start, length in rows]
        # Few distinct values, so that there are ties.
        videos.append((rng.integers(1, 30, (len(sentences), seconds)) / 4, sentences))
    windowed = [(in_windows(sim, sentences), sentences) for sim, sentences in videos]
    for (cut, sentences), (sim, _) in zip(windowed, videos, strict=True):
        np.testing.assert_allclose(cut, plain_windowed(sim, sentences))
    if not any(sentence.alignable for _, sentences in videos for sentence in sentences):
        return
    for mode in (videos, windowed):
        scorer = AlignmentScorer()
        for sim, sentences in mode:
            scorer.add(sim, sentences)
        found = scorer.scores()
        recall, auc = plain_scores(mode)
        assert found.recall == pytest.approx(recall)
        assert found.roc_auc == (None if auc is None else pytest.approx(auc))


def test_both_ends_of_a_sentence_count_and_chance_is_their_share() -> None:
    sentence, other = Sentence(True, 2.4, 4.2, "a"), Sentence(False, 0, 1, "b")
    hits = []
    for second in range(8):
        scorer = AlignmentScorer()
        scorer.add(np.eye(8)[[second, 0]] * 2 + 1, [sentence, other])
        hits.append(scorer.scores().recall)
    assert hits == [0, 0, 1, 1, 1, 1, 0, 0]
    assert scorer.scores().chance == 4 / 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "not an object of videos"),
        ({"v": {}}, "v: not a list of sentences"),
        ({"v": [[1, 0, 1, "a"], [2, 0, 1, "a"]]}, r"v: sentence 1: need \[0 or 1"),
        ({"v": [[1, 2, 1, "a"]]}, "sentence 0: times 2 to 1"),
        ({"v": [[1, 0, 1]]}, "sentence 0: not enough values"),
        ({"v": [[1, "x", 1, "a"]]}, "sentence 0: could not convert"),
    ],
)
def test_a_file_with_a_bad_sentence_is_refused(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "htm_align.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read_htm_align(path)
