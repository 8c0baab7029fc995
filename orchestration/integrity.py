"""The thorough check of what is stored: every file is read and compared with the recorded hashes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from orchestration.artifacts import wrong_content
from orchestration.refresh import Plan, Step


@dataclass(frozen=True)
class Checked:
    """An asset, or one partition of it, and what is wrong with what it stores."""

    step: Step
    problems: tuple[str, ...]


def check_stored(defs: dg.Definitions, instance: dg.DagsterInstance, selection: str | None = None) -> Iterator[Checked]:
    """Compare what each selected asset stores with what was recorded; assets that were never made are left out.

    Raises:
        SelectionError: the selection is wrong or selects nothing.
    """
    plan = Plan(defs, instance)
    for keys in plan.computations(selection):
        for step in plan.steps(keys):
            recorded = {key: plan.recorded_version(key, step.partition) for key in keys}
            for key, version in recorded.items():
                if version is not None:
                    yield Checked(
                        Step((key,), step.partition), tuple(wrong_content(defs, key, step.partition, version))
                    )
