"""Rebuild a model from the snapshot, arrays, settings and models that its ``inputs.json`` names."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from assets.features.store import FeatureStore
from assets.lake import Lake
from assets.lake.snapshot import LakeAt
from assets.metadata import MODEL
from assets.models.folder import model_version
from assets.models.provenance import Provenance, ProvenanceError
from assets.models.store import fetch_models
from assets.redaction import HIDDEN
from ml.array_history import at_version, stored_versions
from ml.hero.clip_store import ClipStore
from ml.joint_embedding.clip_index import ClipIndex
from ml.joint_embedding.pair_store import PairStore
from ml.places import Place, place
from orchestration.definitions import build_defs
from orchestration.failures import innermost_error
from orchestration.io_manager import LakeIOManager
from orchestration.resources import lake_of, model_root_of
from orchestration.settings import Settings, load_settings
from orchestration.settings.catalogue import catalogue, changed_settings

_OF_THIS_MACHINE = frozenset(
    {"lake", "catalog", "data_path", "arrays", "removals", "device", "compute", "alert_webhook", "retention_days"}
)
"""Settings that stay as they are now: where things are, and on what they run."""


@dataclass(frozen=True)
class Rebuilt:
    """A model that was made again: its recorded version and the version of the rebuilt one."""

    recorded: str
    rebuilt: str

    @property
    def same(self) -> bool:
        return self.recorded == self.rebuilt


def provenance_lines(settings: Settings, model: str) -> Iterator[str]:
    """What a model was made from, and whether it can still be read.

    Raises:
        ProvenanceError: there is no such model, or its provenance is broken.
    """
    lake = lake_of(settings)
    fetch_models(model_root_of(settings))
    folder = _folder(lake.root, model)
    yield f"model {model}, version {model_version(folder)}"
    yield from _lines(lake, _arrays_of(settings, lake), Provenance.read(folder), "  ")


def _arrays_of(settings: Settings, lake: Lake) -> Place:
    return place(settings.storage.arrays or lake.root) / "arrays"


def _lines(lake: Lake, stored: Place, given: Provenance, indent: str) -> Iterator[str]:
    made = lake.sql("SELECT snapshot_time FROM lake.snapshots() WHERE snapshot_id = $id", id=given.snapshot).fetchall()
    when = f"of {made[0][0]:%Y-%m-%d %H:%M} UTC, readable" if made else "expired: it cannot be read any more"
    yield f"{indent}snapshot      {given.snapshot} {when}"
    yield f"{indent}code version  {given.code_version or 'not recorded'}"
    yield f"{indent}run           {given.run_id or 'not recorded'}"
    gone = [name for name, version in given.arrays.items() if version not in _versions(stored, name)]
    lost = f", of which {len(gone)} are gone: {', '.join(gone[:3])}" if gone else ""
    yield f"{indent}arrays        {len(given.arrays)}{lost}"
    for variable, value in given.settings.items():
        yield f"{indent}setting       {variable}={value}"
    for name, (version, inputs) in given.models.items():
        current = model_version(lake.root / "models" / name)
        yield f"{indent}model         {name}, version {version}{'' if current == version else ', replaced since'}"
        yield from _lines(lake, stored, inputs, indent + "  ")


def reproduce(settings: Settings, model: str, log: Callable[[str], object]) -> Rebuilt:
    """Make a model again in a temporary folder of the lake; the lake itself does not change.

    Raises:
        ProvenanceError: there is no such model, or what it was made from is gone.
    """
    lake = lake_of(settings)
    fetch_models(model_root_of(settings))
    folder = _folder(lake.root, model)
    recorded = model_version(folder)
    if recorded is None:
        raise ProvenanceError(f"{folder}: no trained model; train it with howto refresh")
    with tempfile.TemporaryDirectory(dir=lake.root, prefix=".reproduce-") as scratch:
        rebuilt = _rebuild(lake, _arrays_of(settings, lake), model, Provenance.read(folder), Path(scratch), log)
    return Rebuilt(recorded, rebuilt)


def _folder(root: Path, model: str) -> Path:
    folder = root / "models" / model
    if not folder.is_dir():
        known = sorted(path.parent.name for path in (root / "models").glob("*/config.json"))
        raise ProvenanceError(f"{model}: no model of this lake; its models are {', '.join(known) or 'none yet'}")
    return folder


def _rebuild(
    lake: Lake, stored: Place, model: str, given: Provenance, scratch: Path, log: Callable[[str], object]
) -> str:
    """Train a model and, before it, those models that it read and that were replaced since; return its version."""
    models = scratch / "models"
    for name, (version, inputs) in given.models.items():
        if model_version(lake.root / "models" / name) == version:
            shutil.copytree(lake.root / "models" / name, models / name, dirs_exist_ok=True)
        elif _rebuild(lake, stored, name, inputs, scratch, log) != version:
            raise ProvenanceError(f"{model}: it read version {version} of {name}, which cannot be made again")
    arrays = scratch / f"arrays-{model}"
    for name, number in given.arrays.items():
        if number not in _versions(stored, name):
            raise ProvenanceError(f"{model}: version {number} of the array {name} is gone; it was removed or repaired")
        at_version(stored / f"{name}.lance", number, scratch / f"arrays-{model}" / f"{name}.lance")
    log(f"training {model} on snapshot {given.snapshot}")
    _train(model, given, LakeAt(lake, given.snapshot), arrays, models, log)
    rebuilt = model_version(models / model)
    assert rebuilt is not None
    return rebuilt


def _train(
    model: str, given: Provenance, lake: LakeAt, arrays: Path, models: Path, log: Callable[[str], object]
) -> None:
    resources: dict[str, Any] = {
        "lake": lake,
        "io_manager": LakeIOManager(lake),
        "model_root": models,
        "features": FeatureStore(arrays),
        "pairs": PairStore(arrays / "pairs"),
        "clip_index": ClipIndex(arrays / "clip_embeddings.lance"),
        "hero_store": ClipStore(arrays / "hero_clips"),
    }
    defs = build_defs(settings_of(given), resources)
    graph = defs.resolve_asset_graph()
    key = next(key for key in graph.get_all_asset_keys() if graph.get(key).metadata.get(MODEL) == model)
    if graph.get(key).code_version != given.code_version:
        log(f"{model}: its code or the files that its options name changed; the result may differ")
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[key],
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    if not result.success:
        failures = [innermost_error(event) for event in result.all_events if event.is_step_failure]
        raise ProvenanceError(f"{model}: the training failed: {'; '.join(failures)}")


def settings_of(given: Provenance) -> Settings:
    """The settings that a model was trained under; secrets and places are those of now."""
    recorded = {name.removeprefix("HOWTO_").lower(): value for name, value in given.settings.items()}
    changed_now = {name.removeprefix("HOWTO_").lower() for name in changed_settings(load_settings())}
    neutral = {name: catalogue()[name].default for name in changed_now}
    values = {**neutral, **recorded}
    return load_settings(**{name: value for name, value in values.items() if _of_the_model(name, recorded)})


def _of_the_model(name: str, recorded: Mapping[str, str]) -> bool:
    hidden = (name in catalogue() and catalogue()[name].secret) or HIDDEN in recorded.get(name, "")
    return name not in _OF_THIS_MACHINE and not hidden


def _versions(stored: Place, array: str) -> frozenset[int]:
    return stored_versions(stored / f"{array}.lance")
