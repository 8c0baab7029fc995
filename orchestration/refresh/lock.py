"""One refresh of a lake at a time, and clearing up what killed processes left."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg

from ml.files import writer_ended
from orchestration.tags import PROCESS

_HOST_TAG = ".dagster/howto/host"


class RefreshError(Exception):
    """Nothing can be refreshed now; the message says why and what to do."""


def process_tags() -> dict[str, str]:
    """Tags of a run that this process executes, by which ``close_killed_runs`` finds it."""
    return {PROCESS: str(os.getpid()), _HOST_TAG: socket.gethostname()}


@contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Hold the lock of the lake in ``root``.

    Raises:
        RefreshError: another process holds it.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / "refresh.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefreshError(f"{root}: another refresh of this lake is running; wait for it or stop it") from None
        yield


def remove_unfinished_files(media_root: Path) -> None:
    """Remove files that a killed process did not finish; a run of the UI may be writing others at the same time."""
    for part in media_root.rglob("*.part"):
        with suppress(FileNotFoundError):  # another process finished it
            if writer_ended(part):
                part.unlink()


def close_killed_runs(instance: dg.DagsterInstance) -> None:
    """Mark runs of killed processes as failed and free their slots in pools: they cannot do so themselves."""
    under_way = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]
    for run in instance.get_runs(dg.RunsFilter(statuses=under_way)):
        pid = run.tags.get(PROCESS)
        # Processes of another host cannot be seen; but only one refresh runs at a time, and this is it.
        elsewhere = run.tags.get(_HOST_TAG, socket.gethostname()) != socket.gethostname()
        if pid and (elsewhere or not Path(f"/proc/{pid}").exists()):
            instance.report_run_failed(run, f"process {pid} was killed")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
