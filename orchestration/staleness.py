"""The staleness rule: whether a partition of an asset differs from what its inputs and code would make, and why.

The rule goes by state. It compares what Dagster recorded with the latest materialization (code version, versions of
inputs, version of the content) with the code and the inputs of today and with what is stored, and it knows requests
that are due. It needs no memory of an earlier evaluation. Refreshes, ``howto status`` and automation apply it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from ml.files import content_hash
from orchestration.stored import Due, Stored

_FAILED = AssetCheckExecutionRecordStatus.FAILED
_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
_DATA_VERSION = "dagster/data_version"
_CODE_VERSION = "dagster/code_version"
_INPUT_POINTER = "dagster/input_event_pointer/"


@dataclass(frozen=True)
class Materialization:
    """The latest materialization of a partition, as Dagster recorded it.

    Attributes:
        storage_id: position in the event log.
        inputs: per input, the position of its latest event when the step began; empty for reported materializations.
    """

    storage_id: int
    run_id: str
    data_version: str | None
    code_version: str | None
    inputs: Mapping[str, int]

    @classmethod
    def read(cls, record: dg.EventLogRecord) -> Materialization:
        """The materialization of an event."""
        tags = (record.asset_materialization.tags if record.asset_materialization else None) or {}
        # An input that had no event yet has the pointer NULL.
        pointers = {
            tag.removeprefix(_INPUT_POINTER): int(value) if value.isdigit() else 0
            for tag, value in tags.items()
            if tag.startswith(_INPUT_POINTER)
        }
        return cls(record.storage_id, record.run_id, tags.get(_DATA_VERSION), tags.get(_CODE_VERSION), pointers)


def code_hash(versions: Mapping[dg.AssetKey, str | None]) -> str:
    """A hash of the code versions of assets."""
    return content_hash(sorted((key.to_user_string(), version) for key, version in versions.items()))


class Staleness:
    """The rule applied to one state of an instance. An asset with partitions costs two queries, whatever their number;
    the assets without partitions cost one query together.

    Args:
        stored: what is stored; None: damage and requests that are due are not considered.
    """

    def __init__(self, graph: dg.AssetGraph, instance: dg.DagsterInstance, stored: Stored | None = None) -> None:
        self.graph, self.instance, self.stored = graph, instance, stored
        self._due: dict[dg.AssetKey, dict[str | None, Due]] = {}
        self._broken: dict[dg.AssetKey, dict[str | None, str]] = {}
        self._latest: dict[dg.AssetKey, dict[str | None, Materialization]] = {}
        self._planned: dict[dg.AssetKey, dict[str | None, int]] = {}
        self._versions: dict[tuple[dg.AssetKey, str | None, int], str | None] = {}

    @cached_property
    def code(self) -> str:
        """A hash of the code versions of all assets, for the tag ``CODE`` of runs."""
        return code_hash({key: self.graph.get(key).code_version for key in self.graph.get_all_asset_keys()})

    def read_again(self, key: dg.AssetKey, partition: str | None) -> None:
        """Read one partition again, after a run has made it."""
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(key, [partition] if partition else None), limit=1
        ).records
        if records:
            self.latest(key)[partition] = Materialization.read(records[0])
        self._due.get(key, {}).pop(partition, None)
        self._broken.pop(key, None)

    def latest(self, key: dg.AssetKey) -> dict[str | None, Materialization]:
        """The latest materialization of each partition of an asset; of an asset without partitions, that of None."""
        if key not in self._latest:
            self._latest[key] = dict(self._read(key))
        return self._latest[key]

    def partitions(self, key: dg.AssetKey) -> list[str | None]:
        """The partitions of an asset; None for an asset without partitions."""
        definition = self.graph.get(key).partitions_def
        return list(definition.get_partition_keys()) if definition else [None]

    def reason(self, key: dg.AssetKey, partition: str | None) -> str | None:
        """Why a partition has to be made again, or None if it is what its inputs and its code would make."""
        made = self.latest(key).get(partition)
        if made is None:
            return "not made yet"
        return self._other_origin(key, partition, made) or self._other_content(key, partition, made)

    def due(self, key: dg.AssetKey, partition: str | None) -> Due | None:
        """The requests of a partition that are due by now."""
        if self.stored is None:
            return None
        if key not in self._due:
            self._due[key] = self.stored.due(key, self.partitions(key))
        return self._due[key].get(partition)

    def _other_content(self, key: dg.AssetKey, partition: str | None, made: Materialization) -> str | None:
        """What is wrong or incomplete with the content that is stored."""
        damage = self.stored.damaged(key, lambda: self._recorded(key)) if self.stored else {}
        if reason := damage.get((partition, made.storage_id)):
            return f"{key.to_user_string()}: {reason}"
        waiting = self.due(key, partition)
        return f"{key.to_user_string()}: {waiting.requests} due to be requested again" if waiting else None

    def _recorded(self, key: dg.AssetKey) -> dict[str | None, tuple[int, str | None]]:
        return {each: (found.storage_id, found.data_version) for each, found in self.latest(key).items()}

    def _other_origin(self, key: dg.AssetKey, partition: str | None, made: Materialization) -> str | None:
        """How code and inputs differ from those that a partition was made from."""
        code = self.graph.get(key).code_version
        if code is not None and made.code_version not in (None, code):
            return "its code or options changed"
        changed = sorted(
            parent.to_user_string()
            for parent in self.graph.get(key).parent_keys
            if any(self._changed_since(parent, each, made) for each in self._input_partitions(key, partition, parent))
        )
        return f"new content of {', '.join(changed)}" if changed else None

    def blocked(self, key: dg.AssetKey, partition: str | None) -> str | None:
        """The failed blocking check of an input, which holds a partition up; None if there is none."""
        parents = sorted(self.graph.get(key).parent_keys)
        if unknown := {parent for parent in parents if parent not in self._broken}:
            self._broken |= self._failed_checks(unknown)
        for parent in parents:
            for each in self._input_partitions(key, partition, parent) if self._broken[parent] else ():
                if check := self._broken[parent].get(each):
                    return f"check {check} of {parent.to_user_string()}{f' [{each}]' if each else ''} failed"
        return None

    def _failed_checks(self, keys: Set[dg.AssetKey]) -> dict[dg.AssetKey, dict[str | None, str]]:
        """By asset, the partitions whose latest content failed a blocking check, with its name."""
        failed: dict[dg.AssetKey, dict[str | None, str]] = {key: {} for key in keys}
        checks = [each for each in self.graph.get_check_keys_for_assets(keys) if self.graph.get(each).blocking]
        for info in self.instance.event_log_storage.get_asset_check_partition_info(checks) if checks else ():
            key = info.check_key.asset_key
            # A check without partitions is of all partitions of its asset.
            of_one = self.graph.get(info.check_key).partitions_def is not None
            partitions = [info.partition_key] if of_one else self.partitions(key)
            made = [found for each in partitions if (found := self.latest(key).get(each))]
            newest = max((each.storage_id for each in made), default=info.latest_check_event_storage_id)
            if info.latest_execution_status == _FAILED and info.latest_check_event_storage_id > newest:
                failed[key] |= dict.fromkeys(partitions, info.check_key.name)
        return failed

    def state(self, key: dg.AssetKey, partition: str | None) -> str:
        """A hash of all that the rule compares: another state is another reason to make a partition again."""
        made = self.latest(key).get(partition)
        inputs = [
            (parent.to_user_string(), each, found.data_version if (found := self.latest(parent).get(each)) else None)
            for parent in sorted(self.graph.get(key).parent_keys)
            for each in self._input_partitions(key, partition, parent)
        ]
        origin = (made.storage_id if made else None, self.graph.get(key).code_version, inputs)
        content = self._other_content(key, partition, made) if made else None
        # Without a finding, the state is that of an instance whose content was never compared.
        return content_hash((*origin, content) if content else origin)

    def planned(self, key: dg.AssetKey, partition: str | None) -> int:
        """The position in the event log at which a run last planned to make a partition; 0 if none ever did."""
        if key not in self._planned:
            self._planned[key] = dict(self._read_planned(key))
        return self._planned[key].get(partition, 0)

    def _read_planned(self, key: dg.AssetKey) -> Iterator[tuple[str | None, int]]:
        if self.graph.get(key).partitions_def is not None:
            yield from self.instance.get_latest_storage_id_by_partition(key, _PLANNED).items()
        elif latest := self.instance.get_latest_planned_materialization_info(key):
            yield None, latest.storage_id

    def newest_input(self, key: dg.AssetKey, partition: str | None) -> int:
        """The position of the newest event of an input in the event log; 0 without inputs."""
        found = (
            self.latest(parent).get(each)
            for parent in self.graph.get(key).parent_keys
            for each in self._input_partitions(key, partition, parent)
        )
        return max((each.storage_id for each in found if each), default=0)

    def _input_partitions(self, key: dg.AssetKey, partition: str | None, parent: dg.AssetKey) -> list[str | None]:
        """The partitions of an input that a partition is made from: the same one, or all."""
        own, other = self.graph.get(key).partitions_def, self.graph.get(parent).partitions_def
        return [partition] if own is not None and own == other else self.partitions(parent)

    def _changed_since(self, parent: dg.AssetKey, partition: str | None, made: Materialization) -> bool:
        """Whether a partition of an input has other content than when ``made`` was made."""
        latest = self.latest(parent).get(partition)
        pointer = made.inputs.get(parent.to_user_string(), made.storage_id)
        if latest is None or latest.storage_id <= pointer:
            return False
        return self._version_at(parent, partition, pointer) != latest.data_version

    def _version_at(self, key: dg.AssetKey, partition: str | None, storage_id: int) -> str | None:
        """The content version of a partition at a position of the event log."""
        place = (key, partition, storage_id)
        if place not in self._versions:
            records = self.instance.fetch_materializations(
                dg.AssetRecordsFilter(key, [partition] if partition else None, before_storage_id=storage_id + 1),
                limit=1,
            ).records
            self._versions[place] = Materialization.read(records[0]).data_version if records else None
        return self._versions[place]

    @cached_property
    def _unpartitioned(self) -> dict[dg.AssetKey, dg.EventLogRecord | None]:
        """The event of the latest materialization of each asset without partitions."""
        graph = self.graph
        keys = [key for key in graph.get_all_asset_keys() if graph.get(key).partitions_def is None]
        entries = (record.asset_entry for record in self.instance.get_asset_records(keys))
        return {entry.asset_key: entry.last_materialization_record for entry in entries}

    def _read(self, key: dg.AssetKey) -> Iterator[tuple[str | None, Materialization]]:
        if self.graph.get(key).partitions_def is None:
            if record := self._unpartitioned.get(key):
                yield None, Materialization.read(record)
            return
        latest = self.instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
        if latest:
            found = self.instance.fetch_materializations(
                dg.AssetRecordsFilter(key, storage_ids=list(latest.values())), limit=len(latest)
            )
            for record in found.records:
                yield record.partition_key, Materialization.read(record)
