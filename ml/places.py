"""Folders on disk or in object storage, by what pathlib's paths and cloudpathlib's have in common."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from cloudpathlib import S3Client, S3Path

S3 = "s3://"

Place = Union[Path, "S3Path"]


def place(address: str | Path) -> Place:
    """A folder by its path, or by its address if that begins with ``s3://``.

    AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION give access to object storage.
    """
    if is_remote(address):
        from cloudpathlib import S3Path

        return S3Path(str(address), client=_client(os.environ.get("AWS_ENDPOINT_URL")))
    return Path(address)


@cache
def _client(endpoint: str | None) -> S3Client:
    from cloudpathlib import S3Client

    return S3Client(endpoint_url=endpoint)


def is_remote(address: object) -> bool:
    """Whether an address or a place is in object storage."""
    return str(address).startswith(S3)


def remove_tree(folder: Place) -> None:
    """Remove a folder with its content, if it exists."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists():
        folder.rmtree()
