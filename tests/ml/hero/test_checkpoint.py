"""Conversion of published layouts: the same outputs, every tensor in its place, errors for others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from ml.hero.batch import aligned, collate, collate_texts
from ml.hero.checkpoint import convert_released, convert_roberta
from ml.hero.downstream.released import convert_file
from ml.hero.model import Hero
from tests.hero_videos import TINY, random_videos

CONFIG = replace(TINY, hidden=64, heads=1, cross_modal_layers=2)


def their_layer(ours: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """A layer's tensors under the names of the published code."""
    found = {}
    for part in ("weight", "bias"):
        parts = ours[f"{prefix}.attention.queries_keys_values.{part}"].chunk(3)
        for name, tensor in zip(("query", "key", "value"), parts, strict=True):
            found[f"attention.self.{name}.{part}"] = tensor.clone()
        for one, other in (
            ("attention.output", "attention.output.dense"),
            ("attention.norm", "attention.output.LayerNorm"),
            ("fc1", "intermediate.dense"),
            ("fc2", "output.dense"),
            ("norm", "output.LayerNorm"),
        ):
            if f"{prefix}.{one}.{part}" in ours:
                found[f"{other}.{part}"] = ours[f"{prefix}.{one}.{part}"]
    return found


def released(model: Hero) -> dict[str, Tensor]:
    """The model's state in the published layout."""
    ours = model.state_dict()
    found: dict[str, Tensor] = {"v_encoder.pad": torch.zeros(8, 64), "v_encoder.f_encoder.pad": torch.zeros(8, 64)}

    def put(theirs: str, mine: str, parts: tuple[str, ...] = ("weight", "bias")) -> None:
        for part in parts:
            found[f"{theirs}.{part}"] = ours[f"{mine}.{part}"]

    f, weight = "v_encoder.f_encoder", ("weight",)
    put(f"{f}.embeddings.word_embeddings", "cross_modal.words", weight)
    put(f"{f}.embeddings.position_embeddings", "cross_modal.positions", weight)
    put(f"{f}.embeddings.token_type_embeddings", "cross_modal.types", weight)
    put(f"{f}.embeddings.LayerNorm", "cross_modal.text_norm")
    put(f"{f}.img_embeddings.img_linear", "cross_modal.project")
    put(f"{f}.img_embeddings.img_LayerNorm", "cross_modal.feature_norm")
    put(f"{f}.img_embeddings.position_embeddings", "cross_modal.frame_positions", weight)
    put(f"{f}.img_embeddings.mask_embedding", "cross_modal.mask", weight)
    put(f"{f}.img_embeddings.LayerNorm", "cross_modal.frame_norm")
    put(f"{f}.pooler.dense", "cross_modal.encoder.pooler")
    put(f"{f}.lm_head.dense", "language.dense")
    put(f"{f}.lm_head.LayerNorm", "language.norm")
    found[f"{f}.lm_head.bias"] = ours["language.bias"]
    found[f"{f}.lm_head.decoder.weight"] = ours["cross_modal.words.weight"]
    put("v_encoder.frame_transform.LayerNorm", "frame_transform.0")
    put("v_encoder.frame_transform.net.1", "frame_transform.2")
    put("v_encoder.mask_embedding", "temporal.mask", weight)
    put("v_encoder.c_encoder.embeddings.position_embeddings", "temporal.positions", weight)
    put("v_encoder.c_encoder.embeddings.LayerNorm", "temporal.norm")
    put("v_encoder.c_encoder.pooler.dense", "temporal.encoder.pooler")
    for number in (0, 2, 3):
        put(f"v_encoder.feat_regress.net.{number}", f"frame_features.{number}")
    for theirs, number in (("linear_1", 0), ("LayerNorm", 2), ("linear_2", 3)):
        put(f"v_encoder.fom_output.{theirs}", f"frame_order.{number}")
    put("video_query_linear", "moments.query")
    put("video_st_predictor", "moments.start", weight)
    put("video_ed_predictor", "moments.end", weight)
    put("q_feat_attn.query_input_proj.LayerNorm", "query_encoder.input_norm")
    put("q_feat_attn.query_input_proj.net.1", "query_encoder.project")
    put("q_feat_attn.query_pos_embed.position_embeddings", "query_encoder.positions", weight)
    put("q_feat_attn.query_pos_embed.LayerNorm", "query_encoder.norm")
    put("q_feat_attn.modular_vector_mapping", "query_encoder.weigh", weight)
    block = their_layer(ours, "query_encoder").items()
    found |= {
        f"q_feat_attn.query_self_attention.{name.removeprefix('attention.')}": tensor
        for name, tensor in block
        if name.startswith("attention.")
    }
    for number in range(CONFIG.cross_modal_layers):
        layer = their_layer(ours, f"cross_modal.encoder.layers.{number}")
        found |= {f"{f}.encoder.layer.{number}.{name}": tensor for name, tensor in layer.items()}
    for number in range(CONFIG.temporal_layers):
        layer = their_layer(ours, f"temporal.encoder.layers.{number}")
        found |= {f"v_encoder.c_encoder.encoder.layer.{number}.{name}": tensor for name, tensor in layer.items()}
    return found


@pytest.fixture
def model() -> Hero:
    torch.manual_seed(3)
    return Hero(CONFIG).eval()


def test_a_released_checkpoint_computes_the_same(model: Hero, tmp_path: Path) -> None:
    torch.save(released(model), tmp_path / "hero.pt")
    assert convert_file(tmp_path / "hero.pt", tmp_path / "model") == "HERO"
    converted = Hero.from_pretrained(tmp_path / "model")
    sizes = ("vocabulary", "frame_dim", "hidden", "heads", "cross_modal_layers", "temporal_layers", "max_frames")
    assert all(getattr(converted.config, name) == getattr(CONFIG, name) for name in sizes)
    batch, texts = collate([aligned(video, CONFIG) for video in random_videos(3)]), collate_texts([(5, 6), (7,)])
    torch.testing.assert_close(converted.encode(batch)[0], model.encode(batch)[0])
    torch.testing.assert_close(converted.encode_query(texts), model.encode_query(texts))
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(converted.state_dict()[name], tensor, msg=name)


def test_tensors_that_do_not_fit_are_named(model: Hero, tmp_path: Path) -> None:
    state = released(model)
    del state["video_query_linear.bias"]
    with pytest.raises(ValueError, match=r"video_query_linear.bias is missing, qa_pool.weight is unknown"):
        convert_released({**state, "qa_pool.weight": torch.zeros(1)})
    misshapen = {**released(model), "video_query_linear.weight": torch.zeros(3, 64)}
    with pytest.raises(ValueError, match=r"video_query_linear.weight makes \[3, 64\], but the others need \[64, 64\]"):
        convert_released(misshapen)
    (tmp_path / "broken.pt").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"broken.pt cannot be read as weights"):
        convert_file(tmp_path / "broken.pt", tmp_path / "model")


def roberta(hidden: int = 64, layers: int = 12, words: int = 37) -> dict[str, Tensor]:
    """Random weights in the layout of RoBERTa."""
    torch.manual_seed(0)
    shapes = {
        "embeddings.word_embeddings.weight": (words, hidden),
        "embeddings.position_embeddings.weight": (514, hidden),
        "embeddings.token_type_embeddings.weight": (1, hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    linear = {"attention.output.dense": (hidden, hidden), "intermediate.dense": (4 * hidden, hidden)}
    linear |= {f"attention.self.{name}": (hidden, hidden) for name in ("query", "key", "value")}
    linear |= {"output.dense": (hidden, 4 * hidden)}
    for layer in range(layers):
        for name, shape in linear.items():
            shapes[f"encoder.layer.{layer}.{name}.weight"] = shape
            shapes[f"encoder.layer.{layer}.{name}.bias"] = shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"encoder.layer.{layer}.{name}.{part}": (hidden,) for part in ("weight", "bias")}
    return {f"roberta.{name}": torch.randn(shape) for name, shape in shapes.items()}


def test_every_other_layer_of_roberta_initialises_the_cross_modal_transformer(tmp_path: Path) -> None:
    given = roberta()
    config = replace(CONFIG, vocabulary=40, cross_modal_layers=6)
    save_file(given, tmp_path / "roberta.safetensors")
    assert convert_file(tmp_path / "roberta.safetensors", tmp_path / "model") == "RoBERTa"
    state = convert_roberta(given)
    model = Hero(config)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    assert not [name for name in missing if name.startswith(("cross_modal.words", "cross_modal.encoder.layers"))]
    for ours, theirs in enumerate((1, 3, 5, 7, 9, 11)):
        layer, name = model.cross_modal.encoder.layers[ours], f"roberta.encoder.layer.{theirs}"
        torch.testing.assert_close(layer.fc1.weight.detach(), given[f"{name}.intermediate.dense.weight"])
        values = layer.attention.queries_keys_values.weight.detach().chunk(3)[2]
        torch.testing.assert_close(values, given[f"{name}.attention.self.value.weight"])
    types = given["roberta.embeddings.token_type_embeddings.weight"]
    assert torch.equal(model.cross_modal.types.weight.detach(), torch.cat([types, types]))
    assert torch.equal(model.cross_modal.words.weight[37:].detach(), torch.zeros(3, 64))
    del given["roberta.encoder.layer.3.output.dense.bias"]
    with pytest.raises(ValueError, match=r"not RoBERTa's weights: encoder.layer.3.output.dense.bias missing"):
        convert_roberta(given)
