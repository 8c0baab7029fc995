"""The order of steps: which can run because everything that they are made from is done, one partition at a time."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from graphlib import TopologicalSorter

import dagster as dg

from orchestration.refresh.plan import Keys, Plan, Step


class Order:
    """Steps after their inputs. A step waits for the same partition of an input, or for all of them.

    A step without a partition, ``Step(keys, None)``, of a partitioned computation stands for all its partitions:
    ``next`` returns it when they are done. What failed or was skipped holds up only what is derived from it.
    """

    def __init__(self, plan: Plan, computations: Sequence[Keys]) -> None:
        self._place = {keys: place for place, keys in enumerate(computations)}
        self._inputs: dict[Step, list[Step]] = {}
        for keys in computations:
            steps = plan.steps(keys)
            below = [(each, plan.same_partition(keys, each)) for each in plan.inputs(keys) if each in self._place]
            for step in steps:
                self._inputs[step] = [Step(each, step.partition if same else None) for each, same in below]
            if steps != [Step(keys, None)]:
                self._inputs[Step(keys, None)] = steps
        self._number = {step: number for number, step in enumerate(self._inputs)}
        self._held_up: set[Step] = set()
        self._ready: list[tuple[int, int, Step]] = []
        self._sorter = TopologicalSorter(self._inputs)
        self._sorter.prepare()
        self._collect()

    def next(self) -> Step | None:
        """A step that can run now, of the earliest computation; each is returned once. None if there is none."""
        return heapq.heappop(self._ready)[-1] if self._ready else None

    def is_held_up(self, step: Step) -> bool:
        """Whether an input of a step failed or was skipped."""
        return any(each in self._held_up for each in self._inputs[step])

    def done(self, step: Step, good: bool = True) -> None:
        """A step is done; not ``good`` if it failed or was skipped."""
        if not good:
            self._held_up.add(step)
        self._sorter.done(step)
        self._collect()

    @property
    def is_over(self) -> bool:
        """Whether every step is done."""
        return not self._sorter.is_active()

    def _collect(self) -> None:
        for step in self._sorter.get_ready():
            heapq.heappush(self._ready, (self._place[step.keys], self._number[step], step))


def is_barrier(step: Step, graph: dg.AssetGraph) -> bool:
    """Whether a step of ``Order`` stands for all partitions of its computation."""
    return step.partition is None and graph.get(step.keys[0]).partitions_def is not None
