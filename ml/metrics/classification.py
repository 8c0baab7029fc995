"""Metrics of classification, computed by scikit-learn. Labels are classes ``[item]`` or 0 and 1 ``[item, class]``."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import accuracy_score, f1_score


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Share of ``truth[item]`` that equals ``predicted[item]``.

    Raises:
        ValueError: there is no item, or the arrays differ in length.
    """
    _check(truth, predicted)
    return float(accuracy_score(truth, predicted))


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean of F1 = 2 TP / (2 TP + FP + FN) over the classes that occur in either array; rare classes count equally.

    Raises:
        ValueError: there is no item, or the arrays differ in shape.
    """
    _check(truth, predicted)
    if truth.ndim == 1:
        return float(f1_score(truth, predicted, average="macro"))
    truth, predicted = truth > 0, predicted > 0
    occurring = np.flatnonzero((truth | predicted).any(axis=0))
    return (
        float(np.mean([f1_score(truth[:, each], predicted[:, each]) for each in occurring])) if len(occurring) else 0.0
    )


def micro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """F1 = 2 TP / (2 TP + FP + FN) over all pairs of item and class; 0 where no class occurs in either array.

    With one class per item, ``[item]``, it is the accuracy.

    Raises:
        ValueError: there is no item, or the arrays differ in shape.
    """
    if truth.ndim == 1:
        return accuracy(truth, predicted)
    _check(truth, predicted)
    return float(f1_score(truth.ravel() > 0, predicted.ravel() > 0, zero_division=0))


def _check(truth: np.ndarray, predicted: np.ndarray) -> None:
    if not len(truth) or truth.shape != predicted.shape:
        raise ValueError(f"{len(truth)} labels and {len(predicted)} predictions: need equally many, at least one")
