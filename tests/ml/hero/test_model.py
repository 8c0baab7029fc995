"""The model's sizes, its outputs against a plain computation of single sequences, and its invariances."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ml.hero.attention import Encoder
from ml.hero.batch import END, aligned, collate, collate_texts
from ml.hero.config import PRESETS
from ml.hero.model import Hero
from tests.hero_videos import TINY, random_videos


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_published_sizes() -> None:
    model = Hero(PRESETS["paper"])
    mask = 2 * 4352
    assert {name: parameters(part) for name, part in model.named_children()} == {
        "cross_modal": 85_554_688 + mask,
        "frame_transform": 3_351_808,
        "temporal": 22_250_496 + mask,
        "query_encoder": 3_353_088,
        "frame_features": 3_938_816,
        "frame_order": 1_337_956,
        "language": 642_400,
        "moments": 590_592 + 10,
    }
    assert parameters(model) == 121_037_262
    assert [len(part.encoder.layers) for part in (model.cross_modal, model.temporal)] == [6, 3]
    weights = model.cross_modal.encoder.layers[0].fc1.weight
    assert float(weights.detach().std()) == pytest.approx(0.02, rel=0.01)


def transformer(encoder: Encoder, tokens: Tensor) -> Tensor:
    """Post-norm layers over one sequence ``[tokens, hidden]``, head by head."""
    for layer in encoder.layers:
        attention = layer.attention
        queries, keys, values = attention.queries_keys_values(tokens).chunk(3, 1)
        width = tokens.shape[1] // attention.heads
        heads = []
        for head in range(attention.heads):
            own = slice(head * width, (head + 1) * width)
            weights = (queries[:, own] @ keys[:, own].T / math.sqrt(width)).softmax(1)
            heads.append(weights @ values[:, own])
        attended = attention.norm(tokens + attention.output(torch.cat(heads, 1)))
        hidden = layer.fc1(attended)
        gelu = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        tokens = layer.norm(attended + layer.fc2(gelu))
    return tokens


def one_video(model: Hero, video) -> Tensor:
    """D.2 as written, a passage after the other."""
    f, c = model.cross_modal, model.temporal
    features = torch.from_numpy(video.features).double()
    said = torch.zeros(len(features), model.config.hidden, dtype=torch.float64)
    for passage in video.passages:
        own = list(passage.frames)
        frames = f.frame_norm(
            f.project(f.feature_norm(features[own])) + f.frame_positions.weight[: len(own)] + f.types.weight[1]
        )
        tokens = torch.tensor([END, *passage.tokens])
        text = f.text_norm(f.words(tokens) + f.positions.weight[: len(tokens)] + f.types.weight[1])
        said[own] = transformer(f.encoder, torch.cat([frames, text]))[: len(own)]
    transform = model.frame_transform
    fused = torch.relu(transform[2](transform[0](features))) + said
    return transformer(c.encoder, c.norm(fused + c.positions.weight[: len(fused)]))


def test_packed_videos_equal_single_sequences() -> None:
    torch.manual_seed(0)
    model = Hero(replace(TINY, cross_modal_layers=2)).double().eval()
    videos = [aligned(video, TINY) for video in random_videos(4)]
    batch = collate(videos)
    frames, mask = model.encode(batch._replace(frames=batch.frames.double()))
    assert mask.sum(1).tolist() == [len(video.features) for video in videos]
    for row, own, video in zip(frames, mask, videos, strict=True):
        torch.testing.assert_close(row[own], one_video(model, video), atol=1e-10, rtol=1e-8)


def test_a_query_vector_does_not_depend_on_the_other_queries() -> None:
    torch.manual_seed(0)
    model = Hero(TINY).double().eval()
    texts = [(5, 6, 7), (8,), (), (9, 10, 11)]
    queries = model.encode_query(collate_texts(texts))
    for text, query in zip(texts, queries, strict=True):
        torch.testing.assert_close(model.encode_query(collate_texts([text]))[0], query)

    encoder = model.query_encoder
    tokens = torch.tensor([0, 9, 10, 11])
    text = model.cross_modal
    states = transformer(
        text.encoder, text.text_norm(text.words(tokens) + text.positions.weight[:4] + text.types.weight[1])
    )
    projected = encoder.norm(torch.relu(encoder.project(encoder.input_norm(states))) + encoder.positions.weight[:4])
    block = nn.ModuleList([encoder.attention])
    seen = attention_alone(block[0], projected)
    expected = (encoder.weigh(seen).softmax(0) * seen).sum(0)
    torch.testing.assert_close(queries[3], expected)


def attention_alone(attention, tokens: Tensor) -> Tensor:
    queries, keys, values = (
        part.unflatten(1, (attention.heads, -1)) for part in attention.queries_keys_values(tokens).chunk(3, 1)
    )
    weights = (torch.einsum("qhd,khd->hqk", queries, keys) / math.sqrt(queries.shape[2])).softmax(2)
    mixed = torch.einsum("hqk,khd->qhd", weights, values).flatten(1)
    return attention.norm(tokens + attention.output(mixed))


def test_appended_text_changes_the_frames_of_its_video_only() -> None:
    torch.manual_seed(0)
    model = Hero(TINY).eval()
    videos = [aligned(video, TINY) for video in random_videos(2)]
    alone, _ = model.encode(collate(videos))
    appended, _ = model.encode(collate(videos, appended=[(5, 6), ()]))
    assert not torch.allclose(alone[0], appended[0])
    torch.testing.assert_close(alone[1], appended[1])
