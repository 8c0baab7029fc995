"""Word error rates of transcripts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ml.metrics.word_errors import word_errors


def test_changes_are_counted_by_kind_and_same_words_are_aligned() -> None:
    found = word_errors(["now", "stir", "the", "rice", "well"], ["stir", "a", "rice", "very", "well"])
    assert (found.substitutions, found.deletions, found.insertions) == (1, 1, 1)
    assert found.same == [(1, 0), (3, 2), (4, 4)] and found.rate == 3 / 5
    assert word_errors([], ["well"]).insertions == 1 and word_errors(["well"], []).rate == 1


@given(st.text("ab", max_size=12), st.text("ab", max_size=12))
def test_the_counts_are_of_one_way_from_one_to_the_other(one: str, other: str) -> None:
    found = word_errors(one, other)
    assert len(found.same) + found.substitutions + found.deletions == len(one)
    assert len(found.same) + found.substitutions + found.insertions == len(other)
    assert all(one[i] == other[j] for i, j in found.same) and found.same == sorted(found.same)
    assert word_errors(other, one).rate * len(other) == found.rate * len(one) or not (one and other)
