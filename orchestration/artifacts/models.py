"""Model folders, the data set card and the metadata of the lake as artifacts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from assets.card.card import FILES as CARD_FILES
from assets.card.card import card_version
from assets.exports.lake_metadata import FILE, metadata_version
from assets.models.folder import MODEL_FILES, model_version
from assets.models.provenance import Provenance, ProvenanceError
from assets.models.store import ModelDamagedError, discard_damaged
from ml.files import file_hash
from orchestration.artifacts.protocol import UNREADABLE, Resources


@dataclass(frozen=True)
class ModelFolder:
    """A trained model, in the folder of its name."""

    name: str
    resources: tuple[str, ...] = ("model_root",)
    description: str = "The model folder is complete and its parameters are finite."

    def version(self, resources: Resources, partition: str | None) -> str | None:
        return model_version(resources["model_root"] / self.name)

    def damage(self, resources: Resources, partition: str | None) -> list[str]:
        try:
            return damaged_model(resources["model_root"] / self.name)
        except ModelDamagedError as error:
            return [str(error)]

    def violations(self, resources: Resources, partition: str | None) -> dict[str, int]:
        return model_violations(resources["model_root"] / self.name)

    def repair(self, resources: Resources, partition: str | None) -> None:
        """Forget a damaged copy in object storage. A training replaces the folder."""
        discard_damaged(resources["model_root"], self.name)


def damaged_model(folder: Path) -> list[str]:
    """The files of a model folder that are missing or cut; parameters are not read. None if there is no folder."""
    if not folder.exists():
        return []
    missing = [f"{folder / name} is missing" for name in MODEL_FILES if not (folder / name).exists()]
    if missing:
        return missing
    damaged = []
    for name in ("config.json", "metrics.json"):
        try:
            json.loads((folder / name).read_text(encoding="utf-8"))
        except ValueError as error:
            damaged.append(f"{folder / name} is broken: {error}")
    try:
        recorded = Provenance.read(folder).files
    except ProvenanceError as error:
        return [*damaged, str(error)]
    changed = [name for name, expected in recorded.items() if file_hash(folder / name) != expected]
    damaged += [f"{folder / name} has other content than was recorded" for name in changed]
    if not _is_whole(folder / "model.safetensors"):
        damaged.append(f"{folder / 'model.safetensors'} is cut")
    return damaged


def _is_whole(path: Path) -> bool:
    """Whether a safetensors file has the length that its header gives."""
    try:
        with safe_open(str(path), framework="numpy"):
            return True
    except (*UNREADABLE, SafetensorError):
        return False


def model_violations(folder: Path) -> dict[str, int]:
    """What a model folder lacks: files, readable parameters, finite parameters."""
    missing = {f"{name} exists": 1 for name in MODEL_FILES if not (folder / name).exists()}
    if missing:
        return missing
    try:
        tensors = load_file(folder / "model.safetensors")
    except (*UNREADABLE, SafetensorError):
        return {"model.safetensors can be read": 1}
    wrong = sum(not np.isfinite(tensor).all() for tensor in tensors.values())
    return {"parameters are finite": wrong} if wrong else {}


@dataclass(frozen=True)
class CardFolder:
    """The data set card."""

    resources: tuple[str, ...] = ("card_root",)
    description: str = "The files of the card exist."

    def version(self, resources: Resources, partition: str | None) -> str | None:
        return card_version(resources["card_root"])

    def damage(self, resources: Resources, partition: str | None) -> list[str]:
        root = resources["card_root"]
        missing = [f"{root / name} is missing" for name in CARD_FILES if not (root / name).exists()]
        return missing if len(missing) < len(CARD_FILES) else []

    def violations(self, resources: Resources, partition: str | None) -> dict[str, int]:
        return {f"{name} exists": 1 for name in CARD_FILES if not (resources["card_root"] / name).exists()}

    def repair(self, resources: Resources, partition: str | None) -> None:
        """Nothing: the files are replaced."""


@dataclass(frozen=True)
class MetadataFile:
    """The Croissant metadata of the lake."""

    resources: tuple[str, ...] = ("lake",)
    description: str = "The metadata exist, and every file that they name."

    def version(self, resources: Resources, partition: str | None) -> str | None:
        return metadata_version(resources["lake"].root)

    def damage(self, resources: Resources, partition: str | None) -> list[str]:
        """None: one file, which is there or was never made."""
        return []

    def violations(self, resources: Resources, partition: str | None) -> dict[str, int]:
        root = resources["lake"].root
        if not (root / FILE).exists():
            return {f"{FILE} exists": 1}
        file_sets = json.loads((root / FILE).read_text(encoding="utf-8"))["distribution"]
        listed = [each["includes"] if isinstance(each["includes"], list) else [each["includes"]] for each in file_sets]
        local = [path for paths in listed for path in paths if "://" not in path]
        missing = sum(not (root / path).exists() for path in local)
        return {"its files exist": missing} if missing else {}

    def repair(self, resources: Resources, partition: str | None) -> None:
        """Nothing: the file is replaced."""
