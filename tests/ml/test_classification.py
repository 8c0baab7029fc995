"""Classification metrics against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from ml.metrics.classification import accuracy, macro_f1

answers = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40)


@given(answers)
def test_the_metrics_are_the_established_ones(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    assert accuracy(truth, predicted) == pytest.approx(accuracy_score(truth, predicted))
    assert macro_f1(truth, predicted) == pytest.approx(f1_score(truth, predicted, average="macro"))


def test_a_rare_class_counts_as_much_as_a_frequent_one() -> None:
    truth, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])
    assert accuracy(truth, predicted) == 0.75
    assert macro_f1(truth, predicted) == pytest.approx((6 / 7 + 0) / 2)


def test_nothing_to_score_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 labels and 0 predictions"):
        accuracy(np.array([]), np.array([]))
    with pytest.raises(ValueError, match="2 labels and 1 predictions"):
        macro_f1(np.array([0, 1]), np.array([0]))
