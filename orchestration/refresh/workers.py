"""Worker processes of this machine, which execute runs one after the other.

They are started when they are needed and stay for the whole refresh, because a process that has loaded the definitions
costs seconds. ``concurrent.futures`` would give up all workers when one of them is killed.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import NamedTuple, Self

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from orchestration.memory import collect_garbage_less_often
from orchestration.redaction import redact_output
from orchestration.refresh.execution import Runs
from orchestration.refresh.outcome import Outcome

STOP_S = 20.0
"""Seconds that a step has to react when it is stopped; then its process is killed."""

WAIT_S = 0.5
"""Seconds after which a refresh checks whether somebody stopped it."""

Definitions = Callable[[], dg.Definitions]
"""Makes the definitions in another process; it can be pickled."""


MEMORY_PER_JOB = 4e9
"""Bytes of memory for each worker: PyTorch, a network and the rows of a shard."""


def jobs_at_once(setting: int | None) -> int:
    """HOWTO_JOBS; where it is not set, as many as this machine has cores and memory for."""
    if setting is not None:
        return setting
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)), int(memory / MEMORY_PER_JOB)))


class Event(NamedTuple):
    """What a worker reports of a run: a message, or the outcome."""

    run_id: str
    what: str | Outcome


class Worker:
    """One process, and the run that it executes."""

    def __init__(self, definitions: Definitions, instance: InstanceRef) -> None:
        context = get_context("spawn")
        self.connection, other = context.Pipe()
        self.run_id: str | None = None
        # Not a daemon in the sense of multiprocessing: a step may start processes of its own.
        self.process = context.Process(target=_work, args=(other, definitions, instance))
        self.process.start()
        other.close()

    def execute(self, run_id: str) -> None:
        """Execute a run; its events come through ``connection``."""
        self.run_id = run_id
        with suppress(OSError):  # a killed process is noticed when its outcome is received
            self.connection.send(run_id)

    def receive(self) -> Event:
        """The next event of the run; after the outcome, the worker is free. A killed worker has an outcome too."""
        assert self.run_id is not None
        run_id = self.run_id
        try:
            what: str | Outcome = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            what = Outcome(failure=f"its process {_ended(self.process.exitcode)}")
        if isinstance(what, Outcome):
            self.run_id = None
        return Event(run_id, what)

    @property
    def is_alive(self) -> bool:
        """Whether the process can take another run."""
        return self.process.is_alive()

    def stop(self) -> None:
        """Stop the process, or first its step, which cleans up."""
        if self.run_id is None:
            self.connection.close()
        elif self.process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGINT)

    def join(self, until: float) -> None:
        """Wait for a stopped process to end; kill it at a time of ``time.monotonic``."""
        while self.run_id is not None and self.connection.poll(max(until - time.monotonic(), 0)):
            self.receive()
        self.connection.close()
        self.process.join(max(until - time.monotonic(), 0))
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Workers:
    """Up to ``jobs`` processes. Leaving the context stops them.

    Args:
        definitions: makes the definitions in each process.
    """

    def __init__(self, jobs: int, definitions: Definitions, instance: dg.DagsterInstance) -> None:
        self.jobs, self._definitions, self._instance = jobs, definitions, instance
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()
        until = time.monotonic() + STOP_S
        for worker in self._workers:
            worker.join(until)

    @property
    def free(self) -> int:
        """How many more runs can be executed at once."""
        return self.jobs - len(self._busy)

    @property
    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.run_id is not None]

    def execute(self, run: dg.DagsterRun) -> None:
        """Execute a run in a free process."""
        # A killed worker stays while it has a run, so that its outcome is received.
        self._workers = [worker for worker in self._workers if worker.run_id is not None or worker.is_alive]
        worker = next((worker for worker in self._workers if worker.run_id is None), None)
        if worker is None:
            worker = Worker(self._definitions, self._instance.get_ref())
            self._workers.append(worker)
        worker.execute(run.run_id)

    def wait(self) -> list[Event]:
        """Wait up to ``WAIT_S`` seconds for runs to report something."""
        by_connection = {worker.connection: worker for worker in self._busy}
        return [by_connection[each].receive() for each in wait(list(by_connection), WAIT_S)]  # type: ignore[index]


def _work(connection: Connection, definitions: Definitions, instance: InstanceRef) -> None:
    """What a worker process does until its connection is closed."""
    redact_output()
    collect_garbage_less_often()
    os.setsid()  # Ctrl-C in a terminal reaches the refresh alone, which stops its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with dg.DagsterInstance.from_ref(instance) as opened, suppress(EOFError, OSError, KeyboardInterrupt):
        runs = Runs(definitions(), opened)
        while True:
            run = opened.get_run_by_id(connection.recv())
            assert run is not None
            outcome = runs.execute(run, connection.send)
            if outcome.interrupted:
                opened.report_run_canceled(run)
            connection.send(outcome)


def _end_with_parent() -> None:
    """End this process at once when the refresh is killed: another refresh may begin then."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed ({signal.Signals(-code).name}), for example because memory ran out"
    return f"ended with exit code {code}"
