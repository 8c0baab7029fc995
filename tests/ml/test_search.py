"""Search for clips by text: exact, and by an index whose recall is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ml.joint_embedding.clip_index import ClipEmbeddings, ClipIndex, SearchOptions
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pair_store import PairStore
from ml.joint_embedding.pairs import VideoPairs
from ml.joint_embedding.search import ClipSearch, embedded_clips
from ml.joint_embedding.text_video import JointTextVideo
from ml.text.word_vectors import WordVectors

WORDS = WordVectors([f"word{number}" for number in range(6)], np.eye(6, dtype=np.float32))


def clips(count: int, dim: int, seed: int = 0) -> ClipEmbeddings:
    """Clips in tight groups of ten, which an index keeps together."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((-(-count // 10), dim)).repeat(10, 0)[:count]
    vectors += 0.3 * rng.standard_normal(vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    start_s = np.arange(count, dtype=np.float64)
    return ClipEmbeddings([f"v{row // 7}" for row in range(count)], start_s, start_s + 5, vectors)


def test_without_an_index_the_search_is_exact(tmp_path: Path) -> None:
    index, written = ClipIndex(tmp_path / "clips.lance"), clips(500, 16)
    assert index.write([written], 16) == len(index) == 500
    assert not index.indexed
    query = written.vectors[42].astype(np.float32)
    found = index.nearest(query, 5)
    stored = written.vectors.astype(np.float16).astype(np.float64)
    wanted = np.argsort(-(stored @ query))[:5]
    assert found["start_s"].to_pylist() == written.start_s[wanted].tolist()
    np.testing.assert_allclose(found["score"].to_numpy(), (stored @ query)[wanted], atol=1e-3)


@pytest.mark.filterwarnings("ignore")
def test_above_a_size_an_index_is_created_and_its_recall_measured(tmp_path: Path) -> None:
    written = clips(3000, 16)
    index = ClipIndex(tmp_path / "clips.lance", SearchOptions(exact_below=1000, probes=10, candidates=100))
    index.write([written], 16)
    assert index.indexed
    queries = written.vectors[::100].astype(np.float32)
    assert 0.8 < index.recall(queries, 5) <= 1
    blind = ClipIndex(index.path, SearchOptions(probes=1, candidates=1))
    assert blind.recall(queries, 100) < index.recall(queries, 5)


def test_the_version_depends_on_the_content(tmp_path: Path) -> None:
    index = ClipIndex(tmp_path / "clips.lance")
    assert index.version() is None
    index.write([clips(20, 8)], 8)
    first = index.version()
    index.write([clips(20, 8, seed=1)], 8)
    assert index.version() != first
    index.write([clips(20, 8)], 8)
    assert index.version() == first


def test_a_pinned_index_does_not_change(tmp_path: Path) -> None:
    index = ClipIndex(tmp_path / "clips.lance")
    index.write([clips(20, 8)], 8)
    pinned = index.pinned()
    index.write([clips(30, 4)], 4)
    assert (len(pinned), len(index)) == (20, 30)
    assert pinned.nearest(np.ones(8), 3).num_rows == pinned.take(np.array([19, 0, 7])).vectors.shape[0] == 3
    assert index.take(np.array([19, 0])).start_s.tolist() == [19, 0]


def test_a_text_finds_the_clip_that_the_model_puts_nearest(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, store, index = JointEmbedding(4, 6, 8), PairStore(tmp_path / "pairs"), ClipIndex(tmp_path / "clips.lance")
    vectors = np.random.default_rng(0).random((3, 4)).astype(np.float16)
    times = np.array([0.0, 5.0, 10.0])
    store.write("0", [("a", VideoPairs(times, times + 5, ["word1", "word2", "word3"], vectors, 0, 0))], 4)
    index.write(embedded_clips(model, store, ["0"]), 8)
    search = ClipSearch(index, JointTextVideo(model, WORDS))
    found = search.search("word2 unheard", 3)
    with torch.inference_mode():
        text = model.encode_text(torch.from_numpy(WORDS.encode(["word2"])))
        scores = (text @ model.encode_video(torch.from_numpy(vectors).float()).T)[0]
    assert [clip.start_s for clip in found] == times[scores.argsort(descending=True).numpy()].tolist()
    np.testing.assert_allclose([clip.score for clip in found], scores.sort(descending=True)[0].numpy(), atol=2e-3)
    assert search.search("unheard") == []


def test_invalid_searches_are_errors(tmp_path: Path) -> None:
    index = ClipIndex(tmp_path / "clips.lance")
    with pytest.raises(FileNotFoundError, match="materialise clip_search_index"):
        index.nearest(np.zeros(8), 1)
    index.write([clips(10, 8)], 8)
    with pytest.raises(ValueError, match="embeddings of 8"):
        index.nearest(np.zeros(9), 1)
