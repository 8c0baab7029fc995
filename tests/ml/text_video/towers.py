"""Folders of text-video models with random weights, in the published layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import Replace
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer
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
    "siglip2": (
        {
            "embed_dim": 24,
            "init_logit_bias": -10,
            "custom_text": True,
            "vision_cfg": VISION,
            "text_cfg": {
                **TEXT,
                "context_length": 16,
                "vocab_size": 60,
                "hf_tokenizer_name": "somewhere/else",
                "tokenizer_kwargs": {"clean": "canonicalize"},
                "no_causal_mask": True,
                "pool_type": "last",
                "proj_bias": True,
            },
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
"""Small models with the preprocessing of CLIP, of SigLIP, of SigLIP 2 with its own tokenizer, and of MobileCLIP."""


def write_tokenizer(folder: Path, vocabulary: int = 50) -> Tokenizer:
    """Files of a tokenizer with the class, the marks and the end of SigLIP 2's. Returns it."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokenizer = Tokenizer(BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = Replace(" ", "▁")
    texts = ["whisk the eggs and fold them", "it is a pan of eggs"]
    tokenizer.train_from_iterator(texts, BpeTrainer(vocab_size=vocabulary, special_tokens=special, show_progress=False))
    tokenizer.post_processor = TemplateProcessing(single="$A:0 <eos>:0", special_tokens=[("<eos>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {f"{name}_token": f"<{name}>" for name in ("pad", "eos", "bos", "unk")}
    sides = {"add_bos_token": False, "add_eos_token": True, "padding_side": "right"}
    config = {"tokenizer_class": "GemmaTokenizer", **sides, **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return tokenizer


def open_clip_folder(root: Path, kind: str) -> Path:
    """A folder as open_clip reads it by ``local-dir:``, with a tokenizer where the model has its own."""
    import open_clip

    model_config, preprocessing = CONFIGS[kind]
    folder = root / kind
    folder.mkdir()
    config = {"model_cfg": model_config, "preprocess_cfg": preprocessing}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(1)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    if "hf_tokenizer_name" in model_config["text_cfg"]:
        write_tokenizer(folder)
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
