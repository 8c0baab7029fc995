"""Running a plan: one partition a run, in this process, on the instance that the UI shows."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.utils import make_new_run_id

from assets.lake import Lake
from assets.notes import NOTES, WARNINGS
from assets.outcomes import describe_open, open_requests
from orchestration.artifacts import repair
from orchestration.emptied import emptied_by
from orchestration.failures import innermost_error
from orchestration.refresh.display import Display, print_line
from orchestration.refresh.lock import close_killed_runs, only_one, process_tags, remove_unfinished_files
from orchestration.refresh.plan import Plan, Step
from orchestration.tags import CODE

_WITHIN_TAG = "howto/within"
"""The run of a job within which a refresh made another run."""
_OWN_ERROR = re.compile(r"^(assets|ml|orchestration)[\w.]*: ")
"""The class of an error of this project, whose message already says everything."""


class Refresh:
    """One pass over the asset graph."""

    def __init__(
        self,
        defs: dg.Definitions,
        instance: dg.DagsterInstance,
        log: Callable[[str], object] = print_line,
        within: str | None = None,
        display: Display | None = None,
    ) -> None:
        self.defs = defs
        self.display = display or Display(log)
        self.tags = process_tags() | ({_WITHIN_TAG: within} if within else {})
        self.instance = instance
        self.plan = Plan(defs, instance)
        self.tags |= {CODE: self.plan.staleness.code}
        self.job = defs.resolve_implicit_global_asset_job_def()
        self.ran: list[Step] = []
        self.unchanged: list[Step] = []
        self.failed: dict[Step, str] = {}
        self.skipped: list[Step] = []
        self.outstanding: list[str] = []
        """Stages of which some requests have no answer yet: how many, when they are repeated, and why."""

    @property
    def graph(self) -> dg.AssetGraph:
        """The graph of all assets."""
        return self.plan.graph

    @property
    def summary(self) -> str:
        """How many steps were made, up to date, failed and skipped."""
        return (
            f"{len(self.ran)} made, {len(self.unchanged)} up to date and left alone,"
            f" {len(self.failed)} failed, {len(self.skipped)} skipped."
        )

    def run(self, selection: str | None = None) -> bool:
        """Run every selected step that has to run (None: ``EVERYTHING``) after its inputs; True if nothing failed.

        Raises:
            SelectionError: the selection is wrong or selects nothing.
            DagsterExecutionInterruptedError: somebody stopped it; what was made stays, and a later refresh goes on.
        """
        failed: set[dg.AssetKey] = set()
        computations = self.plan.computations(selection)
        self.display.start(self.plan, computations)
        for keys in computations:
            if self.plan.parents(keys) & failed:
                failed |= set(keys)
                self.skipped.append(Step(keys, None))
                self.display.skip(keys)
                self._log("skipped", Step(keys, None), "an input failed")
                continue
            for step in self.plan.steps(keys):
                if not self._visit(step):
                    failed |= set(keys)
            if not failed & set(keys) and not self._answered(keys):
                failed |= set(keys)
        return not self.failed

    def _answered(self, keys: tuple[dg.AssetKey, ...]) -> bool:
        """Whether any request of a stage was answered; requests that still wait are reported."""
        step = Step(keys, None)
        for outcomes in self.plan.outcomes(keys):
            waiting = open_requests(outcomes)
            if waiting.is_empty():
                continue
            if waiting.height == outcomes.height:
                self.failed[step] = f"no request was answered: {describe_open(outcomes)}"
                self._log("FAILED", step, self.failed[step])
                return False
            self.outstanding.append(f"{step}: {describe_open(outcomes)}")
            self._log("WARNING", step, describe_open(outcomes))
        return True

    def _why(self, step: Step) -> str | None:
        """Why a step has to run, or None if what is stored is what it would make."""
        return self.plan.why(step)

    def _visit(self, step: Step) -> bool:
        reason = self._why(step)
        if reason is None:
            self.unchanged.append(step)
            self.display.finish(step, None, changed=False)
            return True
        self.display.begin(step, reason)
        started = time.monotonic()
        versions = [self.plan.recorded_version(key, step.partition) for key in step.keys]
        for asset, recorded in zip(step.keys, versions, strict=True):
            repair(self.defs, asset, step.partition, recorded)
        run_id = make_new_run_id()
        self.instance.add_event_listener(run_id, self._show_message)
        result = self.job.execute_in_process(
            run_id=run_id,
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
                self._log("stopped", step, f"after {seconds:.1f} s")
                self.instance.report_run_canceled(result.dagster_run)
                raise DagsterExecutionInterruptedError
            self.display.finish(step, seconds, changed=False)
            self.failed[step] = self._failure(step, result)
            self._log("FAILED", step, self.failed[step])
            return False
        self.ran.append(step)
        self.plan.has_run(step)
        same = versions == [self.plan.recorded_version(key, step.partition) for key in step.keys]
        outcome = "same content as before" if same else self._rows(result)
        self.display.finish(step, seconds, changed=not same)
        self._log("made", step, f"{outcome}; {seconds:.1f} s")
        for key, label in ((NOTES, "note"), (WARNINGS, "WARNING")):
            for sentence in _metadata_of(result, key):
                self._log(label, step, sentence)
        for evaluation in result.get_asset_check_evaluations():
            if not evaluation.passed:
                self._log("WARNING", step, str(evaluation.description))
        return True

    def _failure(self, step: Step, result: dg.ExecuteInProcessResult) -> str:
        upstream = set[dg.AssetKey]().union(*(self.graph.get_ancestor_asset_keys(key) for key in step.keys))
        emptied = emptied_by(self.plan.lake, (key.path[-1] for key in upstream))
        reason = _what_failed(result)
        if fault := self.plan.lake.explain(reason):
            return fault
        return "; ".join(filter(None, [reason, emptied and f"no data reached this step: {emptied}"]))

    def _rows(self, result: dg.ExecuteInProcessResult) -> str:
        counts = {}
        for event in result.get_asset_materialization_events():
            metadata = event.materialization.metadata
            rows = metadata.get("dagster/row_count") or metadata.get("dagster/partition_row_count")
            if rows is not None:
                unit = "row" if rows.value == 1 else "rows"
                counts[event.materialization.asset_key] = f"{rows.value:,} {unit}"
        return " + ".join(counts[key] for key in sorted(counts)) or "done"

    def _log(self, what: str, step: Step, why: str) -> None:
        self.display.line(what, step, why)

    def _show_message(self, event: dg.EventLogEntry) -> None:
        if not event.is_dagster_event and int(event.level) >= logging.INFO:
            self.display.log(event.user_message)


def _metadata_of(result: dg.ExecuteInProcessResult, key: str) -> Iterator[str]:
    """The sentences that the assets of a run recorded under a key of their metadata (see ``assets.notes``)."""
    for event in result.get_asset_materialization_events():
        recorded = event.materialization.metadata.get(key)
        if recorded is not None and isinstance(recorded.value, list):
            yield from map(str, recorded.value)


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    return any(error and error.cls_name == DagsterExecutionInterruptedError.__name__ for error in errors)


def _what_failed(result: dg.ExecuteInProcessResult) -> str:
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
            return f"check {evaluation.check_name}: {evaluation.description}"
    for event in result.all_events:
        if event.is_step_failure:
            return _OWN_ERROR.sub("", innermost_error(event))
    return "the run failed; see the UI"


def refresh_lake(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    selection: str | None = None,
    log: Callable[[str], object] = print_line,
    within: str | None = None,
    display: Display | None = None,
) -> Refresh:
    """Refresh the lake of the definitions, after removing what killed processes left.

    Args:
        log: takes the lines about the steps.
        within: the run that does so, which the runs of the refresh then name.
        display: shows the steps, instead of ``log``.

    Raises:
        RefreshError: another refresh of this lake is running.
        DagsterExecutionInterruptedError: somebody stopped it.
    """
    lake: Lake = defs.resources["lake"]  # type: ignore[index]
    with only_one(lake.root):
        close_killed_runs(instance)
        remove_unfinished_files(lake.root / "media")
        refresh = Refresh(defs, instance, log, within, display)
        refresh.run(selection)
        return refresh
