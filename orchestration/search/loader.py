"""Loads a part of the search in the background, and again when what it is made from changes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from assets.lake import LakeError
from orchestration.search.errors import NotReadyError, UnavailableError

Part = TypeVar("Part")
SECONDS_BETWEEN_TRIES = 5.0

log = logging.getLogger(__name__)


class Loader(Generic[Part]):
    """A part of the search that is loaded in the background.

    Args:
        name: what messages call it.
        load: loads it.
        version: changes when it has to be loaded again.
        worker: thread that loads; by default its own.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        name: str,
        load: Callable[[], Part],
        version: Callable[[], Hashable],
        worker: ThreadPoolExecutor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._load, self._version_now, self._clock = name, load, version, clock
        self._lock = threading.Lock()
        self._worker = worker or ThreadPoolExecutor(1, thread_name_prefix="search")
        self._loading: Future[Part] | None = None
        self._version: Hashable = None
        self._part: Part | None = None
        self._problem: str | None = None
        self._next_try = 0.0

    def current(self) -> Part:
        """The part; an older one while a newer is loaded.

        Raises:
            UnavailableError: there is none yet.
        """
        with self._lock:
            self._collect()
            if self._loading is None and self._is_due():
                self._version = self._version_now()
                self._loading = self._worker.submit(self._load)
            if self._part is not None:
                return self._part
            if self._problem is not None:
                raise UnavailableError(self._problem, loading=False)
            raise UnavailableError(f"Starting. Loading: {self.name}.", loading=True)

    def close(self) -> None:
        """Wait until the current loading ends, and load nothing more."""
        self._worker.shutdown(cancel_futures=True)

    def _is_due(self) -> bool:
        if self._problem is not None:
            return self._clock() >= self._next_try
        return self._part is None or self._version != self._version_now()

    def _collect(self) -> None:
        """Take the result of a loading that has ended; a failure is logged and tried again some seconds later."""
        if self._loading is None or not self._loading.done():
            return
        error = self._loading.exception()
        if error is None:
            self._part, self._problem = self._loading.result(), None
        else:
            expected = isinstance(error, NotReadyError | LakeError | FileNotFoundError)
            self._problem = str(error) if expected else f"Cannot be loaded: {self.name}; see the log of the server."
            log.warning("cannot be loaded: %s: %s", self.name, error, exc_info=None if expected else error)
            self._next_try = self._clock() + SECONDS_BETWEEN_TRIES
        self._loading = None
