"""The released layouts of HERO by name and shape, with random weights, and a dense forward that reads their names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ml.hero.config import HeroConfig

State = dict[str, Tensor]

F, C = "v_encoder.f_encoder", "v_encoder.c_encoder"


def _linear(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _layer(name: str, h: int) -> dict[str, tuple[int, ...]]:
    found = {}
    for each in ("query", "key", "value"):
        found |= _linear(f"{name}.attention.self.{each}", h, h)
    found |= _linear(f"{name}.attention.output.dense", h, h) | _norm(f"{name}.attention.output.LayerNorm", h)
    found |= _linear(f"{name}.intermediate.dense", 4 * h, h) | _linear(f"{name}.output.dense", h, 4 * h)
    return found | _norm(f"{name}.output.LayerNorm", h)


def _trunk(c: HeroConfig) -> dict[str, tuple[int, ...]]:
    h, d = c.hidden, c.frame_dim
    found: dict[str, tuple[int, ...]] = {
        "v_encoder.pad": (8, h),
        f"{F}.pad": (8, h),
        f"{F}.embeddings.word_embeddings.weight": (c.vocabulary, h),
        f"{F}.embeddings.position_embeddings.weight": (c.text_positions, h),
        f"{F}.embeddings.token_type_embeddings.weight": (2, h),
        f"{F}.img_embeddings.position_embeddings.weight": (c.max_frames, h),
        f"{F}.img_embeddings.mask_embedding.weight": (2, d),
        "v_encoder.mask_embedding.weight": (2, d),
        f"{C}.embeddings.position_embeddings.weight": (c.text_positions, h),
        f"{F}.lm_head.bias": (c.vocabulary,),
        f"{F}.lm_head.decoder.weight": (c.vocabulary, h),
    }
    found |= _norm(f"{F}.embeddings.LayerNorm", h) | _linear(f"{F}.img_embeddings.img_linear", h, d)
    found |= _norm(f"{F}.img_embeddings.img_LayerNorm", d) | _norm(f"{F}.img_embeddings.LayerNorm", h)
    found |= _linear(f"{F}.pooler.dense", h, h) | _linear(f"{C}.pooler.dense", h, h)
    found |= _linear(f"{F}.lm_head.dense", h, h) | _norm(f"{F}.lm_head.LayerNorm", h)
    found |= _norm("v_encoder.frame_transform.LayerNorm", d) | _linear("v_encoder.frame_transform.net.1", h, d)
    found |= _norm(f"{C}.embeddings.LayerNorm", h)
    found |= _linear("v_encoder.feat_regress.net.0", h, h) | _norm("v_encoder.feat_regress.net.2", h)
    found |= _linear("v_encoder.feat_regress.net.3", d, h)
    found |= _two_layers("v_encoder.fom_output", h, c.max_frames)
    for number in range(c.cross_modal_layers):
        found |= _layer(f"{F}.encoder.layer.{number}", h)
    for number in range(c.temporal_layers):
        found |= _layer(f"{C}.encoder.layer.{number}", h)
    return found


def _two_layers(name: str, h: int, outputs: int) -> dict[str, tuple[int, ...]]:
    first = _linear(f"{name}.linear_1", 2 * h, h) | _norm(f"{name}.LayerNorm", 2 * h)
    return first | _linear(f"{name}.linear_2", outputs, 2 * h)


def _retrieval(c: HeroConfig) -> dict[str, tuple[int, ...]]:
    h, q = c.hidden, "q_feat_attn"
    found: dict[str, tuple[int, ...]] = {"video_st_predictor.weight": (1, 1, 5), "video_ed_predictor.weight": (1, 1, 5)}
    found |= _linear("video_query_linear", h, h) | _norm(f"{q}.query_input_proj.LayerNorm", h)
    found |= _linear(f"{q}.query_input_proj.net.1", h, h) | _norm(f"{q}.query_pos_embed.LayerNorm", h)
    found |= {f"{q}.query_pos_embed.position_embeddings.weight": (c.text_positions, h)}
    for each in ("query", "key", "value"):
        found |= _linear(f"{q}.query_self_attention.self.{each}", h, h)
    found |= _linear(f"{q}.query_self_attention.output.dense", h, h)
    found |= _norm(f"{q}.query_self_attention.output.LayerNorm", h)
    return found | {f"{q}.modular_vector_mapping.weight": (1, h)}


def _captioning(c: HeroConfig) -> dict[str, tuple[int, ...]]:
    h = c.hidden
    found: dict[str, tuple[int, ...]] = {
        "position_embeddings.weight": (1024, h),
        "decoder.tri_mask": (1024, 1024),
        "loss_func.one_hot": (1, c.vocabulary),
    }
    found |= _norm("emb_LayerNorm", h)
    for number in range(2):
        layer = f"decoder.layer.{number}"
        for block in ("self_attention", "dec_enc_attention"):
            for each in ("query", "key", "value"):
                found |= _linear(f"{layer}.{block}.{each}", h, h)
        for block, inputs in (("add_norm_1", h), ("add_norm_2", h), ("add_norm_3", 4 * h)):
            found |= _linear(f"{layer}.{block}.dense", h, inputs) | _norm(f"{layer}.{block}.LayerNorm", h)
        found |= _linear(f"{layer}.intermidiate.dense", 4 * h, h)
    return found


def released(c: HeroConfig, kind: str, seed: int = 0, scale: float = 0.2) -> State:
    """A released checkpoint of a kind: pre-training, question answering, video entailment or captioning.

    ``scale`` is the deviation of its matrices.
    """
    h = c.hidden
    heads = {
        "pre-training": _retrieval(c),
        "question answering": {"qa_pool.weight": (1, h), "st_ed_pool.weight": (1, h)}
        | _two_layers("qa_pred_head", h, 1)
        | _two_layers("st_ed_pred_head", h, 2),
        "video entailment": {"violin_pool.weight": (1, h)} | _two_layers("violin_pred_head", h, 1),
        "captioning": _captioning(c),
    }
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in (_trunk(c) | heads[kind]).items():
        if name.endswith("LayerNorm.weight") or name == "v_encoder.feat_regress.net.2.weight":
            state[name] = torch.rand(shape, generator=generator) + 0.5
        else:
            state[name] = torch.randn(shape, generator=generator) * (scale if len(shape) > 1 else 0.1)
    state[f"{F}.lm_head.decoder.weight"] = state[f"{F}.embeddings.word_embeddings.weight"]
    for name in ("v_encoder.mask_embedding.weight", f"{F}.img_embeddings.mask_embedding.weight"):
        state[name][0] = 0
    return state


class PlainHero:
    """HERO as dense functions of the released names, in float64, one video at a time."""

    def __init__(self, state: State, heads: int) -> None:
        self.state, self.heads = {name: tensor.double() for name, tensor in state.items()}, heads

    def linear(self, x: Tensor, name: str) -> Tensor:
        return x @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    def norm(self, x: Tensor, name: str, eps: float = 1e-5) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return functional.layer_norm(x, x.shape[-1:], weight, bias, eps)

    def attention(self, x: Tensor, context: Tensor, name: str, mask: Tensor) -> Tensor:
        """``x[n, h]`` attends to ``context[m, h]`` where ``mask[n, m]`` is true; the additive mask is -10,000."""

        def split(y: Tensor) -> Tensor:
            return y.unflatten(-1, (self.heads, -1)).transpose(0, 1)

        queries, keys, values = (
            split(self.linear(given, f"{name}.{part}"))
            for given, part in ((x, "query"), (context, "key"), (context, "value"))
        )
        scores = queries @ keys.transpose(1, 2) / keys.shape[-1] ** 0.5 - 1e4 * (~mask).double()
        return (scores.softmax(-1) @ values).transpose(0, 1).flatten(1)

    def layers(self, x: Tensor, name: str, mask: Tensor | None = None) -> Tensor:
        known = torch.ones(len(x), len(x), dtype=torch.bool) if mask is None else mask.expand(len(x), -1)
        number = 0
        while f"{name}.{number}.output.dense.weight" in self.state:
            own = f"{name}.{number}"
            attended = self.linear(
                self.attention(x, x, f"{own}.attention.self", known), f"{own}.attention.output.dense"
            )
            x = self.norm(x + attended, f"{own}.attention.output.LayerNorm", 1e-12)
            hidden = functional.gelu(self.linear(x, f"{own}.intermediate.dense"))
            x = self.norm(x + self.linear(hidden, f"{own}.output.dense"), f"{own}.output.LayerNorm", 1e-12)
            number += 1
        return x

    def words(self, tokens: Sequence[int]) -> Tensor:
        name, places = f"{F}.embeddings", torch.arange(len(tokens))
        embedded = self.state[f"{name}.word_embeddings.weight"][list(tokens)]
        embedded = embedded + self.state[f"{name}.position_embeddings.weight"][places]
        return self.norm(embedded + self.state[f"{name}.token_type_embeddings.weight"][1], f"{name}.LayerNorm")

    def fused(self, features: Tensor, passages: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Tensor:
        """Each passage's frames, then ``</s>`` and its tokens, in the cross-modal transformer."""
        said = torch.zeros(len(features), self.state["v_encoder.pad"].shape[1], dtype=torch.float64)
        for frames, tokens in passages:
            name = f"{F}.img_embeddings"
            seen = self.linear(self.norm(features[list(frames)], f"{name}.img_LayerNorm"), f"{name}.img_linear")
            seen = seen + self.state[f"{name}.position_embeddings.weight"][: len(frames)]
            seen = self.norm(seen + self.state[f"{F}.embeddings.token_type_embeddings.weight"][1], f"{name}.LayerNorm")
            both = self.layers(torch.cat([seen, self.words([2, *tokens])]), f"{F}.encoder.layer")
            said[list(frames)] = both[: len(frames)]
        return said

    def frames(
        self,
        features: Tensor,
        passages: Sequence[tuple[Sequence[int], Sequence[int]]],
        appended: Sequence[int] = (),
        padding: int = 0,
    ) -> Tensor:
        """Contextual frames ``[frames + padding, h]``; padding has features of zeros and is attended by none."""
        said = self.fused(features, passages)
        given = functional.pad(features, (0, 0, 0, padding))
        name = "v_encoder.frame_transform"
        own = self.linear(self.norm(given, f"{name}.LayerNorm"), f"{name}.net.1").relu()
        x = own + functional.pad(said, (0, 0, 0, padding))
        x = x + self.state[f"{C}.embeddings.position_embeddings.weight"][: len(x)]
        x = self.norm(x, f"{C}.embeddings.LayerNorm")
        if appended:
            x = torch.cat([x, self.words(appended)])
        mask = torch.ones(len(x), dtype=torch.bool)
        mask[len(features) : len(given)] = False
        return self.layers(x, f"{C}.encoder.layer", mask)[: len(given)]

    def query(self, tokens: Sequence[int]) -> Tensor:
        x, q = self.layers(self.words([0, *tokens]), f"{F}.encoder.layer"), "q_feat_attn"
        x = self.linear(self.norm(x, f"{q}.query_input_proj.LayerNorm"), f"{q}.query_input_proj.net.1").relu()
        x = x + self.state[f"{q}.query_pos_embed.position_embeddings.weight"][: len(x)]
        x = self.norm(x, f"{q}.query_pos_embed.LayerNorm")
        everyone = torch.ones(len(x), len(x), dtype=torch.bool)
        mixed = self.attention(x, x, f"{q}.query_self_attention.self", everyone)
        mixed = self.linear(mixed, f"{q}.query_self_attention.output.dense")
        x = self.norm(x + mixed, f"{q}.query_self_attention.output.LayerNorm", 1e-12)
        weights = (x @ self.state[f"{q}.modular_vector_mapping.weight"][0]).softmax(0)
        return weights @ x

    def boundaries(self, query: Tensor, frames: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Logits of the first and the last of ``count`` frames; the convolutions read all rows of ``frames``."""
        track = (frames @ self.linear(query, "video_query_linear"))[None, None]
        return tuple(  # type: ignore[return-value]
            functional.conv1d(track, self.state[f"{name}.weight"], padding=2)[0, 0, :count]
            for name in ("video_st_predictor", "video_ed_predictor")
        )

    def two_layers(self, x: Tensor, name: str) -> Tensor:
        hidden = functional.gelu(self.linear(x, f"{name}.linear_1"))
        return self.linear(self.norm(hidden, f"{name}.LayerNorm"), f"{name}.linear_2")

    def pool(self, x: Tensor, name: str, axis: int) -> Tensor:
        return ((x @ self.state[f"{name}.weight"][0]).softmax(axis)[..., None] * x).sum(axis)

    def caption_states(self, tokens: Sequence[int], frames: Tensor) -> Tensor:
        """Logits of the vocabulary after each token."""
        x = self.state[f"{F}.embeddings.word_embeddings.weight"][list(tokens)]
        x = self.norm(x + self.state["position_embeddings.weight"][: len(tokens)], "emb_LayerNorm")
        causal = torch.ones(len(x), len(x), dtype=torch.bool).tril()
        everything = torch.ones(len(x), len(frames), dtype=torch.bool)
        for number in range(2):
            own = f"decoder.layer.{number}"
            for block, context, mask, then in (
                ("self_attention", None, causal, "add_norm_1"),
                ("dec_enc_attention", frames, everything, "add_norm_2"),
            ):
                mixed = self.attention(x, x if context is None else context, f"{own}.{block}", mask)
                x = self.norm(x + self.linear(mixed, f"{own}.{then}.dense"), f"{own}.{then}.LayerNorm", 1e-12)
            hidden = functional.gelu(self.linear(x, f"{own}.intermidiate.dense"))
            x = self.norm(x + self.linear(hidden, f"{own}.add_norm_3.dense"), f"{own}.add_norm_3.LayerNorm", 1e-12)
        x = functional.gelu(self.linear(x, f"{F}.lm_head.dense"))
        x = self.norm(x, f"{F}.lm_head.LayerNorm")
        return x @ self.state[f"{F}.embeddings.word_embeddings.weight"].T + self.state[f"{F}.lm_head.bias"]
