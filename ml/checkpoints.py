"""Checkpoints of a training: when they are written, and how a training resumes from them."""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from ml.distributed import from_first_process
from ml.files import file_hash
from ml.machine import require_sound_machine

_log = logging.getLogger(__name__)

FORMAT = 4
"""Of the files of a checkpoint and the names in it; a checkpoint of another format is not resumed."""


class CheckpointTimer:
    """When a checkpoint is due, by the clock of process 0.

    All processes must write after the same step, so the decision is broadcast. It is made after steps that all
    processes know beforehand, because a broadcast after every step would cost time: process 0 estimates how many steps
    pass until the next checkpoint, and that number at most doubles from one decision to the next.
    """

    def __init__(self, every_s: float, device: torch.device) -> None:
        self.every_s, self.device = every_s, device
        self.written = self.decided = time.monotonic()
        self.steps = self.steps_left = 1

    def due(self) -> bool:
        """Whether to write a checkpoint now. Call it in every process after every step."""
        self.steps_left -= 1
        if self.steps_left:
            return False
        now = time.monotonic()
        step_s = max((now - self.decided) / self.steps, 1e-9)
        due = now - self.written >= self.every_s
        rest_s = self.every_s - (0.0 if due else now - self.written)
        following = max(1, min(2 * self.steps, math.ceil(rest_s / step_s)))
        write, self.steps = from_first_process((due, following), self.device)
        self.steps_left, self.decided = self.steps, now
        return bool(write)

    def restart(self) -> None:
        """Count the interval from now, after a checkpoint was written."""
        self.written = time.monotonic()


class Checkpoints:
    """``step-<n>`` folders of one training; each is renamed when it is complete, and the newest one counts.

    Args:
        folder: a folder that all processes share.
        identity: names everything that the result depends on. A checkpoint of another identity is not resumed.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder, self.identity = folder, identity

    @contextmanager
    def claimed(self, accelerator: Accelerator) -> Iterator[bool]:
        """Keep trainings of other processes from this folder; every process must enter it. Whether it was free."""
        lock = self._lock() if accelerator.is_main_process else None
        try:
            (mine,) = from_first_process((int(lock is not None),), accelerator.device)
            yield bool(mine)
        finally:
            if lock is not None:
                os.close(lock)

    def _lock(self) -> int | None:
        """A locked file in the folder, which is created; None if another process has locked it."""
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR)
            except FileNotFoundError:  # a training that ended removed the folder
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                return None
            if os.fstat(lock).st_nlink:
                return lock
            os.close(lock)  # it was removed before it was locked

    def write(self, accelerator: Accelerator, done: int, tensors: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        """Store the state after ``done`` steps, in place of an older one; every process must call it.

        Args:
            tensors: content for torch, in addition to parameters and optimiser; record: content for JSON.
        """
        new, old = self.folder / ".new", self.folder / ".old"
        if accelerator.is_main_process:
            for path in (new, old):
                shutil.rmtree(path, ignore_errors=True)
            new.mkdir(parents=True)
            old.mkdir()
        accelerator.wait_for_everyone()
        accelerator.save_state(str(new))
        accelerator.wait_for_everyone()  # before the rename: every process writes files into the folder
        if accelerator.is_main_process:
            torch.save(dict(tensors), new / "training.pt")
            files = {file.name: file_hash(file) for file in sorted(new.rglob("*")) if file.is_file()}
            content = {"format": FORMAT, "identity": self.identity, "done": done, "files": files, **record}
            (new / "record.json").write_text(json.dumps(content), encoding="utf-8")
            target, older = self._path(done), list(self._steps().values())
            if target.exists():  # of another training
                target.rename(old / "replaced")
            new.rename(target)
            for path in older:
                if path != target:  # an interrupted removal must not leave a part that looks like a checkpoint
                    path.rename(old / path.name)
            shutil.rmtree(old)
        accelerator.wait_for_everyone()

    def resume(self, accelerator: Accelerator) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Load the newest whole checkpoint of this identity; every process must call it.

        Checkpoints that cannot be read, or that another version of this software wrote, are set aside and logged.

        Returns:
            Tensors and record as ``write`` got them, the record with ``done``; None if there is no checkpoint.

        Raises:
            FileNotFoundError: process 0 has a checkpoint that this process cannot read.
        """
        newest = self._newest() if accelerator.is_main_process else -1
        (done,) = from_first_process((newest,), accelerator.device)
        if done < 0:
            return None
        path = self._path(done)
        if not path.is_dir():
            raise FileNotFoundError(
                f"{path}: process {accelerator.process_index} cannot read this checkpoint, which process 0 has; "
                "put the checkpoints on a file system that all processes share"
            )
        accelerator.load_state(str(path))
        return torch.load(path / "training.pt", map_location="cpu", weights_only=True), self._record(path)

    def remove(self) -> None:
        """Delete all checkpoints."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _newest(self) -> int:
        """Steps of the newest whole checkpoint of this identity; -1 if there is none. Others are set aside."""
        for done, path in sorted(self._steps().items(), reverse=True):
            try:
                record = self._record(path)
                problem = _problem(path, record)
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                require_sound_machine(error)
                problem, record = f"cannot be read ({error})", {}
            if problem is not None:
                aside = path.with_name(f"{path.name.removeprefix('step-')}.unusable")
                shutil.rmtree(aside, ignore_errors=True)
                path.rename(aside)
                _log.warning("checkpoint %s: %s; it is set aside as %s", path, problem, aside.name)
            elif record["identity"] == self.identity:
                return done
        return -1

    def _path(self, done: int) -> Path:
        return self.folder / f"step-{done:09d}"

    def _steps(self) -> dict[int, Path]:
        return {int(path.name.removeprefix("step-")): path for path in self.folder.glob("step-*")}

    @staticmethod
    def _record(path: Path) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((path / "record.json").read_text(encoding="utf-8"))
        return record


def _problem(path: Path, record: Mapping[str, Any]) -> str | None:
    """What keeps a checkpoint from being used, whatever training it is of."""
    if record.get("format") != FORMAT:
        return f"has format {record.get('format')}, and this version writes {FORMAT}"
    for name, expected in record["files"].items():
        file = next(path.rglob(name), None)
        if file is None:
            return f"{name} is missing"
        if file_hash(file) != expected:
            return f"{name} is damaged"
    return None
