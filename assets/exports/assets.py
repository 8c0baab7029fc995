"""Metadata of the lake for programs that load and find data sets."""

from pathlib import Path

import dagster as dg

from assets.card.assets import INPUTS
from assets.card.usage import inputs_of_models
from assets.exports.lake_metadata import FILE, metadata_version, write_metadata
from assets.lake import Lake
from assets.metadata import METADATA_FILE


@dg.asset(code_version="1", kinds={"json"}, deps=INPUTS, metadata={METADATA_FILE: FILE})
def croissant(lake: dg.ResourceParam[Lake], model_root: dg.ResourceParam[Path]) -> dg.MaterializeResult:
    """Croissant 1.1 metadata of the newest snapshot: every table with its columns, types, keys and files."""
    made = write_metadata(lake, inputs_of_models(model_root))
    version = metadata_version(lake.root)
    assert version is not None
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            "file": dg.MetadataValue.path(str(lake.root / FILE)),
            "record sets": len(made["recordSet"]),
            "description": made["description"],
        },
    )
