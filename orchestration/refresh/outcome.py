"""The outcome of a run that makes one step, read from the run's events. It can be sent between processes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from assets.notes import NOTES, WARNINGS
from orchestration.failures import innermost_error

_OWN_ERROR = re.compile(r"^(assets|ml|orchestration)[\w.]*: ")
"""The class of an error of this project, whose message already says everything."""


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes:
        failure: why the run failed; None if it succeeded.
        interrupted: whether somebody stopped it.
        rows: the stored rows, for example ``12 rows + 3 rows``.
        sentences: notes and warnings of the assets and of their checks, each with its label.
    """

    failure: str | None = None
    interrupted: bool = False
    rows: str = "done"
    sentences: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def read(cls, events: Sequence[dg.DagsterEvent]) -> Outcome:
        """The outcome of a run that has ended."""
        failed = any(event.event_type_value == dg.DagsterEventType.RUN_FAILURE.value for event in events)
        canceled = any(event.event_type_value == dg.DagsterEventType.RUN_CANCELED.value for event in events)
        if failed or canceled:
            interrupted = canceled or _was_interrupted(events)
            return cls("stopped" if interrupted else _what_failed(events), interrupted)
        return cls(rows=_rows(events), sentences=tuple(_sentences(events)))


def _materializations(events: Iterable[dg.DagsterEvent]) -> Iterator[dg.AssetMaterialization]:
    for event in events:
        if event.is_step_materialization:
            yield event.step_materialization_data.materialization


def _checks(events: Iterable[dg.DagsterEvent]) -> Iterator[dg.AssetCheckEvaluation]:
    for event in events:
        if event.event_type_value == dg.DagsterEventType.ASSET_CHECK_EVALUATION.value:
            yield event.asset_check_evaluation_data


def _rows(events: Sequence[dg.DagsterEvent]) -> str:
    counts = {}
    for made in _materializations(events):
        rows = made.metadata.get("dagster/row_count") or made.metadata.get("dagster/partition_row_count")
        if rows is not None:
            unit = "row" if rows.value == 1 else "rows"
            counts[made.asset_key] = f"{rows.value:,} {unit}"
    return " + ".join(counts[key] for key in sorted(counts)) or "done"


def _sentences(events: Sequence[dg.DagsterEvent]) -> Iterator[tuple[str, str]]:
    """What the assets recorded in their metadata (``assets.notes``), and what checks found."""
    made = list(_materializations(events))
    for key, label in ((NOTES, "note"), (WARNINGS, "WARNING")):
        for each in made:
            recorded = each.metadata.get(key)
            if recorded is not None and isinstance(recorded.value, list):
                yield from ((label, str(sentence)) for sentence in recorded.value)
    for evaluation in _checks(events):
        if not evaluation.passed:
            yield "WARNING", str(evaluation.description)


def _was_interrupted(events: Iterable[dg.DagsterEvent]) -> bool:
    """Whether an interrupt is among the causes of a failed step; asset code may wrap it."""
    for event in events:
        error = event.step_failure_data.error if event.is_step_failure else None
        while error:
            if error.cls_name == DagsterExecutionInterruptedError.__name__:
                return True
            error = error.cause
    return False


def _what_failed(events: Sequence[dg.DagsterEvent]) -> str:
    for evaluation in _checks(events):
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
            return f"check {evaluation.check_name}: {evaluation.description}"
    for event in events:
        if event.is_step_failure:
            return _OWN_ERROR.sub("", innermost_error(event))
    messages = [event.message for event in events if event.event_type_value == dg.DagsterEventType.RUN_FAILURE.value]
    return next(filter(None, messages), "the run failed; see the UI")
