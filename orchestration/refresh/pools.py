"""Dagster's pools, as a refresh uses them: it starts no step that would wait for a slot of its pool.

The limits are those of the instance (``dagster instance concurrency``, or *Deployment* in the UI), which enforces them.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import dagster as dg

from orchestration.refresh.plan import Step
from orchestration.tags import GPU_POOL


class Pools:
    """Which steps have a free slot in each of their pools."""

    def __init__(self, instance: dg.DagsterInstance, graph: dg.AssetGraph) -> None:
        self._graph, self._storage = graph, instance.event_log_storage
        self._default = instance.global_op_concurrency_default_limit
        limited = self._storage.supports_global_concurrency_limits
        self._limits = {each.name: each.limit for each in self._storage.get_pool_limits()} if limited else {}
        self._used: Counter[str] = Counter()

    def has_room(self, step: Step) -> bool:
        """Whether a step would get its slots at once."""
        limits = ((pool, self._limits.get(pool, self._default)) for pool in self._of(step))
        return all(limit is None or self._used[pool] < limit for pool, limit in limits)

    def enter(self, step: Step) -> None:
        """A step starts."""
        self._used.update(self._of(step))

    def leave(self, step: Step) -> None:
        """A step has ended."""
        self._used.subtract(self._of(step))

    def _of(self, step: Step) -> set[str]:
        return set().union(*(self._graph.get(key).pools or () for key in step.keys))


def size_gpu_pool(instance: dg.DagsterInstance, device: str, jobs: int) -> None:
    """Give the pool of the networks as many slots as there are workers, on a machine without a GPU to share."""
    has_gpu = device != "cpu" and Path("/dev/nvidia0").exists()
    if not has_gpu and instance.event_log_storage.supports_global_concurrency_limits:
        instance.event_log_storage.set_concurrency_slots(GPU_POOL, jobs)
