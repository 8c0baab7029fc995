"""The lake of the settings, opening it where it must exist, and what keeps it from being opened, without Dagster."""

from __future__ import annotations

import duckdb

from assets.lake import Lake, LakeError
from assets.lake.faults import check_catalog
from assets.redaction import redact
from orchestration.settings import Settings


def lake_of(settings: Settings) -> Lake:
    """The tables, wherever the settings put them."""
    catalog = settings.storage.catalog
    return Lake(
        settings.lake,
        catalog.get_secret_value() if catalog else None,
        settings.storage.data_path,
        settings.operations.removals,
    )


def open_lake(settings: Settings) -> Lake:
    """The lake of the settings, opened; none is made where there is none.

    Raises:
        LakeError: there is no lake, or its catalog cannot be opened.
    """
    lake = lake_of(settings)
    check_catalog(lake.catalog, lake.data_path)
    if lake.is_new:
        raise LakeError(f"{settings.lake}: no lake is there; make one with howto refresh, or set HOWTO_LAKE or --lake")
    try:
        lake.snapshot()
    except duckdb.Error as error:
        raise LakeError(f"{settings.lake}: the catalog cannot be opened: {reason(error)}") from error
    return lake


def reason(error: Exception) -> str:
    """The first line of an error of DuckDB, without secrets."""
    return redact(str(error).partition("\n")[0])
