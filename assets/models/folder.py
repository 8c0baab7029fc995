"""Model folders below the lake: where they are, and what version their content has. Free of torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

MODEL = "howto/model"
"""Metadata key of an asset that is a model: the name of its folder."""


MODEL_FILES = ("model.safetensors", "config.json", "metrics.json", "training.jsonl", "inputs.json")
"""What a whole model folder holds."""


def model_version(folder: Path) -> str | None:
    """Content version of a trained model: its parameters and its configuration. None if there is no model."""
    digest = hashlib.sha256()
    for name in ("model.safetensors", "config.json"):
        if not (folder / name).exists():
            return None
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]
