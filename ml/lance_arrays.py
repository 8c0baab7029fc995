"""Opening, writing and removing one Lance array, on disk or in object storage.

Lance must not be used across a fork. It is imported where it is used, because it imports pandas.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from ml.places import Place, StoreUnreachableError, is_remote

if TYPE_CHECKING:
    import lance

_NOT_REACHED = ("Generic S3 error", "lacked the necessary privileges", "lacked valid authentication")
"""What Lance's errors contain if a request failed. Of an object that is missing or damaged they say something else."""


WriteMode = Literal["append", "overwrite"]

REPRODUCIBLE = {"lance-encoding:compression": "zstd"}
"""Metadata of a text column whose bytes depend on its values only. By default, Lance compresses texts by a table of a
random sample of them."""

_ATTEMPTS = 20
"""Commits of other writers that one write may meet."""


def open_array(path: Place) -> lance.LanceDataset:
    """The newest version of an array.

    Raises:
        OSError or ValueError: it does not exist, or is damaged.
    """
    import lance

    try:
        return lance.dataset(str(path), storage_options=_storage_options(path))
    except BaseException as error:
        # Some damaged manifests make Lance panic: an exception that is no Exception, of a class without a module.
        if type(error).__name__ != "PanicException":
            raise
        raise OSError(f"{path} cannot be opened: {error}") from error


def write_array(path: Place, batches: pa.RecordBatchReader, mode: WriteMode) -> int:
    """Write rows in one transaction; an interruption leaves the older version. Returns the number of stored rows.

    Several processes may write at once: each overwrites what is there when it has written its rows, or appends to it.
    An array that does not exist is created first, without rows. Only one process at a time may append to it then,
    because Lance lets the later one of two creations replace the earlier.
    """
    import lance
    from lance.fragment import write_fragments

    path.parent.mkdir(parents=True, exist_ok=True)
    options, schema = _storage_options(path), batches.schema
    if not array_versions(path):
        _create(path, schema)
    rows = write_fragments(batches, str(path), schema, mode=mode, storage_options=options)
    appended, replaced = lance.LanceOperation.Append, lance.LanceOperation.Overwrite
    operation = appended(rows) if mode == "append" else replaced(schema, rows)
    for _ in range(_ATTEMPTS):
        # An operation that overwrites replaces the newest version, whichever that is.
        based_on = open_array(path).version if mode == "append" else None
        try:
            written = lance.LanceDataset.commit(str(path), operation, based_on, storage_options=options)
        except OSError as error:
            if not _is_conflict(error):
                raise
            conflict = error
        else:
            return int(written.count_rows())
    raise conflict


def _create(path: Place, schema: pa.Schema) -> None:
    """Create an array without rows, unless another process does."""
    import lance

    nothing = pa.RecordBatchReader.from_batches(schema, iter(()))
    try:
        lance.write_dataset(nothing, str(path), mode="create", storage_options=_storage_options(path))
    except OSError as error:
        if not _is_conflict(error):
            raise


def _is_conflict(error: OSError) -> bool:
    """Whether the commit of another writer made one fail; the same commit succeeds when it is repeated."""
    return any(each in str(error) for each in ("commit conflict", "Dataset already exists"))


def array_versions(path: Place) -> list[str]:
    """Names of the stored versions, sorted; none if there is no array.

    A process that was killed in the first write leaves a folder without a version.
    """
    folder = path / "_versions"
    return sorted(each.name for each in folder.iterdir() if each.suffix == ".manifest") if folder.exists() else []


def require_reachable(error: BaseException) -> None:
    """Raise if an error of Lance means that object storage was not reached, which must not count as damage.

    Raises:
        StoreUnreachableError: with the reason.
    """
    text = str(error)
    if any(each in text for each in _NOT_REACHED):
        raise StoreUnreachableError(text.partition(", /")[0]) from error


def _storage_options(path: Place) -> dict[str, str] | None:
    """What Lance does not read from the environment by itself: plain HTTP is allowed if the endpoint says so."""
    if not is_remote(path):
        return None
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    return {"allow_http": "true"} if endpoint.startswith("http://") else {}
