"""Gives benchmarks their tables, and reports in the last line how many cases were measured and how many skipped."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator, Iterator

import pytest

from ml.memory_counters import reset_peak
from tests.benchmarks.results import FILE, Results, Table

# As in the runs of a refresh. OpenMP reads this when PyTorch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

RESULTS = pytest.StashKey[Results]()
PASSED = pytest.StashKey[set[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = Results()
    config.stash[PASSED] = set()


@pytest.fixture(autouse=True)
def _own_peak_of_memory() -> None:
    """The peak of this process's memory is that of one benchmark."""
    gc.collect()
    reset_peak("cpu")


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Iterator[Callable[..., Table]]:
    """``table(title, *columns)`` starts a table of this benchmark."""
    made: list[Table] = []

    def start(title: str, *columns: str) -> Table:
        made.append(Table(request.path.stem, title, columns))
        return made[-1]

    yield start
    if request.node.nodeid in request.config.stash[PASSED]:
        request.config.stash[RESULTS].tables += made


@pytest.fixture
def left_out(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``left_out(part, reason)`` counts a part of this benchmark that cannot be measured here as skipped."""
    skipped = request.config.stash[RESULTS].skipped

    def note(part: str, reason: str) -> None:
        skipped[f"{request.path.stem}: {part}"] = reason

    return note


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        item.config.stash[RESULTS].skipped[f"{item.path.stem}: {item.name}"] = reason.removeprefix("Skipped: ")
    elif report.when == "call" and report.passed:
        item.config.stash[PASSED].add(item.nodeid)
    return report


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    results, measured = config.stash[RESULTS], config.stash[PASSED]
    if not measured and not results.skipped:
        return
    if results.tables:
        results.write()
    reasons = "".join(f"; {name} ({reason})" for name, reason in results.skipped.items())
    print(f"{len(measured)} cases measured, {len(results.skipped)} skipped{reasons}. Results: {FILE}")
