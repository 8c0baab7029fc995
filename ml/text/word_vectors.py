"""Word vectors: training them, reading published files, and captions as matrices (HowTo100M section 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.text.tokens import tokenize

MAX_WORDS = 20
"""Words of a caption that count."""

_LONGEST_WORD = 10_000  # bytes
_MOST_DIMENSIONS = 100_000


@dataclass(frozen=True)
class WordVectors:
    """``vectors[words, dim]`` float32, one row per word."""

    words: list[str]
    vectors: NDArray[np.float32]

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row of each word, from 1; row 0 of ``padded`` is no word."""
        return {word: row for row, word in enumerate(self.words, 1)}

    @cached_property
    def padded(self) -> NDArray[np.float32]:
        """The vectors below a row of zeros: ``padded[1 + words, dim]``."""
        return np.concatenate([np.zeros((1, self.dim), np.float32), self.vectors])

    def ids(
        self,
        captions: Sequence[str],
        max_words: int | None = MAX_WORDS,
        tokens: Callable[[str], list[str]] = tokenize,
    ) -> list[list[int]]:
        """Rows of ``padded`` of each caption's known words, the first ``max_words`` of them; ``tokens`` splits it."""
        return [[self.rows[word] for word in tokens(caption) if word in self.rows][:max_words] for caption in captions]

    def encode(self, captions: Sequence[str], max_words: int = MAX_WORDS) -> NDArray[np.float32]:
        """Captions as ``words[captions, max_words, dim]``: unknown words are dropped, the rest is zero."""
        return self.padded[pad(self.ids(captions, max_words), max_words)]


def pad(ids: Sequence[Sequence[int]], length: int = MAX_WORDS) -> NDArray[np.int64]:
    """Lists of ids as ``ids[lists, length]``, cut or filled with 0."""
    padded = np.zeros((len(ids), length), np.int64)
    for row, own in enumerate(ids):
        padded[row, : len(own)] = own[:length]
    return padded


def train_word_vectors(sentences: Iterable[str], dim: int, seed: int, epochs: int = 20) -> WordVectors:
    """Skip-gram vectors (arXiv 1310.4546) of all words that occur twice or more, after ``all_but_the_top``.

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
    return WordVectors(list(model.wv.index_to_key), all_but_the_top(np.asarray(model.wv.vectors, np.float32)))


def all_but_the_top(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """``vectors[words, dim]`` without what all of them share: their mean, their strongest directions, their lengths.

    Mu et al., "All-but-the-top" (arXiv 1702.01417). In a corpus of some thousand words all words have similar
    neighbours, and raw vectors are almost parallel (mean cosine 0.80 on the demo's captions), so that captions look
    alike to a network. A tenth of the directions is removed; the rest has length 1.
    """
    centred = vectors - vectors.mean(0)
    shared = np.linalg.svd(centred, full_matrices=False)[2][: min(vectors.shape) // 10]
    rest = centred - centred @ shared.T @ shared
    return (rest / np.linalg.norm(rest, axis=1, keepdims=True).clip(1e-9)).astype(np.float32)


def read_word_vectors(path: Path, vocabulary: Collection[str] | None = None) -> WordVectors:
    """Vectors of a published file, of the words in ``vocabulary`` only (None: of all).

    Reads word2vec's binary format (``.bin``) and its text format, and GloVe's text, which has no header line. The file
    is cut to the vocabulary while it is read: it may hold millions of words. Of a word that occurs again, the first
    vector counts.

    Raises:
        ValueError: the file is none of these, its end is missing, or a wanted word's numbers are not finite.
    """
    found: dict[str, NDArray[np.float32]] = {}
    entries = _binary_entries(path) if path.suffix == ".bin" else _text_entries(path)
    for place, word, vector in entries:
        if word in found or (vocabulary is not None and word not in vocabulary):
            continue
        if not np.isfinite(vector).all():
            raise ValueError(f"{path}:{place}: the vector of {word[:80]!r} holds numbers that are not finite")
        found[word] = vector
    if not found:
        raise ValueError(f"{path}: none of the {len(vocabulary or ())} wanted words is in it")
    return WordVectors(list(found), np.stack(list(found.values())))


def _binary_entries(path: Path) -> Iterator[tuple[str, str, NDArray[np.float32]]]:
    """``count dim`` on a line, then for each word its bytes, a blank, and ``dim`` little-endian floats."""
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: an empty file")
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        count, dim = _header(path, data[: data.find(b"\n", 0, _LONGEST_WORD) + 1].decode(errors="replace"))
        position = data.find(b"\n") + 1
        for number in range(1, count + 1):
            blank = data.find(b" ", position, position + _LONGEST_WORD)
            end = blank + 1 + 4 * dim
            if end > len(data) or (blank < 0 and len(data) - position <= _LONGEST_WORD):
                raise ValueError(f"{path}: truncated, it ends after {number - 1} of {count} words")
            if blank < 0:
                raise ValueError(f"{path}: word {number}: no blank after {_LONGEST_WORD} bytes, so it is no word")
            word = data[position:blank].lstrip(b"\n").decode(errors="replace")
            yield f" word {number}", word, np.frombuffer(data[blank + 1 : end], "<f4").astype(np.float32)
            position = end


def _text_entries(path: Path) -> Iterator[tuple[str, str, NDArray[np.float32]]]:
    """A word and its numbers per line, after a first line ``count dim`` if there is one."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        first = file.readline()
        fields = first.rstrip().split(" ")
        count, dim = _header(path, first) if len(fields) == 2 else (None, len(fields) - 1)
        if dim < 1:
            raise ValueError(f"{path}:1: need a word and its numbers, or the two numbers count and dim")
        if count is None:
            file.seek(0)
        number = 0
        for number, line in enumerate(file, 2 if count is not None else 1):
            word, *numbers = line.rstrip().rsplit(" ", dim)  # some words of GloVe have blanks in them
            try:
                yield str(number), word, _floats(numbers, dim)
            except ValueError:
                raise ValueError(f"{path}:{number}: {word[:80]!r} is not followed by {dim} numbers") from None
        if count is not None and number - 1 < count:
            raise ValueError(f"{path}: truncated, it ends after {max(number - 1, 0)} of {count} words")


def _header(path: Path, line: str) -> tuple[int, int]:
    """Number of words and of dimensions of a word2vec file."""
    try:
        count, dim = map(int, line.split())
    except ValueError:
        raise ValueError(f"{path}:1: not a word2vec file; the first line must be two numbers, count and dim") from None
    if count < 1 or not 1 <= dim <= _MOST_DIMENSIONS:
        raise ValueError(f"{path}:1: {count} words of {dim} numbers; need at least one of 1 to {_MOST_DIMENSIONS}")
    return count, dim


def _floats(numbers: list[str], dim: int) -> NDArray[np.float32]:
    if len(numbers) != dim:
        raise ValueError
    return np.array(numbers, np.float32)
