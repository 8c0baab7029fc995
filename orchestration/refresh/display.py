"""What a refresh shows while it runs: lines, and on a terminal how much is done and how long the rest will take."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from assets.progress import duration
from orchestration.redaction import RedactedStream
from orchestration.refresh.estimate import Estimate
from orchestration.refresh.plan import Keys, Plan, Step


def print_line(line: str) -> None:
    """Print a line at once, also where standard output is a pipe."""
    print(line, flush=True)


class Display:
    """A line when a step begins and when it ends, for a pipe or a log.

    Args:
        print_line: writes a line.
    """

    def __init__(self, print_line: Callable[[str], object] = print_line) -> None:
        self.print_line = print_line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left on the screen."""

    def line(self, event: str, step: Step, text: str) -> None:
        """Report what happened to a step."""
        self.print_line(f"  {event:8} {step}  ({text})")

    def start(self, plan: Plan, computations: Sequence[Keys], jobs: int) -> None:
        """A refresh begins, which runs ``jobs`` steps at once."""

    def begin(self, step: Step, reason: str) -> None:
        """A step begins to run."""
        self.line("making", step, reason)

    def log(self, step: Step, message: str) -> None:
        """A step that runs has logged a message."""

    def finish(self, step: Step, seconds: float | None, changed: bool) -> None:
        """A step is over; ``seconds`` is None if it did not have to run."""


class TerminalDisplay(Display):
    """Below the lines of finished steps: n of N, elapsed time, expected rest, and the last message of each step."""

    def __init__(self, console: Console) -> None:
        super().__init__(lambda line: console.print(Text(line, _style(line)), soft_wrap=True))
        self._estimate: Estimate | None = None
        self._started = time.monotonic()
        self._done, self._total, self._jobs = 0, 0, 1
        self._running: dict[Step, tuple[str, float]] = {}
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def start(self, plan: Plan, computations: Sequence[Keys], jobs: int) -> None:
        self._jobs = jobs
        self._total = sum(len(plan.steps(keys)) for keys in computations)
        self._estimate = Estimate(plan, computations)

    def begin(self, step: Step, reason: str) -> None:
        self._running[step] = (reason, time.monotonic())

    def log(self, step: Step, message: str) -> None:
        self._running[step] = (message.partition("\n")[0], self._running[step][1])

    def finish(self, step: Step, seconds: float | None, changed: bool) -> None:
        self._done += 1
        self._running.pop(step, None)
        if self._estimate:
            self._estimate.finish(step, seconds)
            if changed:
                self._estimate.expect(step.keys)

    def _render(self) -> RenderableType:
        if not self._total:
            return Text("  Reading the records of earlier runs ...", "dim")
        now = time.monotonic()
        row = Table.grid(padding=(0, 1))
        row.add_row(
            f"  {self._done} of {self._total}",
            ProgressBar(self._total, self._done, width=24, complete_style="green"),
            f"{_clock(now - self._started)} elapsed{self._rest(now)}",
        )
        lines = (f"  {step}: {text} ({_clock(now - at)})" for step, (text, at) in list(self._running.items()))
        return Group(row, *(Text(line, "dim", no_wrap=True, overflow="ellipsis") for line in lines))

    def _rest(self, now: float) -> str:
        rest = self._estimate.rest_s() if self._estimate else None
        if rest is None:
            return ""
        spent = sum(now - at for _, at in list(self._running.values()))
        left = max(rest - spent, 0) / self._jobs
        return f", about {duration(left)} left"


def make_display() -> Display:
    """The display that fits standard output."""
    if not sys.stdout.isatty():
        return Display()
    # A copy: while a step of this process runs, Dagster sends what is printed to the log of the step.
    terminal = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    return TerminalDisplay(Console(file=RedactedStream(terminal)))  # type: ignore[arg-type]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _style(line: str) -> str:
    return "red" if line.startswith("  FAILED") else "yellow" if line.startswith(("  WARNING", "  skipped")) else ""
