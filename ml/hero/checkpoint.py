"""Names of RoBERTa's weights and of the authors' released checkpoints, and ours.

The names are those of the published code; they were not tried on a released file, because none was available. See
``ml.hero.downstream.released`` for the heads of downstream tasks, and for files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ml.hero.config import HeroConfig
from ml.hero.model import Hero

ROBERTA_LAYERS = (1, 3, 5, 7, 9, 11)
"""The six of RoBERTa's twelve layers, from 0, that initialise the cross-modal transformer, as published."""
HEAD_WIDTH = 64

_ATTENTION = {"output": "output.dense", "norm": "output.LayerNorm"}
_LAYER = {
    **{f"attention.{ours}": f"attention.{theirs}" for ours, theirs in _ATTENTION.items()},
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "norm": "output.LayerNorm",
}
_TEXT = {
    "words": "embeddings.word_embeddings",
    "positions": "embeddings.position_embeddings",
    "types": "embeddings.token_type_embeddings",
    "text_norm": "embeddings.LayerNorm",
}
_FRAMES = {
    "mask": "img_embeddings.mask_embedding",
    "feature_norm": "img_embeddings.img_LayerNorm",
    "project": "img_embeddings.img_linear",
    "frame_positions": "img_embeddings.position_embeddings",
    "frame_norm": "img_embeddings.LayerNorm",
    "encoder.pooler": "pooler.dense",
}
_REST = {
    "language.dense": "v_encoder.f_encoder.lm_head.dense",
    "language.norm": "v_encoder.f_encoder.lm_head.LayerNorm",
    "language": "v_encoder.f_encoder.lm_head",
    "frame_transform.0": "v_encoder.frame_transform.LayerNorm",
    "frame_transform.2": "v_encoder.frame_transform.net.1",
    "temporal.mask": "v_encoder.mask_embedding",
    "temporal.positions": "v_encoder.c_encoder.embeddings.position_embeddings",
    "temporal.norm": "v_encoder.c_encoder.embeddings.LayerNorm",
    "temporal.encoder.pooler": "v_encoder.c_encoder.pooler.dense",
    "frame_features.0": "v_encoder.feat_regress.net.0",
    "frame_features.2": "v_encoder.feat_regress.net.2",
    "frame_features.3": "v_encoder.feat_regress.net.3",
    "frame_order.0": "v_encoder.fom_output.linear_1",
    "frame_order.2": "v_encoder.fom_output.LayerNorm",
    "frame_order.3": "v_encoder.fom_output.linear_2",
    "moments.query": "video_query_linear",
    "moments.start": "video_st_predictor",
    "moments.end": "video_ed_predictor",
    "query_encoder.input_norm": "q_feat_attn.query_input_proj.LayerNorm",
    "query_encoder.project": "q_feat_attn.query_input_proj.net.1",
    "query_encoder.positions": "q_feat_attn.query_pos_embed.position_embeddings",
    "query_encoder.norm": "q_feat_attn.query_pos_embed.LayerNorm",
    "query_encoder.attention.output": "q_feat_attn.query_self_attention.output.dense",
    "query_encoder.attention.norm": "q_feat_attn.query_self_attention.output.LayerNorm",
    "query_encoder.weigh": "q_feat_attn.modular_vector_mapping",
}
UNUSED = ("v_encoder.pad", "v_encoder.f_encoder.pad", "v_encoder.f_encoder.lm_head.decoder.weight")
"""Buffers of zeros, and a second copy of the word embedding."""


RETRIEVAL = ("moments.", "query_encoder.")
"""Parts of a ``Hero`` that only checkpoints of pre-training and retrieval have."""


def renamed(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors with the names of old layer norms, ``gamma`` and ``beta``, as ``weight`` and ``bias``."""
    ends = {".gamma": ".weight", ".beta": ".bias"}
    return {
        next((name.removesuffix(old) + new for old, new in ends.items() if name.endswith(old)), name): tensor
        for name, tensor in found.items()
    }


def convert_released(released: Mapping[str, Tensor], retrieval: bool = True) -> tuple[dict[str, Tensor], HeroConfig]:
    """State and sizes of a ``Hero`` from a released checkpoint; without ``retrieval``, without the parts RETRIEVAL.

    Raises:
        ValueError: tensors are missing, unknown or of shapes that do not fit the others; all of them are named.
    """
    words, project = f"{_F}.embeddings.word_embeddings.weight", f"{_F}.img_embeddings.img_linear.weight"
    order, positions = "v_encoder.fom_output.linear_2.weight", f"{_F}.embeddings.position_embeddings.weight"
    absent = [name for name in (words, project, order, positions) if name not in released]
    if absent:
        raise ValueError(f"not a released HERO: {', '.join(absent)} missing")
    vocabulary, hidden = released[words].shape
    config = HeroConfig(
        vocabulary=vocabulary,
        frame_dim=released[project].shape[1],
        hidden=hidden,
        heads=max(1, hidden // HEAD_WIDTH),
        cross_modal_layers=_layers_in(released, f"{_F}.encoder"),
        temporal_layers=_layers_in(released, "v_encoder.c_encoder.encoder"),
        max_frames=released[order].shape[0],
        text_positions=released[positions].shape[0],
    )
    with torch.device("meta"):
        wanted = Hero(config).state_dict()
    names = _names(config)
    wanted = {name: tensor for name, tensor in wanted.items() if retrieval or not name.startswith(RETRIEVAL)}
    sources = {ours: sources_of(ours, names) for ours in wanted}
    known = {theirs for each in sources.values() for theirs in each}
    problems = [f"{theirs} is missing" for theirs in sorted(known) if theirs not in released]
    problems += [f"{theirs} is unknown" for theirs in released if theirs not in known and theirs not in UNUSED]
    if not problems:
        state = {ours: torch.cat([released[theirs].float() for theirs in each]) for ours, each in sources.items()}
        problems = [
            f"{sources[ours][0]} makes {list(state[ours].shape)}, but the others need {list(tensor.shape)}"
            for ours, tensor in wanted.items()
            if state[ours].shape != tensor.shape
        ]
    if problems:
        raise ValueError(f"not a released HERO: {', '.join(problems)}")
    return state, config


def convert_roberta(roberta: Mapping[str, Tensor], layers: Sequence[int] = ROBERTA_LAYERS) -> dict[str, Tensor]:
    """The part of a ``Hero``'s state that RoBERTa has: words, positions and layers of the cross-modal transformer.

    The vocabulary is padded to a multiple of 8 with zeros; text and frames both use RoBERTa's only type.

    Raises:
        ValueError: tensors are missing; all of them are named.
    """
    plain = {name.removeprefix("roberta."): tensor.float() for name, tensor in roberta.items()}
    names = {f"cross_modal.{ours}": theirs for ours, theirs in _TEXT.items()}
    for ours, theirs in enumerate(layers):
        names |= _layer(f"cross_modal.encoder.layers.{ours}", f"encoder.layer.{theirs}")
    head = {"language.dense": "lm_head.dense", "language.norm": "lm_head.layer_norm", "language": "lm_head"}
    names |= head if "lm_head.bias" in plain else {}
    parts = {
        f"{ours}.{part}": sources_of(f"{ours}.{part}", names)
        for ours, theirs in names.items()
        for part in ("weight", "bias")
        if not (theirs == "lm_head" and part == "weight")
        and not (ours.split(".")[-1] in ("words", "positions", "types") and part == "bias")
    }
    problems = sorted({theirs for each in parts.values() for theirs in each if theirs not in plain})
    if problems:
        raise ValueError(f"not RoBERTa's weights: {', '.join(problems)} missing")
    state = {ours: torch.cat([plain[theirs] for theirs in each]) for ours, each in parts.items()}
    state["cross_modal.types.weight"] = state["cross_modal.types.weight"][:1].expand(2, -1).contiguous()
    for name in ("cross_modal.words.weight", "language.bias"):
        if name in state:
            missing = -len(state[name]) % 8
            state[name] = torch.cat([state[name], state[name].new_zeros(missing, *state[name].shape[1:])])
    return state


_F = "v_encoder.f_encoder"


def _names(config: HeroConfig) -> dict[str, str]:
    """Our modules and theirs."""
    names = {f"cross_modal.{ours}": f"{_F}.{theirs}" for ours, theirs in {**_TEXT, **_FRAMES}.items()} | _REST
    names |= _attention("query_encoder.attention", "q_feat_attn.query_self_attention")
    for layer in range(config.cross_modal_layers):
        names |= _layer(f"cross_modal.encoder.layers.{layer}", f"{_F}.encoder.layer.{layer}")
    for layer in range(config.temporal_layers):
        names |= _layer(f"temporal.encoder.layers.{layer}", f"v_encoder.c_encoder.encoder.layer.{layer}")
    return names


def _layer(ours: str, theirs: str) -> dict[str, str]:
    named = {f"{ours}.{one}": f"{theirs}.{other}" for one, other in _LAYER.items()}
    return named | _attention(f"{ours}.attention", f"{theirs}.attention")


def _attention(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}.queries_keys_values": f"{theirs}.self.*"}


def sources_of(ours: str, names: Mapping[str, str]) -> list[str]:
    """Names of the released tensors whose concatenation is one of ours."""
    module, _, part = ours.rpartition(".")
    theirs = names[module]
    if not theirs.endswith(".*"):
        return [f"{theirs}.{part}"]
    return [f"{theirs.removesuffix('*')}{each}.{part}" for each in ("query", "key", "value")]


def _layers_in(state: Mapping[str, Tensor], encoder: str) -> int:
    numbers = (re.match(rf"{re.escape(encoder)}\.layer\.(\d+)\.", name) for name in state)
    return 1 + max((int(found[1]) for found in numbers if found), default=-1)
