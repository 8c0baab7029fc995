"""What a refresh shows: plain lines for a pipe; on a terminal n of N, the expected rest, and messages of the step."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import dagster as dg
import pytest
from rich.console import Console

from orchestration.definitions import build_defs
from orchestration.refresh import Plan, Refresh, RefreshError, Step
from orchestration.refresh.display import Display, TerminalDisplay
from orchestration.refresh.estimate import Estimate
from orchestration.refresh.lock import only_one
from tests.world import small_settings

SELECTION = "key:benchmark_videos or +key:products"
"""Assets that are made at once; the first logs a message where it finds no files."""


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_defs(small_settings(tmp_path_factory.mktemp("world")))


class Recorder(Display):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.messages: list[str] = []
        super().__init__(self.lines.append)

    def log(self, step: Step, message: str) -> None:
        self.messages.append(message)


def test_a_pipe_gets_a_line_per_event_and_a_display_the_messages_of_a_step(defs: dg.Definitions) -> None:
    display = Recorder()
    with dg.DagsterInstance.ephemeral() as instance:
        assert Refresh(defs, instance, display=display).run(SELECTION)
    events = [line.split()[:2] for line in display.lines]
    assert [event for event in events if event[1] == "products"] == [["making", "products"], ["made", "products"]]
    assert display.messages == ["No raw videos: the folder HOWTO_BENCHMARKS has no subfolder videos."]


def test_a_terminal_shows_n_of_n_and_keeps_the_lines(defs: dg.Definitions) -> None:
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=110)
    with dg.DagsterInstance.ephemeral() as instance, TerminalDisplay(console) as display:
        assert Refresh(defs, instance, display=display).run(SELECTION)
        console.print(display._render())
    shown = screen.getvalue()
    assert "made     products" in shown and "making" not in shown
    assert "3 of 3" in shown and "elapsed, about 0 s left" in shown


def test_the_rest_is_expected_from_earlier_runs(defs: dg.Definitions) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        plan = Plan(defs, instance)
        computations = plan.computations(SELECTION)
        assert Estimate(plan, computations).rest_s() is None
        assert Refresh(defs, instance, display=Recorder()).run(SELECTION)
        again = Estimate(plan, computations)
        assert again.rest_s() == 0
        source, products = (
            next(keys for keys in computations if keys[0].path == [name]) for name in ("retail_source", "products")
        )
        again.expect(source)
        expected = again.rest_s()
        assert expected is not None and expected > 0
        again.finish(plan.steps(source)[0], 100.0)
        again.finish(plan.steps(products)[0], None)
        assert again.rest_s() == 0


def test_a_lake_is_refreshed_by_one_process_at_a_time(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(RefreshError, match=r"another refresh of this lake is running"):
        only_one(tmp_path).__enter__()
