"""Bring assets up to date from the command line: run what is missing, out of date or damaged, and nothing else.

    python -m orchestration.refresh [--select SELECTION]

Belongs here: deciding what has to run, in which order, and saying so. It runs in this process, one partition a run, on
the instance that the UI shows. What "out of date" means is Dagster's own rule (code and data versions of the inputs);
what "damaged" means is that the lake no longer holds the content that was recorded.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events import DagsterEventType
from dagster._core.loader import LoadingContextForTest

from assets.lake import Lake, load_tables
from assets.outcomes import due
from orchestration.automation import REFRESHED, SELECTIONS
from orchestration.definitions import build_defs, stored_version
from orchestration.emptied import emptied_by
from orchestration.instance import name_instance
from orchestration.io_manager import table_of
from orchestration.settings import Settings, SettingsError, load_settings

_HOST_TAG = ".dagster/howto/host"
_WITHIN_TAG = "howto/within"
"""The run of a job within which a refresh made another run."""
_OWN_ERROR = re.compile(r"^(assets|ml|orchestration)[\w.]*: ")
"""The class of an error of ours, whose message already says everything."""
_MANY_PARTITIONS = 100
"""From so many upstream partitions on Dagster compares no data versions; then the order of events decides."""


class RefreshError(Exception):
    """Nothing can be refreshed now; the message says why and what to do."""


@dataclass(frozen=True)
class Step:
    """Assets that one computation makes together, and one partition of them."""

    keys: tuple[dg.AssetKey, ...]
    partition: str | None

    def __str__(self) -> str:
        names = " + ".join(key.to_user_string() for key in self.keys)
        return f"{names} [{self.partition}]" if self.partition else names


def _print(line: str) -> None:
    print(line, flush=True)


class Refresh:
    """One pass over the asset graph."""

    def __init__(
        self,
        defs: dg.Definitions,
        instance: dg.DagsterInstance,
        say: Callable[[str], object] = _print,
        within: str | None = None,
    ) -> None:
        self.defs = defs
        self.say = say
        self.tags = {REFRESHED: str(os.getpid()), _HOST_TAG: socket.gethostname()}
        self.tags |= {_WITHIN_TAG: within} if within else {}
        self.instance = instance
        self.graph = defs.resolve_asset_graph()
        self.job = defs.resolve_implicit_global_asset_job_def()
        self.lake: Lake = defs.resources["lake"]  # type: ignore[index]
        self.ran: list[Step] = []
        self.unchanged: list[Step] = []
        self.failed: dict[Step, str] = {}
        self.skipped: list[Step] = []

    @property
    def summary(self) -> str:
        return (
            f"{len(self.ran)} made, {len(self.unchanged)} up to date and left alone,"
            f" {len(self.failed)} failed, {len(self.skipped)} skipped."
        )

    def run(self, selection: str | None = None) -> bool:
        """Visit every selected asset (None: see ``EVERYTHING``) after its inputs; True if nothing failed.

        Raises:
            DagsterExecutionInterruptedError: somebody stopped it; what was made stays, and a later refresh goes on.
        """
        wanted = dg.AssetSelection.from_string(selection or SELECTIONS["everything"])
        chosen = set(wanted.resolve(self.graph))
        broken: set[dg.AssetKey] = set()
        for keys in self._computations(chosen):
            if any(self.graph.get(key).parent_keys & broken for key in keys):
                broken |= set(keys)
                self.skipped.append(Step(keys, None))
                self._say("skipped", Step(keys, None), "an input failed")
                continue
            for partition in self._partitions(keys[0]):
                if not self._visit(Step(keys, partition)):
                    broken |= set(keys)
        return not self.failed

    def _computations(self, chosen: set[dg.AssetKey]) -> Iterator[tuple[dg.AssetKey, ...]]:
        seen: set[dg.AssetKey] = set()
        for key in self.graph.toposorted_asset_keys:
            if key in chosen and key not in seen:
                keys = tuple(sorted(self.graph.get(key).execution_set_asset_keys or {key}))
                seen |= set(keys)
                yield keys

    def _partitions(self, key: dg.AssetKey) -> list[str | None]:
        definition = self.graph.get(key).partitions_def
        return list(definition.get_partition_keys()) if definition else [None]

    def _visit(self, step: Step) -> bool:
        reason = self._why(step)
        if reason is None:
            self.unchanged.append(step)
            return True
        self._say("making", step, reason)
        started = time.monotonic()
        versions = [self._recorded_version(key, step.partition) for key in step.keys]
        result = self.job.execute_in_process(
            instance=self.instance,
            asset_selection=list(step.keys),
            partition_key=step.partition,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags=self.tags,
        )
        seconds = time.monotonic() - started
        if not result.success:
            if _was_interrupted(result):
                self._say("stopped", step, f"after {seconds:.1f} s")
                self.instance.report_run_canceled(result.dagster_run)
                raise DagsterExecutionInterruptedError
            self.failed[step] = self._failure(step, result)
            self._say("FAILED", step, self.failed[step])
            return False
        self.ran.append(step)
        same = versions == [self._recorded_version(key, step.partition) for key in step.keys]
        outcome = "same content as before" if same else self._rows(result)
        self._say("made", step, f"{outcome}; {seconds:.1f} s")
        for evaluation in result.get_asset_check_evaluations():
            if not evaluation.passed:
                self._say("WARNING", step, str(evaluation.description))
        return True

    def _failure(self, step: Step, result: dg.ExecuteInProcessResult) -> str:
        upstream = set[dg.AssetKey]().union(*(self.graph.get_ancestor_asset_keys(key) for key in step.keys))
        emptied = emptied_by(self.lake, (key.path[-1] for key in upstream))
        return "; ".join(filter(None, [_what_failed(result), emptied and f"no data reached this step: {emptied}"]))

    def _why(self, step: Step) -> str | None:
        """Why a step has to run, or None if what is stored is what it would make."""
        if not any(self.graph.get(key).parent_keys for key in step.keys) and self._is_source(step.keys[0]):
            return "sources are always looked at"
        resolver = CachingStaleStatusResolver(self.instance, self.graph, LoadingContextForTest(self.instance))
        for key in step.keys:
            status = resolver.get_status(key, step.partition)
            if status == StaleStatus.MISSING:
                return "not made yet"
            if status == StaleStatus.STALE:
                causes = resolver.get_stale_causes(key, step.partition)
                return "; ".join(sorted({f"{cause.asset_key.to_user_string()}: {cause.reason}" for cause in causes}))
            newer = self._newer_inputs(key)
            if newer:
                return f"{newer} is newer"
            stored = stored_version(self.defs, key, step.partition)
            if stored != self._recorded_version(key, step.partition):
                return f"{key.to_user_string()}: the lake holds other content than was recorded"
            waiting = self._due(key, step.partition)
            if waiting:
                return f"{key.to_user_string()}: {waiting} due to be asked for again"
        return None

    def _is_source(self, key: dg.AssetKey) -> bool:
        return self.graph.get(key).group_name == "sources"

    def _due(self, key: dg.AssetKey, partition: str | None) -> int:
        """How many rows of an asset's table wait for an answer that is to be asked for by now."""
        spec = self.graph.get(key)
        table = load_tables().get(table_of(key, dict(spec.metadata)))
        if table is None or "next_try_at" not in table.column_types:
            return 0
        rows = self.lake.read(table.name, [partition] if partition else None).pl(lazy=True)
        return int(due(rows, datetime.now(UTC)).select(pl.len()).collect().item())

    def _newer_inputs(self, key: dg.AssetKey) -> str | None:
        """An input of many partitions of which one was made after ``key``."""
        made = self._latest_event(key)
        for parent in self.graph.get(key).parent_keys:
            if self.graph.get(key).partitions_def or len(self._partitions(parent)) < _MANY_PARTITIONS:
                continue
            latest = self.instance.get_latest_storage_id_by_partition(parent, DagsterEventType.ASSET_MATERIALIZATION)
            if made and max(latest.values(), default=0) > made:
                return parent.to_user_string()
        return None

    def _latest_event(self, key: dg.AssetKey) -> int | None:
        records = self.instance.fetch_materializations(key, limit=1).records
        return records[0].storage_id if records else None

    def _recorded_version(self, key: dg.AssetKey, partition: str | None) -> str | None:
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None), limit=1
        ).records
        tags = records[0].asset_materialization.tags if records and records[0].asset_materialization else {}
        return (tags or {}).get("dagster/data_version")

    def _rows(self, result: dg.ExecuteInProcessResult) -> str:
        counts = {}
        for event in result.get_asset_materialization_events():
            metadata = event.materialization.metadata
            rows = metadata.get("dagster/row_count") or metadata.get("dagster/partition_row_count")
            if rows is not None:
                unit = "row" if rows.value == 1 else "rows"
                counts[event.materialization.asset_key] = f"{rows.value:,} {unit}"
        return " + ".join(counts[key] for key in sorted(counts)) or "done"

    def _say(self, what: str, step: Step, why: str) -> None:
        self.say(f"  {what:8} {step}  ({why})")


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    return any(error and error.cls_name == DagsterExecutionInterruptedError.__name__ for error in errors)


def _what_failed(result: dg.ExecuteInProcessResult) -> str:
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
            return f"check {evaluation.check_name}: {evaluation.description}"
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error and error.cause:
                error = error.cause
            return _OWN_ERROR.sub("", error.message.strip()) if error else "unknown error"
    return "the run failed; see the UI"


def _remove_unfinished_files(media_root: Path) -> None:
    """What a killed process was about to rename; nobody else writes while this refresh holds the lock."""
    for part in media_root.rglob("*.part"):
        part.unlink()


def _close_killed_runs(instance: dg.DagsterInstance) -> None:
    """Runs whose process was killed can neither say so nor give back their place in a pool."""
    under_way = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]
    for run in instance.get_runs(dg.RunsFilter(statuses=under_way)):
        pid = run.tags.get(REFRESHED)
        # Processes of another host cannot be seen; but only one refresh is at work, and this is it.
        elsewhere = run.tags.get(_HOST_TAG, socket.gethostname()) != socket.gethostname()
        if pid and (elsewhere or not Path(f"/proc/{pid}").exists()):
            instance.report_run_failed(run, f"process {pid} was killed")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


@contextmanager
def _only_one(root: Path) -> Iterator[None]:
    root.mkdir(parents=True, exist_ok=True)
    with (root / "refresh.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefreshError(f"{root}: another refresh of this lake is running; wait for it or stop it") from None
        yield


def refresh_lake(
    settings: Settings,
    instance: dg.DagsterInstance,
    selection: str | None = None,
    say: Callable[[str], object] = _print,
    within: str | None = None,
) -> Refresh:
    """Refresh the lake that the settings name, after clearing up what killed processes left.

    Args:
        within: the run that does so, which the runs of the refresh then name.

    Raises:
        RefreshError: another refresh of this lake is running.
        DagsterExecutionInterruptedError: somebody stopped it.
    """
    with _only_one(settings.lake):
        _close_killed_runs(instance)
        _remove_unfinished_files(settings.lake / "media")
        refresh = Refresh(build_defs(settings), instance, say, within)
        refresh.run(selection)
        return refresh


def main(arguments: list[str] | None = None) -> int:
    """Refresh and say what was made; exit code 1 if something failed, 2 if nothing could start, 130 if stopped."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.refresh", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--select",
        help="Dagster asset selection, e.g. 'group:graph' or '+key:clips'; default: all but studies and fine-tuning",
    )
    options = parser.parse_args(arguments)
    logging.getLogger("dagster").setLevel(logging.ERROR)
    try:
        settings = load_settings()
        name_instance(settings.lake)
        _print(f"Refreshing {settings.lake} from the {settings.source} source:")
        with dg.DagsterInstance.get() as instance:
            refresh = refresh_lake(settings, instance, options.select)
    except (SettingsError, RefreshError) as error:
        print(error, file=sys.stderr)
        return 2
    except (DagsterExecutionInterruptedError, KeyboardInterrupt):
        print("Stopped. What was made stays; the same command goes on from there.", file=sys.stderr)
        return 130
    _print(refresh.summary)
    return 1 if refresh.failed else 0


if __name__ == "__main__":
    sys.exit(main())
