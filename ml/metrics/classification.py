"""Metrics of classification, one function a metric. Belongs here: comparing labels. Not here: making predictions."""

from __future__ import annotations

import numpy as np


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Share of ``truth[item]`` that ``predicted[item]`` meets.

    Raises:
        ValueError: nothing to score, or two different numbers of items.
    """
    _check(truth, predicted)
    return float(np.mean(truth == predicted))


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean over the classes of F1 = 2 TP / (2 TP + FP + FN), each class alike however rare.

    The classes are those that occur in ``truth[item]`` or ``predicted[item]``; of ``[item, class]`` of 0 and 1, where
    an item may have several, those that occur there.

    Raises:
        ValueError: nothing to score, or two different numbers of items.
    """
    _check(truth, predicted)
    if truth.ndim == 2:
        said_of_class = truth.sum(axis=0, dtype=np.int64) + predicted.sum(axis=0, dtype=np.int64)
        hits_of_class = ((truth > 0) & (predicted > 0)).sum(axis=0)
        return float(np.mean(2 * hits_of_class[said_of_class > 0] / said_of_class[said_of_class > 0]))
    _, codes = np.unique(np.concatenate([truth, predicted]), return_inverse=True)
    expected, given = np.split(codes, 2)
    classes = codes.max() + 1
    hits = np.bincount(expected[expected == given], minlength=classes)
    said = np.bincount(expected, minlength=classes) + np.bincount(given, minlength=classes)
    return float(np.mean(2 * hits / said))


def micro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """F1 over all pairs of item and class at once: 2 TP / (2 TP + FP + FN); 0 where no class is meant or said.

    Args:
        truth, predicted: ``[item, class]`` of 0 and 1. Of one class an item, ``[item]``, this is the accuracy.

    Raises:
        ValueError: nothing to score, or arrays of differing shapes.
    """
    if truth.ndim == 1:
        return accuracy(truth, predicted)
    _check(truth, predicted)
    said = np.count_nonzero(truth) + np.count_nonzero(predicted)
    return 2 * np.count_nonzero((truth > 0) & (predicted > 0)) / said if said else 0.0


def _check(truth: np.ndarray, predicted: np.ndarray) -> None:
    if not len(truth) or truth.shape != predicted.shape:
        raise ValueError(f"{len(truth)} labels and {len(predicted)} predictions: need equally many, at least one")
