"""Folders of text-video models with random weights, in the published layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ml.vision.s3d import GatedS3D

TEXT = {"context_length": 32, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
VISION = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8}
CONFIGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "clip": (
        {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT},
        {
            "mean": [0.48145466, 0.4578275, 0.40821073],
            "std": [0.26862954, 0.26130258, 0.27577711],
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    ),
    "siglip": (
        {
            "embed_dim": 24,
            "init_logit_bias": -10,
            "custom_text": True,
            "vision_cfg": VISION,
            "text_cfg": {**TEXT, "no_causal_mask": True, "pool_type": "last", "proj_bias": True},
        },
        {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"},
    ),
    "timm": (
        {
            "embed_dim": 24,
            "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "token", "image_size": 160},
            "text_cfg": TEXT,
        },
        {"mean": [0.0] * 3, "std": [1.0] * 3, "interpolation": "bilinear", "resize_mode": "shortest"},
    ),
}
"""Small models of three architectures, with the preprocessing of CLIP, of SigLIP 2 and of MobileCLIP."""


def open_clip_folder(root: Path, kind: str) -> Path:
    """A folder as open_clip reads it by ``local-dir:``."""
    import open_clip

    model_config, preprocessing = CONFIGS[kind]
    folder = root / kind
    folder.mkdir()
    config = {"model_cfg": model_config, "preprocess_cfg": preprocessing}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(1)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "model.safetensors")
    return folder


WORDS = ["whisk", "the", "eggs", "fold", "Pan", "it's"]


def s3d_state(thinner: int, space_to_depth: bool, dimension: int = 12) -> dict[str, Tensor]:
    """Random weights of S3D with its text tower under the published names."""
    generator = torch.Generator().manual_seed(2)
    network = GatedS3D(thinner, space_to_depth)
    state = {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
    shapes = {
        "fc.weight": (dimension, network.dim),
        "fc.bias": (dimension,),
        "text_module.word_embd.weight": (len(WORDS) + 1, 10),
        "text_module.fc1.weight": (20, 10),
        "text_module.fc1.bias": (20,),
        "text_module.fc2.weight": (dimension, 20),
        "text_module.fc2.bias": (dimension,),
    }
    state |= {name: torch.empty(shape) for name, shape in shapes.items()}
    for name, tensor in state.items():
        if tensor.ndim > 1:
            tensor.normal_(0, 1.6 * tensor[0].numel() ** -0.5, generator=generator)
        elif name.endswith(("weight", "var")):
            tensor.uniform_(0.5, 1.5, generator=generator)
        else:
            tensor.normal_(0, 0.1, generator=generator)
    return state


def s3d_folder(root: Path, thinner: int, space_to_depth: bool) -> Path:
    """The authors' two files; weights of the training program are wrapped and have a prefix. Returns the weights."""
    root.mkdir(parents=True, exist_ok=True)
    state = s3d_state(thinner, space_to_depth)
    wrapped = {"epoch": 1, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}
    torch.save(state if space_to_depth else wrapped, root / "s3d_howto100m.pth")
    np.save(root / "s3d_dict.npy", np.array(WORDS))
    return root / "s3d_howto100m.pth"
