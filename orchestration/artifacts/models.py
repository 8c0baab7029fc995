"""Model folders and the data set card as artifacts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from assets.card.card import FILES as CARD_FILES
from assets.card.card import card_version
from assets.models.folder import MODEL_FILES, model_version
from assets.models.provenance import Provenance, ProvenanceError
from assets.models.store import discard_damaged
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
        return damaged_model(resources["model_root"] / self.name)

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
        Provenance.read(folder)
    except ProvenanceError as error:
        damaged.append(str(error))
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
