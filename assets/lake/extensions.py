"""DuckDB's extensions that a lake needs, and its access to object storage."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import duckdb
from duckdb_extensions import import_extension

from sql import literal


class LakeError(Exception):
    """An operation on the lake failed; the message names the table and the reason."""


def install_extension(extension: str) -> None:
    """Install an extension of DuckDB from its Python package, without a network.

    Raises:
        LakeError: the package is not installed.
    """
    try:
        import_extension(extension)
    except ModuleNotFoundError:
        package = f"duckdb-extension-{extension.replace('_', '-')}=={duckdb.__version__}"
        raise LakeError(f"DuckDB's extension {extension} is not installed: pip install {package}") from None


def s3_secret(environment: Mapping[str, str]) -> str:
    """The statement that gives DuckDB access to object storage, from the environment variables that S3 clients share.

    With ``AWS_ENDPOINT_URL`` the path contains the name of the bucket, which every S3-compatible store supports.

    Raises:
        LakeError: no key is set.
    """
    options = {
        "KEY_ID": environment.get("AWS_ACCESS_KEY_ID", ""),
        "SECRET": environment.get("AWS_SECRET_ACCESS_KEY", ""),
        "SESSION_TOKEN": environment.get("AWS_SESSION_TOKEN", ""),
        "REGION": environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1",
    }
    if not options["KEY_ID"] or not options["SECRET"]:
        raise LakeError("tables on s3://: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to the keys of the bucket")
    endpoint = urlsplit(environment.get("AWS_ENDPOINT_URL", ""))
    if endpoint.netloc:
        options |= {"ENDPOINT": endpoint.netloc, "URL_STYLE": "path", "USE_SSL": str(endpoint.scheme == "https")}
    return (
        f"CREATE SECRET (TYPE s3, {', '.join(f'{name} {literal(value)}' for name, value in options.items() if value)})"
    )
