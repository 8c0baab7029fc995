"""Word vectors: training, reading published files, and captions as matrices (HowTo100M section 4.1).

Belongs here: everything from words to numbers. Published files are cut to a vocabulary while they are read, because
they hold millions of words of which a data set uses some tens of thousands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.text.tokens import tokenize

MAX_WORDS = 20
"""Words of a caption that count."""


@dataclass(frozen=True)
class WordVectors:
    """``vectors[words, dim]`` float32, one row a word."""

    words: list[str]
    vectors: NDArray[np.float32]

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row of each word, from 1: row 0 of ``padded`` stands for no word."""
        return {word: row for row, word in enumerate(self.words, 1)}

    @cached_property
    def padded(self) -> NDArray[np.float32]:
        """The vectors below a row of zeros: ``padded[1 + words, dim]``."""
        return np.concatenate([np.zeros((1, self.dim), np.float32), self.vectors])

    def ids(self, captions: Sequence[str], max_words: int | None = MAX_WORDS) -> list[list[int]]:
        """Rows of ``padded`` of each caption's known words, the first ``max_words`` of them."""
        return [
            [self.rows[word] for word in tokenize(caption) if word in self.rows][:max_words] for caption in captions
        ]

    def encode(self, captions: Sequence[str], max_words: int = MAX_WORDS) -> NDArray[np.float32]:
        """Captions as ``words[captions, max_words, dim]``: unknown words are dropped, what is left over is zero."""
        return self.padded[pad(self.ids(captions, max_words), max_words)]


def pad(ids: Sequence[Sequence[int]], length: int = MAX_WORDS) -> NDArray[np.int64]:
    """Lists of ids as ``ids[lists, length]``, cut or filled with 0."""
    padded = np.zeros((len(ids), length), np.int64)
    for row, own in enumerate(ids):
        padded[row, : len(own)] = own[:length]
    return padded


def train_word_vectors(sentences: Iterable[str], dim: int, seed: int, epochs: int = 20) -> WordVectors:
    """Skip-gram vectors (arXiv 1310.4546) of all words that occur twice or more, told apart by ``spread``.

    The same sentences and seed give the same vectors.

    Raises:
        ValueError: no word occurs twice.
    """
    from gensim.models import Word2Vec

    tokens = [tokenize(sentence) for sentence in sentences]
    # With more than one worker the order of updates, and so the result, would depend on the scheduler.
    model = Word2Vec(vector_size=dim, window=5, min_count=2, sg=1, negative=5, workers=1, seed=seed)
    model.build_vocab(tokens)
    if not model.wv.index_to_key:
        raise ValueError(f"{len(tokens)} sentences: no word occurs twice, so there is nothing to learn from")
    model.train(tokens, total_examples=len(tokens), epochs=epochs)
    return WordVectors(list(model.wv.index_to_key), spread(np.asarray(model.wv.vectors, np.float32)))


def spread(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """``vectors[words, dim]`` without what all of them share: their mean, their strongest directions, their lengths.

    In a corpus of some thousand words every word has much the same neighbours, and raw vectors are almost parallel
    (mean cosine 0.80 on the demo's captions): a network that reads them cannot tell captions apart. A tenth of the
    directions goes; the rest has length 1.
    """
    centred = vectors - vectors.mean(0)
    shared = np.linalg.svd(centred, full_matrices=False)[2][: min(vectors.shape) // 10]
    rest = centred - centred @ shared.T @ shared
    return (rest / np.linalg.norm(rest, axis=1, keepdims=True).clip(1e-9)).astype(np.float32)


def read_word_vectors(path: Path, vocabulary: Collection[str] | None = None) -> WordVectors:
    """Vectors of a published file, of the words in ``vocabulary`` only (None: of all).

    Reads word2vec's binary format (``.bin``) and its text format, and GloVe's text, which has no header line.

    Raises:
        ValueError: the file is none of these, or its end is missing.
    """
    found: dict[str, NDArray[np.float32]] = {}
    entries = _binary_entries(path) if path.suffix == ".bin" else _text_entries(path)
    for word, vector in entries:
        if vocabulary is None or word in vocabulary:
            found.setdefault(word, vector)
    if not found:
        raise ValueError(f"{path}: none of the {len(vocabulary or ())} wanted words is in it")
    return WordVectors(list(found), np.stack(list(found.values())))


def _binary_entries(path: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """``count dim`` on a line, then for each word its bytes, a blank, and ``dim`` little-endian floats."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        try:
            count, dim = map(int, data.readline().split())
        except ValueError:
            raise ValueError(f"{path}: not in word2vec's binary format; the first line must be two numbers") from None
        position = data.tell()
        for number in range(count):
            blank = data.find(b" ", position)
            end = blank + 1 + 4 * dim
            if blank < 0 or end > len(data):
                raise ValueError(f"{path}: truncated, it ends after {number} of {count} words")
            word = data[position:blank].lstrip(b"\n").decode(errors="replace")
            yield word, np.frombuffer(data[blank + 1 : end], "<f4").astype(np.float32)
            position = end


def _text_entries(path: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """A word and its numbers a line, after a first line ``count dim`` if there is one."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        first = file.readline().split(" ")
        dim = int(first[1]) if len(first) == 2 else len(first) - 1
        if len(first) != 2:
            file.seek(0)
        for line in file:
            word, *numbers = line.rstrip().rsplit(" ", dim)  # some words of GloVe have blanks in them
            try:
                yield word, _floats(numbers, dim)
            except ValueError:
                raise ValueError(f"{path}: {word!r} is not followed by {dim} numbers") from None


def _floats(numbers: list[str], dim: int) -> NDArray[np.float32]:
    if len(numbers) != dim:
        raise ValueError
    return np.array(numbers, np.float32)
