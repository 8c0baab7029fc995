"""What has to run, in which order, and why. ``Staleness`` decides what is out of date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from assets.lake import Lake
from orchestration.selection import resolve_selection
from orchestration.staleness import Staleness
from orchestration.stored import Stored

SOURCE_CHECKED = "sources are always checked"

Keys = tuple[dg.AssetKey, ...]
"""Assets that one computation makes together."""


@dataclass(frozen=True)
class Step:
    """A computation, and one partition of its assets."""

    keys: Keys
    partition: str | None

    @property
    def name(self) -> str:
        """The assets, without the partition."""
        return " + ".join(key.to_user_string() for key in self.keys)

    def __str__(self) -> str:
        return f"{self.name} [{self.partition}]" if self.partition else self.name


class Plan:
    """The steps of a selection of assets, and the reason for each that has to run. It changes nothing."""

    def __init__(self, defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.defs, self.instance = defs, instance
        self.graph = defs.resolve_asset_graph()
        specs = [self.graph.get(key).to_asset_spec() for key in self.graph.get_all_asset_keys()]
        self.stored = Stored(specs, defs.resources or {})
        self.staleness = Staleness(self.graph, instance, self.stored)
        self.lake: Lake = self.stored.lake

    def computations(self, selection: str | None) -> list[Keys]:
        """Assets that are made together, each after its inputs (selection None: ``EVERYTHING``).

        Raises:
            SelectionError: the selection is wrong or selects nothing.
        """
        chosen = resolve_selection(selection, self.graph)
        return list(self._in_order(chosen))

    def _in_order(self, chosen: set[dg.AssetKey]) -> Iterator[Keys]:
        seen: set[dg.AssetKey] = set()
        for key in self.graph.toposorted_asset_keys:
            if key in chosen and key not in seen:
                keys = self.computation(key)
                seen |= set(keys)
                yield keys

    def computation(self, key: dg.AssetKey) -> Keys:
        """The assets that are made together with an asset."""
        return tuple(sorted(self.graph.get(key).execution_set_asset_keys or {key}))

    def parents(self, keys: Keys) -> set[dg.AssetKey]:
        """The inputs of a computation."""
        return set().union(*(self.graph.get(key).parent_keys for key in keys))

    def inputs(self, keys: Keys) -> set[Keys]:
        """The computations that make the inputs of a computation."""
        return {self.computation(key) for key in self.parents(keys)} - {keys}

    def same_partition(self, keys: Keys, inputs: Keys) -> bool:
        """Whether a partition of a computation is made from the same partition of its input; else from all."""
        own, other = (self.graph.get(each[0]).partitions_def for each in (keys, inputs))
        return own is not None and own == other

    def steps(self, keys: Keys) -> list[Step]:
        """The partitions of a computation."""
        return [Step(keys, partition) for partition in self.staleness.partitions(keys[0])]

    def is_source(self, keys: Keys) -> bool:
        """Whether a computation checks a source, which every refresh does."""
        return not self.parents(keys) and self.graph.get(keys[0]).group_name == "sources"

    def why(self, step: Step) -> str | None:
        """Why a step has to run, or None if what is stored is what it would make."""
        if self.is_source(step.keys):
            return SOURCE_CHECKED
        return next(filter(None, (self.staleness.reason(key, step.partition) for key in step.keys)), None)

    def blocked(self, step: Step) -> str | None:
        """The failed check of an input, which holds a step up; None if there is none."""
        return next(filter(None, (self.staleness.blocked(key, step.partition) for key in step.keys)), None)

    def recorded_version(self, key: dg.AssetKey, partition: str | None) -> str | None:
        """The content version that Dagster recorded when an asset was made last."""
        made = self.staleness.latest(key).get(partition)
        return made.data_version if made else None

    def has_run(self, step: Step) -> None:
        """Take into account that a run has made a step."""
        for key in step.keys:
            self.staleness.read_again(key, step.partition)
