"""What the trainings of all models share: seeds, devices and model folders. See ``ml.harness`` for the loop."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from ml.files import file_hash, recover_folder, whole_folder
from ml.reading import json_document, parsed_lines


@dataclass(frozen=True)
class ModelFolder:
    """A trained model: parameters, configuration, metrics, inputs, and one history entry per epoch."""

    state: dict[str, torch.Tensor]
    config: dict[str, Any]
    metrics: dict[str, Any]
    history: list[dict[str, Any]]
    inputs: dict[str, Any]


def seed_everything(seed: int) -> None:
    """Start the generators of Python, numpy and torch from one seed."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name (cpu, cuda, mps); ``auto`` takes an accelerator if there is one.

    Raises:
        ValueError: this machine has no such device.
    """
    available = ["cpu"]
    available += ["mps"] if torch.backends.mps.is_available() else []
    available += ["cuda"] if torch.cuda.is_available() else []
    if name == "auto":
        return torch.device(available[-1])
    if name.split(":")[0] not in available:
        raise ValueError(f"device {name!r}: not on this machine; available are {', '.join(available)}")
    return torch.device(name)


def device_of(network: nn.Module) -> torch.device:
    """The device of a network's parameters."""
    return next(network.parameters()).device


def in_full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Where a model runs in half precision, a part that is too coarse for it runs in this context."""
    available = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if available else nullcontext()


def write_model_folder(
    path: Path,
    model_state: Mapping[str, torch.Tensor],
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    inputs: Mapping[str, Any],
) -> None:
    """Write a model folder, which replaces an older one at ``path`` when it is complete.

    After an interruption ``path`` has the old model or the new one, never a mixture.
    """
    with whole_folder(path) as new:
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in model_state.items()},
            new / "model.safetensors",
        )
        lines = (json.dumps(entry) + "\n" for entry in history)
        (new / "training.jsonl").write_text("".join(lines), encoding="utf-8")
        _write_json(new / "config.json", config)
        _write_json(new / "metrics.json", metrics)
        files = {name: file_hash(new / name) for name in ("metrics.json", "training.jsonl")}
        _write_json(new / "inputs.json", {**inputs, "files": files})


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_model_folder(path: Path) -> ModelFolder:
    """The model that ``write_model_folder`` wrote, with tensors on the CPU.

    Raises:
        FileNotFoundError: there is no model, or a file of it is missing.
        ValueError: a file of it is damaged.
    """
    recover_folder(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no model is there; train it first")
    config, metrics, inputs = (_json_object(path / f"{name}.json") for name in ("config", "metrics", "inputs"))
    inputs.pop("files", None)  # hashes of other files, which are not of the training
    history = list(parsed_lines(path / "training.jsonl", json.loads))
    weights = path / "model.safetensors"
    try:
        state = load_file(weights)
    except SafetensorError as error:
        raise ValueError(f"{weights}: damaged or not in the format safetensors ({error}); train it again") from error
    return ModelFolder(state, config, metrics, history, inputs)


def _json_object(path: Path) -> dict[str, Any]:
    value = json_document(path)
    if not isinstance(value, dict):
        raise ValueError(f"{path}: holds a JSON {type(value).__name__} instead of an object")
    return value
