"""From exceptions to one line on standard error and an exit code. See ``run``.

Exit codes of every command: 0 done, 1 something failed, 2 cannot start, 130 stopped.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable

import click

DONE, FAILED, CANNOT_START, STOPPED = 0, 1, 2, 130

_CANNOT_START = {
    "orchestration.settings.model.SettingsError",
    "orchestration.selection.SelectionError",
    "orchestration.refresh.lock.RefreshError",
    "orchestration.search.errors.NotReadyError",
    "assets.lake.extensions.LakeError",
    "assets.lake.removals.RemovalError",
    "assets.sources.howto100m_release.export.ExportError",
    "assets.exports.writer.ExportError",
    "orchestration.tracking.TrackingError",
    "assets.features.layouts.LayoutError",
    "assets.graph.published.graphs.PublishedError",
    "assets.graph.edges.GraphError",
    "assets.outcomes.SourceError",
    "assets.videos.id_lists.IdListError",
    "assets.models.provenance.ProvenanceError",
    "assets.sources.retail_tables.RetailError",
}
"""Exceptions whose message says what is wrong and what to do. They are named, not imported, so that help is fast."""

_STORES = {"_duckdb.IOException", "_duckdb.ConnectionException"}
"""A catalog or an object store cannot be reached. Other errors of DuckDB are bugs."""


_DATABASES = {"_duckdb.Error", "sqlite3.Error", "sqlalchemy.exc.SQLAlchemyError"}
_DAMAGED = re.compile("malformed|not a database")
_DISK = {errno.ENOSPC, errno.EROFS, errno.EDQUOT}


class CommandError(Exception):
    """A command cannot do its work; the message says what is wrong and what to do."""

    def __init__(self, message: str, code: int = CANNOT_START) -> None:
        super().__init__(message)
        self.code = code


def run(command: Callable[[], object]) -> int:
    """Run a command and return its exit code: an integer that it returns, else 0.

    A mistake of the user becomes a line on standard error. Any other exception is a bug and keeps its traceback.
    """
    try:
        result = command()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe has seen enough, e.g. ``head``. Python would complain again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return STOPPED
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        print(explained[0], file=sys.stderr)
        return explained[1]
    return result if isinstance(result, int) else DONE


def explain(error: Exception) -> tuple[str, int] | None:
    """The line and the exit code of an exception; None for one that no user can cause."""
    names = {f"{each.__module__}.{each.__name__}" for each in type(error).__mro__}
    if isinstance(error, CommandError):
        return str(error), error.code
    if isinstance(error, click.ClickException):
        return _usage(error), CANNOT_START
    if names & _CANNOT_START:
        return str(error), CANNOT_START
    if fault := _damaged_records(error, names) or _fault_of_the_lake(error, names):
        return fault, CANNOT_START
    if names & _STORES:
        from orchestration.stores import reason

        return f"the lake cannot be read: {reason(error)}; howto doctor checks the stores", CANNOT_START
    if isinstance(error, OSError):
        # One that this project raises has only a message.
        place = f"{error.filename}: {error.strerror}; check the path and its permissions"
        return (place if error.filename is not None else str(error)), CANNOT_START
    return None


def _damaged_records(error: Exception, names: set[str]) -> str | None:
    """Dagster's records are the only SQLite files that are read by SQLAlchemy."""
    if "sqlalchemy.exc.DatabaseError" not in names or not _DAMAGED.search(str(error)):
        return None
    place, first = os.environ.get("DAGSTER_STATE", "DAGSTER_STATE"), str(error).partition("\n")[0]
    return (
        f"{place}: Dagster's records of runs are damaged ({first}); restore a copy of this folder, or move it away:"
        " everything is then made again, with the same content"
    )


def _fault_of_the_lake(error: Exception, names: set[str]) -> str | None:
    """Place, cause and remedy, if the error is a fault of the disk, the catalog or a connection."""
    of_disk = isinstance(error, OSError) and error.errno in _DISK
    if not of_disk and not names & _DATABASES:
        return None
    from orchestration.settings import SettingsError, load_settings
    from orchestration.stores import lake_of

    try:
        return lake_of(load_settings()).explain(error)
    except SettingsError:
        return None


def _usage(error: click.ClickException) -> str:
    """A wrong invocation in one line, with the command whose help says what is right."""
    message = " ".join(error.format_message().split()).rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else "howto"
    return f"{path}: {message}; see '{path} --help'"
