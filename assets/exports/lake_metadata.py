"""``croissant.json`` in the folder of a lake: what a snapshot holds, for programs that load and find data sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from assets.exports.croissant import lake_croissant
from assets.exports.description import ANONYMOUS, describe
from assets.exports.records import CLIPS, TASKS, VIDEOS
from assets.lake import Lake, LakeError
from assets.lake.snapshot import Snapshot
from ml.files import file_hash, whole_file

FILE = "croissant.json"


def write_metadata(lake: Lake, model_inputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Write the Croissant metadata of the newest snapshot, and return it.

    Args:
        model_inputs: ``inputs.json`` of each trained model, by name.

    Raises:
        LakeError: there is no data set yet.
    """
    snapshot = Snapshot(lake)
    rows = {}
    for records in (TASKS, VIDEOS, CLIPS):
        if not snapshot.has(records.name):
            raise LakeError(f"{records.name}: not in the lake yet; materialize the asset {records.name} first")
        count = snapshot.sql(f"SELECT count(*) FROM {{{records.name}}} WHERE {records.condition}").item()
        rows[records] = {"all": int(count)}
    models = {
        name: f"trained from snapshot {inputs.get('lake_snapshot')} by code {inputs.get('code_version')}"
        for name, inputs in model_inputs.items()
    }
    about = describe(snapshot, ANONYMOUS, version("howto-lake"), rows, snapshot.removed_of("videos"))
    made = lake_croissant(about, snapshot, models)
    with whole_file(lake.root / FILE) as new:
        new.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return made


def metadata_version(root: Path) -> str | None:
    """Hash of the file in the folder of a lake; None if there is none."""
    return file_hash(root / FILE, 16) if (root / FILE).exists() else None
