"""RoBERTa's weights and all of the authors' released HERO checkpoints as model folders of this project.

``howto convert hero`` converts a file; ``howto evaluate`` measures it. See ``ml.hero.checkpoint`` for the common part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ml.hero.checkpoint import (
    RETRIEVAL,
    ROBERTA_LAYERS,
    convert_released,
    convert_roberta,
    renamed,
    sources_of,
)
from ml.hero.config import HeroConfig
from ml.training import read_model_folder, write_model_folder
from ml.vision.presets import Weights
from ml.vision.weights import read_weights

_WHERE = Weights("the authors' repository or RoBERTa's model page", None)


@dataclass(frozen=True)
class Head:
    """The head of a task in the published layout.

    Args:
        marker: a name that only checkpoints of this task have.
        prefixes: of all names of the head, buffers included.
        modules: our modules within the network and theirs; ``*`` stands for query, key and value.
        whole: names of single parameters of attention, which are no module's weight or bias.
        zeros: biases that the published layers do not have. A softmax does not depend on them.
    """

    marker: str
    prefixes: tuple[str, ...]
    modules: Mapping[str, str]
    whole: Mapping[str, str]
    zeros: tuple[str, ...] = ()


def _two_layers(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}.0": f"{theirs}.linear_1", f"{ours}.2": f"{theirs}.LayerNorm", f"{ours}.3": f"{theirs}.linear_2"}


def _decoder_layer(number: int) -> dict[str, str]:
    ours, theirs = f"decoder.layers.{number}", f"decoder.layer.{number}"
    return {
        f"{ours}.self_attn.out_proj": f"{theirs}.add_norm_1.dense",
        f"{ours}.norm1": f"{theirs}.add_norm_1.LayerNorm",
        f"{ours}.multihead_attn.out_proj": f"{theirs}.add_norm_2.dense",
        f"{ours}.norm2": f"{theirs}.add_norm_2.LayerNorm",
        f"{ours}.linear1": f"{theirs}.intermidiate.dense",  # spelt so in the published code
        f"{ours}.linear2": f"{theirs}.add_norm_3.dense",
        f"{ours}.norm3": f"{theirs}.add_norm_3.LayerNorm",
    }


def _decoder_attention(number: int) -> dict[str, str]:
    ours, theirs = f"decoder.layers.{number}", f"decoder.layer.{number}"
    return {
        f"{ours}.{own}.in_proj_{part}": f"{theirs}.{other}.*.{part}"
        for own, other in (("self_attn", "self_attention"), ("multihead_attn", "dec_enc_attention"))
        for part in ("weight", "bias")
    }


HEADS: dict[str, Head] = {
    "question answering": Head(
        "qa_pool.weight",
        ("qa_pool.", "st_ed_pool.", "qa_pred_head.", "st_ed_pred_head."),
        _two_layers("head.answer", "qa_pred_head") | _two_layers("head.span", "st_ed_pred_head"),
        {"head.over_frames.score.weight": "qa_pool.weight", "head.over_answers.score.weight": "st_ed_pool.weight"},
        ("head.over_frames.score.bias", "head.over_answers.score.bias"),
    ),
    "video entailment": Head(
        "violin_pool.weight",
        ("violin_pool.", "violin_pred_head."),
        _two_layers("head.truth", "violin_pred_head"),
        {"head.over_frames.score.weight": "violin_pool.weight"},
        ("head.over_frames.score.bias",),
    ),
    "captioning": Head(
        "decoder.layer.0.intermidiate.dense.weight",
        ("position_embeddings.", "emb_LayerNorm.", "decoder.", "loss_func."),
        {"decoder.norm": "emb_LayerNorm"} | _decoder_layer(0) | _decoder_layer(1),
        {"decoder.position.weight": "position_embeddings.weight"} | _decoder_attention(0) | _decoder_attention(1),
    ),
}
"""Heads by kind, in the layouts of the classes HeroForVideoQA, HeroForViolin and HeroForTvc of the published code."""

BUFFERS = ("decoder.tri_mask", "loss_func.one_hot")
"""Constants of captioning that are saved with the parameters."""


def convert_file(source: Path, folder: Path) -> str:
    """Write the model folder of a file, and return what it holds: ``RoBERTa``, ``HERO``, or ``HERO for`` a task.

    Raises:
        ValueError: the file holds anything but tensors by name, or none of these models.
    """
    found, digest = read_weights("HERO", Weights(str(source), None), _WHERE)
    found = renamed(found)
    inputs = {"checkpoint": source.name, "sha256": digest}
    if not any(name.startswith("v_encoder.") for name in found):
        inputs["kind"] = "RoBERTa"
        write_model_folder(folder, convert_roberta(found), {"layers": ROBERTA_LAYERS}, {}, [], inputs)
        return "RoBERTa"
    kind = next((kind for kind, head in HEADS.items() if head.marker in found), None)
    inputs["kind"] = "HERO" if kind is None else f"HERO for {kind}"
    if kind is None:
        state, config = convert_released(found)
        write_model_folder(folder, state, {"model": asdict(config)}, {}, [], inputs)
    else:
        state, config = convert_with_head(found, kind)
        write_model_folder(folder, state, {"model": asdict(config), "task": kind}, {}, [], inputs)
    return inputs["kind"]


def convert_with_head(released: Mapping[str, Tensor], kind: str) -> tuple[dict[str, Tensor], HeroConfig]:
    """State of a task's network, ``model.`` and its head, and sizes of the model.

    The published layouts of these tasks have no parameters of retrieval; neither has the result.

    Raises:
        ValueError: tensors are missing, unknown or of shapes that do not fit the others; all of them are named.
    """
    head = HEADS[kind]
    own = {name: tensor for name, tensor in released.items() if name.startswith(head.prefixes)}
    rest = {name: tensor for name, tensor in released.items() if name not in own}
    sources = {
        f"{ours}.{part}": sources_of(f"{ours}.{part}", head.modules)
        for ours in head.modules
        for part in ("weight", "bias")
    }
    sources |= {ours: _three(theirs) for ours, theirs in head.whole.items()}
    known = {theirs for each in sources.values() for theirs in each}
    problems = [f"{name} is missing" for name in sorted(known) if name not in own]
    problems += [f"{name} is unknown" for name in own if name not in known and name not in BUFFERS]
    if problems:
        raise ValueError(f"not a released HERO for {kind}: {', '.join(problems)}")
    # Checkpoints that were fine-tuned from pre-training may have kept the parameters of retrieval.
    kept = any(name == "video_query_linear.weight" for name in rest)
    state, config = convert_released(rest, retrieval=kept)
    found = {f"model.{name}": tensor for name, tensor in state.items()}
    found |= {ours: torch.cat([own[theirs].float() for theirs in each]) for ours, each in sources.items()}
    return found | {name: torch.zeros(1) for name in head.zeros}, config


def load_network(folder: Path, network: nn.Module, kind: str | None) -> None:
    """Load a converted checkpoint into the network of a task, which is complete afterwards.

    Args:
        kind: the kind of the task in ``HEADS``; None for retrieval.

    Raises:
        ValueError: the folder holds a model of another kind, or of other sizes.
    """
    stored = read_model_folder(folder)
    given = stored.config.get("task")
    if given != kind:
        raise ValueError(f"{folder}: a HERO for {given or 'pre-training and retrieval'}, not for {kind or 'retrieval'}")
    prefix = "" if kind else "model."
    state = {prefix + name: tensor for name, tensor in stored.state.items()}
    try:
        missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ValueError(f"{folder}: {str(error).splitlines()[-1].strip()}") from error
    unused = tuple(f"model.{part}" for part in RETRIEVAL) if kind else ()
    absent = [name for name in missing if not (unused and name.startswith(unused))]
    if absent or unexpected:
        raise ValueError(f"{folder}: not the parameters of this task: {', '.join([*absent, *unexpected][:5])}")


def _three(theirs: str) -> list[str]:
    """The three names of a joint projection, or the one name of another parameter."""
    return [theirs.replace("*", each) for each in ("query", "key", "value")] if "*" in theirs else [theirs]
