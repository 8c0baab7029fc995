"""Folders on disk or in object storage, by what pathlib's paths and cloudpathlib's have in common."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from cloudpathlib import S3Client, S3Path

S3 = "s3://"

Place = Union[Path, "S3Path"]


class StoreUnreachableError(Exception):
    """Object storage does not answer or refuses the keys. It says nothing about what is stored there."""

    def __init__(self, reason: object) -> None:
        super().__init__(f"object storage cannot be used: {reason}; check HOWTO_ARRAYS and its keys")


def remote_place(address: str) -> S3Path:
    """A folder in object storage, by its address ``s3://bucket/prefix``."""
    from cloudpathlib import S3Path

    return S3Path(address, client=_client(os.environ.get("AWS_ENDPOINT_URL")))


def place(address: str | Path) -> Place:
    """A folder by its path, or by its address if that begins with ``s3://``.

    AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION give access to object storage.
    """
    return remote_place(str(address)) if is_remote(address) else Path(address)


@cache
def _client(endpoint: str | None) -> S3Client:
    from cloudpathlib import S3Client
    from cloudpathlib.enums import FileCacheMode

    # Files that were read are not kept: a copy on disk could be older than the object.
    return S3Client(endpoint_url=endpoint, file_cache_mode=FileCacheMode.close_file)


def is_remote(address: object) -> bool:
    """Whether an address or a place is in object storage."""
    return str(address).startswith(S3)


@contextmanager
def reaching() -> Iterator[None]:
    """Requests to object storage.

    Raises:
        StoreUnreachableError: one of them failed.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StoreUnreachableError(error) from error


def kept_versions(folder: S3Path) -> str | None:
    """Whether the bucket of a folder may hold older versions of its objects; None if it keeps none.

    Raises:
        StoreUnreachableError: object storage cannot be used, or does not say so to this user.
    """
    with reaching():
        state = folder.client.client.get_bucket_versioning(Bucket=folder.bucket).get("Status")
    return f"versioning of the bucket {folder.bucket} is {state.lower()}" if state else None


def remove_tree(folder: Place) -> None:
    """Remove a folder with its content, if it exists."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists():
        folder.rmtree()
