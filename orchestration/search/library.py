"""Loads what is searched in the background, and again when a model or the index changes.

See `moments` for what is loaded.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from assets.lake import LakeError
from orchestration.search.errors import NotReadyError

if TYPE_CHECKING:
    from orchestration.search.hero_moments import Corpus

SECONDS_BETWEEN_TRIES = 5.0

log = logging.getLogger(__name__)


class UnavailableError(Exception):
    """Nothing can be searched now; the message says why. ``loading``: a later request will succeed."""

    def __init__(self, message: str, loading: bool) -> None:
        super().__init__(message)
        self.loading = loading


class Library:
    """The moments that can be searched now.

    Args:
        load: loads them.
        version: changes when they have to be loaded again.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        load: Callable[[], Corpus],
        version: Callable[[], Hashable],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load, self._version_now, self._clock = load, version, clock
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="moments")
        self._loading: Future[Corpus] | None = None
        self._version: Hashable = None
        self._corpus: Corpus | None = None
        self._problem: str | None = None
        self._next_try = 0.0

    def current(self) -> Corpus:
        """The moments; older ones while newer are loaded.

        Raises:
            UnavailableError: there are none yet.
        """
        with self._lock:
            self._collect()
            if self._loading is None and self._is_due():
                self._version = self._version_now()
                self._loading = self._worker.submit(self._load)
            if self._corpus is not None:
                return self._corpus
            if self._problem is not None:
                raise UnavailableError(self._problem, loading=False)
            raise UnavailableError("Starting.", loading=True)

    def close(self) -> None:
        """Wait until the current loading ends, and load nothing more."""
        self._worker.shutdown(cancel_futures=True)

    def _is_due(self) -> bool:
        if self._problem is not None:
            return self._clock() >= self._next_try
        return self._corpus is None or self._version != self._version_now()

    def _collect(self) -> None:
        """Take the result of a loading that has ended; a failure is logged and tried again some seconds later."""
        if self._loading is None or not self._loading.done():
            return
        error = self._loading.exception()
        if error is None:
            self._corpus, self._problem = self._loading.result(), None
        else:
            expected = isinstance(error, NotReadyError | LakeError | FileNotFoundError)
            self._problem = str(error) if expected else "The clips cannot be loaded; see the log of the server."
            log.warning("the moments cannot be loaded: %s", error, exc_info=None if expected else error)
            self._next_try = self._clock() + SECONDS_BETWEEN_TRIES
        self._loading = None
