"""Classification metrics against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.metrics.classification import accuracy, macro_f1, micro_f1

LABELS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40)


def f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    hits = int((truth & predicted).sum())
    return 2 * hits / (int(truth.sum()) + int(predicted.sum()))


@given(LABELS)
def test_one_class_per_item(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    classes = sorted({*truth.tolist(), *predicted.tolist()})
    assert accuracy(truth, predicted) == pytest.approx(float((truth == predicted).mean()))
    assert micro_f1(truth, predicted) == accuracy(truth, predicted)
    expected = [f1(truth == each, predicted == each) for each in classes]
    assert macro_f1(truth, predicted) == pytest.approx(sum(expected) / len(expected))


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 99))
def test_several_classes_per_item(items: int, classes: int, seed: int) -> None:
    truth, predicted = np.random.default_rng(seed).integers(0, 2, (2, items, classes), dtype=np.uint8)
    said = [each for each in range(classes) if truth[:, each].any() or predicted[:, each].any()]
    expected = [f1(truth[:, each] > 0, predicted[:, each] > 0) for each in said]
    assert macro_f1(truth, predicted) == pytest.approx(sum(expected) / len(expected) if said else 0)
    assert micro_f1(truth, predicted > 0) == pytest.approx(f1(truth > 0, predicted > 0) if said else 0)


def test_a_rare_class_counts_as_much_as_a_frequent_one() -> None:
    truth, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])
    assert accuracy(truth, predicted) == 0.75
    assert macro_f1(truth, predicted) == pytest.approx((6 / 7 + 0) / 2)


def test_no_items_and_arrays_of_different_lengths_are_errors() -> None:
    with pytest.raises(ValueError, match="0 labels and 0 predictions"):
        accuracy(np.array([]), np.array([]))
    with pytest.raises(ValueError, match="2 labels and 1 predictions"):
        macro_f1(np.array([0, 1]), np.array([0]))
