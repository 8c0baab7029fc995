"""The authors' released checkpoint as a model folder of this project.

``howto convert joint_embedding`` converts a file.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ml.files import file_hash
from ml.training import write_model_folder

MODULES = {
    "text_pooling.fc": "sentence.word",
    "GU_text.fc": "text.project",
    "GU_text.cg.fc": "text.gate",
    "GU_video.fc": "video.project",
    "GU_video.cg.fc": "video.gate",
}
"""Released names of the linear layers, and ours."""
UNUSED = ("GU_text.cg.batch_norm.", "GU_video.cg.batch_norm.")
"""Parameters of the released network that it never applies."""


def convert(released: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """State of a ``JointEmbedding`` and its arguments, from a released state dict.

    Raises:
        ValueError: a tensor is missing, unknown or of a shape that does not fit the others; all of them are named.
    """
    wanted = {f"{theirs}.{part}": f"{ours}.{part}" for theirs, ours in MODULES.items() for part in ("weight", "bias")}
    problems = [f"{name} is missing" for name in wanted if name not in released]
    problems += [f"{name} is unknown" for name in released if name not in wanted and not name.startswith(UNUSED)]
    if problems:
        raise ValueError(f"not a released joint embedding: {', '.join(problems)}")
    state = {ours: released[theirs].float() for theirs, ours in wanted.items()}
    matrices = [name for name in wanted if name.endswith("weight") and released[name].dim() != 2]
    if matrices:
        raise ValueError(f"not a released joint embedding: {', '.join(matrices)} must be matrices")
    embedding_dim, video_dim = state["video.project.weight"].shape
    sentence_dim, word_dim = state["sentence.word.weight"].shape
    rows_columns = {
        "sentence.word": (sentence_dim, word_dim),
        "text.project": (embedding_dim, sentence_dim),
        "text.gate": (embedding_dim, embedding_dim),
        "video.project": (embedding_dim, video_dim),
        "video.gate": (embedding_dim, embedding_dim),
    }
    shapes = {name: tuple(tensor.shape) for name, tensor in released.items()}
    for theirs, ours in MODULES.items():
        shape = rows_columns[ours]
        for name, expected in ((f"{theirs}.weight", shape), (f"{theirs}.bias", shape[:1])):
            if shapes[name] != expected:
                problems.append(f"{name} is {list(shapes[name])}, but the others need {list(expected)}")
    if problems:
        raise ValueError(f"not one joint embedding: {', '.join(problems)}")
    config = {
        "video_dim": video_dim,
        "word_dim": word_dim,
        "embedding_dim": embedding_dim,
        "sentence_dim": sentence_dim,
        "mask_padding": False,
        "unit_length": True,
    }
    return state, config


def convert_file(source: Path, folder: Path) -> dict[str, Any]:
    """Write the model folder of a released ``.pth`` file, and return the model's arguments.

    Raises:
        ValueError: the file holds anything but tensors by name, or they are not those of a joint embedding.
    """
    try:
        released = torch.load(source, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"{source}: holds other objects than tensors") from error
    if not isinstance(released, dict) or not all(isinstance(each, Tensor) for each in released.values()):
        raise ValueError(f"{source}: need tensors by name, as torch.save(model.state_dict(), ...) writes them")
    try:
        state, config = convert(released)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    digest = file_hash(source)
    inputs = {"checkpoint": source.name, "sha256": digest}
    write_model_folder(folder, state, config={"model": config}, metrics={}, history=[], inputs=inputs)
    return config
