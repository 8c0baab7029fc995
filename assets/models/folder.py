"""Model folders below the lake: their files, content version and size. Does not import torch."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

MODEL_FILES = ("model.safetensors", "config.json", "metrics.json", "training.jsonl", "inputs.json")
"""The files of a complete model folder."""


def model_version(folder: Path) -> str | None:
    """Content version of a trained model: its parameters and its configuration. None if there is no model."""
    digest = hashlib.sha256()
    for name in ("model.safetensors", "config.json"):
        if not (folder / name).exists():
            return None
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]


def model_size(folder: Path) -> tuple[int, int]:
    """The number of parameters of a trained model, and the bytes of the file that holds them."""
    from safetensors import safe_open

    path = folder / "model.safetensors"
    with safe_open(str(path), framework="numpy") as tensors:
        parameters = sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    return parameters, path.stat().st_size
