"""Opening, writing and removing one Lance array, on disk or in object storage.

Lance must not be used across a fork.
"""

from __future__ import annotations

import os
from typing import Literal

import lance
import pyarrow as pa

from ml.places import Place, StoreUnreachableError, is_remote

_NOT_REACHED = ("Generic S3 error", "lacked the necessary privileges", "lacked valid authentication")
"""What Lance's errors contain if a request failed. Of an object that is missing or damaged they say something else."""


WriteMode = Literal["create", "append", "overwrite"]


def open_array(path: Place) -> lance.LanceDataset:
    """The newest version of an array.

    Raises:
        OSError or ValueError: it does not exist, or is damaged.
    """
    return lance.dataset(str(path), storage_options=_storage_options(path))


def write_array(path: Place, batches: pa.RecordBatchReader, mode: WriteMode) -> int:
    """Write rows in one transaction; an interruption leaves the older version. Returns the number of stored rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = lance.write_dataset(batches, str(path), mode=mode, storage_options=_storage_options(path))
    return int(written.count_rows())


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
