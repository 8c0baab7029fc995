"""Words, stop words and word vectors."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from ml.text.tokens import clean, stop_words, tokenize
from ml.text.word_vectors import WordVectors, all_but_the_top, read_word_vectors, train_word_vectors

SENTENCES = ["cut the red apple", "peel the red apple", "cut a green pear", "peel a green pear"] * 10


def test_tokens_keep_case_and_apostrophes() -> None:
    assert tokenize("Don’t cut the TOP-end, it's 2 cm.") == ["Don't", "cut", "the", "TOP", "end", "it's", "2", "cm"]


def test_clean_drops_stop_words() -> None:
    assert clean("So now we're going to cut THE apple, okay?") == "cut apple"
    assert clean("and then, um, so") == ""
    assert not {"cut", "make", "not", "up", "down", "left"} & stop_words()


def test_captions_become_padded_matrices_of_known_words() -> None:
    words = WordVectors(["cut", "apple"], np.array([[1, 2], [3, 4]], np.float32))
    encoded = words.encode(["cut an apple", "nothing known", "apple " * 9], max_words=3)
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[[1, 2], [3, 4], [0, 0]], [[0, 0]] * 3, [[3, 4]] * 3]
    assert words.encode(["x"]).shape == (1, 20, 2)
    assert words.ids(["apple cut x"]) == [[2, 1]]


def test_all_but_the_top_vectors_are_no_longer_parallel() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(1, 30)) * 5
    vectors = (shared + rng.normal(size=(60, 30))).astype(np.float32)

    def mean_cosine(rows: np.ndarray) -> float:
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return float((unit @ unit.T)[~np.eye(len(rows), dtype=bool)].mean())

    assert mean_cosine(vectors) > 0.8
    apart = all_but_the_top(vectors)
    assert abs(mean_cosine(apart)) < 0.05
    assert np.allclose(np.linalg.norm(apart, axis=1), 1)


def test_training_is_reproducible() -> None:
    first, second = (train_word_vectors(SENTENCES, 8, seed=3) for _ in range(2))
    assert (first.vectors.dtype, first.dim, sorted(first.words)[:2]) == (np.float32, 8, ["a", "apple"])
    assert np.array_equal(first.vectors, second.vectors)
    assert not np.array_equal(first.vectors, train_word_vectors(SENTENCES, 8, seed=4).vectors)
    with pytest.raises(ValueError, match="no word occurs twice"):
        train_word_vectors(["once only"], 8, seed=0)


def test_published_formats_are_cut_to_a_vocabulary(tmp_path: Path) -> None:
    entries = {"Apple": [1.0, 2.0, 3.0], "cut": [4.0, 5.0, 6.5], "Zoë": [-1.0, 0.0, 0.25]}
    lines = "".join(f"{word} {' '.join(map(str, vector))}\n" for word, vector in entries.items())
    (tmp_path / "glove.txt").write_text(lines + ". . . 7 8 9\n", encoding="utf-8")
    (tmp_path / "w2v.txt").write_text("3 3\n" + lines, encoding="utf-8")
    records = (word.encode() + b" " + struct.pack("<3f", *vector) + b"\n" for word, vector in entries.items())
    (tmp_path / "w2v.bin").write_bytes(b"3 3\n" + b"".join(records))
    for name in ("glove.txt", "w2v.txt", "w2v.bin"):
        found = read_word_vectors(tmp_path / name, {"cut", "Zoë", "absent"})
        assert found.words == ["cut", "Zoë"]
        assert found.vectors.tolist() == [entries["cut"], entries["Zoë"]]
        assert set(read_word_vectors(tmp_path / name).words) >= set(entries)
    assert ". . ." in read_word_vectors(tmp_path / "glove.txt").words
    (tmp_path / "cut.bin").write_bytes((tmp_path / "w2v.bin").read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"cut\.bin: truncated, it ends after 2 of 3 words"):
        read_word_vectors(tmp_path / "cut.bin")
    (tmp_path / "bad.txt").write_text("a 1 2\nb 1\n")
    with pytest.raises(ValueError, match="'b' is not followed by 2 numbers"):
        read_word_vectors(tmp_path / "bad.txt")
    with pytest.raises(ValueError, match="none of the 1 wanted words"):
        read_word_vectors(tmp_path / "glove.txt", {"absent"})
