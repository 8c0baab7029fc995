"""Where texts leave a process: its output, the records of Dagster, and the errors of sensors. All are redacted.

See `assets.redaction` for what is hidden.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from assets.redaction import redact


class RedactedStream:
    """A text stream to which everything is written without secrets."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def redact_output() -> None:
    """Redact what this process prints from now on: lines, logs and tracebacks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, RedactedStream):
            setattr(sys, name, RedactedStream(stream))


def redact_records() -> None:
    """Redact what this process stores in Dagster's records from now on: runs, events, ticks and their errors.

    All stores of Dagster write with SQLAlchemy, to SQLite and to PostgreSQL.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    if not event.contains(Engine, "before_cursor_execute", _redact_parameters):
        event.listen(Engine, "before_cursor_execute", _redact_parameters, retval=True)


def _redact_parameters(
    connection: object, cursor: object, statement: str, parameters: Any, context: object, many: bool
) -> tuple[str, Any]:
    return statement, _redacted(parameters)


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _redacted(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_redacted(each) for each in value)
    return value


class RedactedError(Exception):
    """An error whose message held a secret, and holds it no longer."""


@contextmanager
def redacted_errors() -> Iterator[None]:
    """Raise errors without secrets: those of a sensor are stored by Dagster's daemon, which knows no settings.

    Raises:
        RedactedError: instead of an error whose message, or that of one of its causes, holds a secret.
    """
    try:
        yield
    except Exception as error:
        messages = list(map(str, _chain(error)))
        if messages == list(map(redact, messages)):
            raise
        raise RedactedError(f"{type(error).__name__}: {redact(str(error))}") from None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
