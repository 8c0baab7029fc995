"""Progress of long steps as lines for the log of a run: how much is done, and how long the rest will take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from assets.models.metrics import format_metrics

EVERY_S = 30.0
"""Seconds between two lines of a loop."""

Item = TypeVar("Item")


def duration(seconds: float) -> str:
    """Seconds in words: ``45 s``, ``4 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class CountedProgress:
    """Logs ``120 of 500 videos, about 3 min left`` at most every ``every_s`` seconds. Threads may share it.

    Args:
        log: writes a line.
        total: number of items.
        unit: what the items are, in the plural.
        clock: seconds, always rising.
    """

    def __init__(
        self,
        log: Callable[[str], object],
        total: int,
        unit: str,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.log, self.total, self.unit, self.every_s, self.clock = log, total, unit, every_s, clock
        self.done = 0
        self._started = self._logged = clock()
        self._lock = threading.Lock()

    def advance(self) -> None:
        """Count an item that is done."""
        with self._lock:
            self.done += 1
            now = self.clock()
            if now - self._logged < self.every_s:
                return
            self._logged = now
            rest = (now - self._started) / self.done * (self.total - self.done)
            self.log(f"{self.done:,} of {self.total:,} {self.unit}, about {duration(rest)} left")

    def over(self, items: Sequence[Item]) -> Iterator[Item]:
        """The items; each counts as done when the next one is taken."""
        for item in items:
            yield item
            self.advance()


class TrainingProgress:
    """Logs the entries of a training: ``epoch 3 of 40, loss 0.21, about 2 min left``.

    An entry begins with the number of the epoch or step. The number of all is in its field ``of``, or given here.

    Args:
        log: writes a line.
        of: number of epochs, for entries without that field.
        clock: seconds, always rising.
    """

    def __init__(
        self, log: Callable[[str], object], of: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.log, self.of, self.clock = log, of, clock
        self._first: dict[str, tuple[float, float]] = {}

    def __call__(self, entry: Mapping[str, float]) -> None:
        """Log an entry."""
        of = entry.get("of", self.of)
        if of is None:
            self.log(format_metrics(entry))
            return
        count, *names = (name for name in entry if name != "of")
        place = f"{count} {entry[count]:g} of {of:g}"
        metrics = format_metrics({name: entry[name] for name in names})
        self.log(", ".join(filter(None, [place, metrics, self._rest(count, entry[count], of)])))

    def _rest(self, count: str, done: float, of: float) -> str:
        """The expected rest by the pace since the first entry; a resumed training has a pace of its own."""
        now = self.clock()
        first, started = self._first.setdefault(count, (done, now))
        if done == first or done >= of:
            return ""
        return f"about {duration((now - started) / (done - first) * (of - done))} left"
