"""Placing steps: the least cost against trying everything, and the choice among equals against the published states."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from ml.crosstask.dynamic_program import align_steps, uniform_steps


def cases(count: int, seed: int) -> list[NDArray[np.float64]]:
    """Costs of small random sizes; most are small whole numbers, so that sums tie."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        steps = int(rng.integers(1, 5))
        frames = int(rng.integers(steps, 9))
        shape = (frames, steps)
        found.append(rng.normal(size=shape) if number % 4 == 0 else rng.integers(-2, 2, size=shape).astype(float))
    return found


def by_states(cost: NDArray[np.float64]) -> list[int]:
    """The published programme, state by state: background, 1, background, 2, …, background."""
    frames, steps = cost.shape
    last = 2 * steps
    total = {0: 0.0}  # least sum of each state that can be reached
    came_from: list[dict[int, int]] = []
    for t in range(frames):
        now: dict[int, float] = {}
        origin: dict[int, int] = {}
        for state in range(last + 1):
            is_step = state % 2 == 1
            options = ([] if is_step else [state]) + [state - 1] + ([state - 2] if is_step else [])
            options = [each for each in options if each in total]
            if options:
                origin[state] = min(options, key=lambda each: total[each])  # the first of equals
                now[state] = total[origin[state]] + (cost[t, state // 2] if is_step else 0)
        total = now
        came_from.append(origin)
    state = last if total.get(last, np.inf) < total[last - 1] else last - 1
    found = [0] * steps
    for t in range(frames - 1, -1, -1):
        if state % 2 == 1:
            found[state // 2] = t
        state = came_from[t][state]
    return found


def test_thousands_of_small_cases() -> None:
    some = cases(4000, seed=0)
    for cost, found in zip(some, align_steps(some), strict=True):
        frames, steps = cost.shape
        sums = [sum(cost[t, k] for k, t in enumerate(chosen)) for chosen in combinations(range(frames), steps)]
        assert np.all(np.diff(found) > 0)
        assert sum(cost[found, np.arange(steps)]) == pytest.approx(min(sums))
        assert found.tolist() == by_states(cost)


def test_ties_and_ends() -> None:
    nothing_to_choose = np.zeros((5, 2))
    assert align_steps([nothing_to_choose])[0].tolist() == by_states(nothing_to_choose)
    assert align_steps([np.zeros((3, 3))])[0].tolist() == [0, 1, 2]
    assert align_steps([np.array([[0.0], [-1.0], [0.0]])])[0].tolist() == [1]
    assert align_steps([]) == []


def test_costs_without_a_valid_assignment_are_an_error() -> None:
    with pytest.raises(ValueError, match="video 1: 3 steps in 2 frames"):
        align_steps([np.zeros((3, 3)), np.zeros((2, 3))])
    with pytest.raises(ValueError, match="not a finite number"):
        align_steps([np.array([[np.nan]])])


def test_uniform_steps_are_the_middles_of_equal_parts() -> None:
    assert uniform_steps(100, 4).tolist() == [12, 38, 62, 88]
    assert uniform_steps(1, 1).tolist() == [0]
