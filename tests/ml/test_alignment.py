"""Captions that are spoken at the wrong time find what they name; against trying every window one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ml.joint_embedding.alignment import align_captions, aligned_pairs
from ml.joint_embedding.clip_vectors import clip_vectors
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pairs import Stream
from ml.joint_embedding.text_video import JointTextVideo
from ml.text.word_vectors import WordVectors

WORDS = WordVectors([f"word{number}" for number in range(8)], np.eye(8, dtype=np.float32))


def reading_model() -> JointTextVideo:
    """Embeds a caption as its words, and a clip as the words that its rows show."""
    model = JointEmbedding(8, 8, 8)
    for layer in (model.video.project, model.sentence.word, model.text.project):
        torch.nn.init.eye_(layer.weight)
    for layer in (model.video.gate, model.text.gate):
        torch.nn.init.zeros_(layer.weight)
    for layer in (model.video.project, model.video.gate, model.sentence.word, model.text.project, model.text.gate):
        torch.nn.init.zeros_(layer.bias)
    return JointTextVideo(model, WORDS)


def test_late_captions_find_what_they_name() -> None:
    rows = 0.01 * np.random.default_rng(0).random((60, 8)).astype(np.float32)
    seen = {10: 1, 25: 2, 50: 3}
    for second, word in seen.items():
        rows[second, word] = 1
    start = np.array([second + 4.0 for second in seen])
    captions = [f"so word{word} now" for word in seen.values()]
    # Windows of 0.5 s hold one row.
    found = align_captions(reading_model(), [Stream(rows, 1.0)], start, start + 0.5, captions, 6, min_time_s=0)
    assert found.shift_s.tolist() == [-4, -4, -4]
    assert (found.start_s <= list(seen)).all() and (found.end_s > list(seen)).all()
    assert found.score == pytest.approx(1, abs=1e-2)
    near = align_captions(reading_model(), [Stream(rows, 1.0)], start, start + 0.5, captions, 3, min_time_s=0)
    assert (near.score < 0.9).all() and (abs(near.shift_s) <= 3).all()


def test_the_best_window_equals_an_exhaustive_search() -> None:
    torch.manual_seed(0)
    rng, model = np.random.default_rng(1), JointEmbedding(7, 8, 5)
    streams = [Stream(rng.random((40, 3)).astype(np.float16), 1.0), Stream(rng.random((61, 4)).astype(np.float16), 1.5)]
    start = np.sort(rng.uniform(0, 36, 25))
    end = start + rng.uniform(0.2, 9, 25)
    captions = [" ".join(f"word{number}" for number in rng.integers(8, size=3)) for _ in start]
    found = align_captions(
        JointTextVideo(model, WORDS), streams, start, end, captions, radius_s=5, min_time_s=3, block=7
    )
    assert found.caption.tolist() == list(range(25))
    for number, caption in enumerate(captions):
        widened = max(3 - (end[number] - start[number]), 0) / 2
        first, last = max(start[number] - widened, 0), end[number] + widened
        scores = {}
        for shift in range(-5, 6):
            if shift and (first + shift < 0 or last + shift > 40):
                continue
            at = np.array([first + shift]), np.array([last + shift])
            clip = np.concatenate([clip_vectors(s.features, *at, s.rate_hz)[0] for s in streams], 1)
            scores[shift] = model(torch.from_numpy(clip), torch.from_numpy(WORDS.encode([caption]))).item()
        assert found.score[number] == pytest.approx(max(scores.values()), abs=1e-6)
        assert scores[int(found.shift_s[number])] == pytest.approx(max(scores.values()), abs=1e-6)
        assert found.start_s[number] == pytest.approx(first + found.shift_s[number])


def test_of_equal_windows_the_least_shifted_is_used() -> None:
    rows = np.ones((30, 8), np.float32)
    found = align_captions(reading_model(), [Stream(rows, 1.0)], np.array([12.0]), np.array([18.0]), ["word1"], 8)
    assert found.shift_s.tolist() == [0]


def test_captions_without_a_window_are_counted() -> None:
    rows = np.ones((30, 8), np.float32)
    start = np.array([3.0, 9.0, 90.0])
    captions = ["nothing known", "word1", "word2"]
    found = align_captions(reading_model(), [Stream(rows, 1.0)], start, start + 5, captions, 8)
    assert (found.caption.tolist(), found.without_words, found.without_rows) == ([1], 1, 1)
    nothing = align_captions(reading_model(), [Stream(rows, 1.0)], start[:1], start[:1] + 5, captions[:1])
    assert len(nothing.score) == 0 and nothing.without_words == 1


def test_pairs_of_the_windows_that_match_well() -> None:
    rows = np.zeros((30, 8), np.float32)
    rows[20, 1] = rows[4, 2] = 1
    rows[:, 0] = 0.3
    start = np.array([2.0, 15.0, 24.0])
    captions = ["word2", "word1", "word3"]
    streams = [Stream(rows, 1.0)]
    found = align_captions(reading_model(), streams, start, start + 1.5, captions, 6, min_time_s=0)
    pairs = aligned_pairs(found, streams, captions, min_score=0.5)
    assert pairs.captions == ["word2", "word1"]
    assert pairs.vectors.dtype == np.float16 and pairs.vectors.shape == (2, 8)
    assert pairs.vectors[:, [2, 1]].argmax(1).tolist() == [0, 1]
    assert len(aligned_pairs(found, streams, captions).captions) == 3
