"""The joint embedding against plain float64 loops, its pairs by hand, and that it learns."""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from hypothesis import given
from hypothesis import strategies as st

from ml.distributed import gather
from ml.gradient_caching import backward
from ml.harness import Runtime
from ml.joint_embedding.bags import bags
from ml.joint_embedding.job import Job
from ml.joint_embedding.loss import max_margin_ranking_loss, mil_nce_loss
from ml.joint_embedding.model import GatedEmbedding, JointEmbedding, SentenceEncoder
from ml.joint_embedding.pair_store import PairStore, StoredPairs
from ml.joint_embedding.pairs import (
    InMemoryPairs,
    Stream,
    VideoPairs,
    grow,
    nearest_captions,
    spread_pairs,
    video_pairs,
)
from ml.joint_embedding.train import Config, EmbeddingTask, evaluate, train
from ml.metrics.retrieval import chance
from ml.text.word_vectors import MAX_WORDS, WordVectors
from ml.training import read_model_folder, write_model_folder


def gated(x: list[float], unit: GatedEmbedding) -> list[float]:
    """Section 4.2 as written, one number at a time."""

    def linear(x: list[float], layer: torch.nn.Linear) -> list[float]:
        return [
            sum(w * value for w, value in zip(row, x, strict=True)) + b
            for row, b in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
        ]

    y = linear(x, unit.project)
    z = [value / (1 + math.exp(-gate)) for value, gate in zip(y, linear(y, unit.gate), strict=True)]
    length = math.sqrt(sum(value**2 for value in z))
    return [value / length for value in z]


@pytest.mark.parametrize("mask_padding", [False, True])
def test_scores_equal_the_plain_formula(mask_padding: bool) -> None:
    torch.manual_seed(0)
    model = JointEmbedding(5, 3, 4, sentence_dim=6, mask_padding=mask_padding).double()
    video, words = torch.randn(4, 5, dtype=torch.float64), torch.randn(3, 4, 3, dtype=torch.float64)
    words[1, 2:] = 0
    scores = model(video, words)
    assert scores.shape == (3, 4)
    layer = model.sentence.word
    for caption in range(3):
        slots = [slot for slot in words[caption].tolist() if any(slot) or not mask_padding]
        hidden = [
            [max(0.0, sum(w * x for w, x in zip(row, slot, strict=True)) + b) for slot in slots]
            for row, b in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
        ]
        text = gated([max(unit) for unit in hidden], model.text)
        for clip in range(4):
            expected = sum(a * b for a, b in zip(text, gated(video[clip].tolist(), model.video), strict=True))
            assert scores[caption, clip].item() == pytest.approx(expected, abs=1e-9)


def test_parameter_count_of_the_paper() -> None:
    with torch.device("meta"):
        model = JointEmbedding()
    units = sum(each.numel() for unit in (model.video, model.text) for each in unit.parameters())
    assert units == 67_125_248
    assert units + sum(each.numel() for each in model.sentence.parameters()) == 68_358_144


@pytest.mark.parametrize(("videos", "pairs", "share"), [(3, 4, 0.5), (2, 3, 0.8), (5, 1, 0.5), (1, 4, 0.5)])
def test_loss_and_gradient_equal_the_plain_formula(videos: int, pairs: int, share: float) -> None:
    torch.manual_seed(videos)
    n, margin = videos * pairs, 0.1
    video_of_pair = torch.arange(videos).repeat_interleave(pairs)
    x = (torch.randn(n, n, dtype=torch.float64) * 0.1).requires_grad_()
    loss = max_margin_ranking_loss(x, video_of_pair, margin, share)
    loss.backward()
    total, gradient = 0.0, np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            same = video_of_pair[i] == video_of_pair[j]
            m = 1.0
            if videos > 1 and pairs > 1:
                m = videos * share if same else videos * (1 - share) / (videos - 1)
            for own in (i, j):
                cost = margin + x[i, j].item() - x[own, own].item()
                if cost > 0:
                    total += m * cost / n**2
                    gradient[i, j] += m / n**2
                    gradient[own, own] -= m / n**2
    assert loss.item() == pytest.approx(total, abs=1e-10)
    assert x.grad is not None
    assert np.allclose(x.grad.numpy(), gradient, atol=1e-12)


def test_intra_video_pairs_have_their_share_of_the_weight() -> None:
    # With scores of 0 every term is the margin, so the loss is the sum of the weights.
    videos, pairs, margin = 32, 64, 0.1
    video_of_pair = torch.arange(videos).repeat_interleave(pairs)
    loss = max_margin_ranking_loss(torch.zeros(2048, 2048), video_of_pair, margin, 0.5)
    intra = videos * pairs**2 * (videos * 0.5) / 2048**2
    assert intra == pytest.approx(0.5)
    assert loss.item() == pytest.approx(2 * margin * (intra + 0.5), rel=1e-5)


def test_short_captions_are_extended_by_the_neighbour_with_the_shorter_span() -> None:
    start, end = np.array([0.0, 2, 4, 9, 10]), np.array([2.0, 4, 6, 10, 11])
    counts = [1, 1, 1, 1, 1]
    assert grow(2, start, end, counts, 5.0, 0) == [2, 1, 0]  # 4 s back against 6 s ahead, then 6 s against 8 s
    assert grow(3, start, end, counts, 2.0, 0) == [3, 4]
    assert grow(0, start, end, counts, 5.0, 0) == [0, 1, 2]  # only one neighbour at the border
    assert grow(1, start, end, counts, 3.0, 0) == [1, 0]  # equal spans: the previous one
    assert grow(1, start, end, counts, 99.0, 0) == [1, 0, 2, 3, 4]  # the whole video is not enough
    assert grow(2, start, end, counts, 0.0, 0) == [2]
    assert grow(2, start, end, [1, 3, 1, 2, 1], 0.0, 3) == [2, 3]  # without a time, fewer words


def test_pairs_without_features_or_words_are_left_out_and_counted() -> None:
    features = np.eye(4, dtype=np.float16)
    start = np.array([0.0, 1, 2, 7])
    captions = ["whisk", "…", "pour batter", "serve"]
    video = video_pairs([Stream(features, 1.0)], start, start + 1, captions, min_time_s=0.5)
    assert video.start_s.tolist() == [0, 2]
    assert video.captions == ["whisk", "pour batter"]
    assert (video.without_words, video.without_rows) == (1, 1)
    # Rows int(s·r) … int(e·r) inclusive.
    assert video.vectors[0].tolist() == pytest.approx([0.5**0.5, 0.5**0.5, 0, 0], abs=1e-3)


def test_stored_pairs_are_those_in_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = WordVectors(["whisk", "pour"], np.eye(2, 3, dtype=np.float32))
    captions = [["whisk", "um"], ["er"], ["pour whisk", "um", "pour"], ["pour"] * 5]
    named_videos = []
    for own in captions:
        seconds = np.arange(float(len(own)))
        stream = Stream(rng.standard_normal((len(own) + 1, 4)).astype(np.float16), 1.0)
        named_videos.append(video_pairs([stream], seconds, seconds + 0.9, own, min_time_s=0))
    named = [(f"v{index}", video) for index, video in enumerate(named_videos)]
    store = PairStore(tmp_path)
    places = [*store.write("shard-0000", named[:3], 4), *store.write("shard-0001", named[3:], 4)]
    wanted = [place for place in places if place.video_id != "v2"]
    for chosen in (places, wanted):
        stored = pickle.loads(pickle.dumps(StoredPairs(store, chosen, words)))
        kept = {place.video_id for place in chosen}
        memory = InMemoryPairs([(each.vectors, each.captions) for name, each in named if name in kept], words)
        assert stored.offsets.tolist() == memory.offsets.tolist()
        assert stored.without_words == sum(place.pairs for place in chosen) - stored.offsets[-1] > 0
        every = rng.permutation(stored.offsets[-1]).repeat(2)
        for ours, theirs in zip(stored.take(every), memory.take(every), strict=True):
            assert np.array_equal(ours, theirs)


def toy(videos: int, rng: np.random.Generator, concepts: np.ndarray, words: WordVectors) -> InMemoryPairs:
    """Videos in which a second shows one of the concepts and its caption says its word among noise words."""

    def video() -> tuple[np.ndarray, list[str]]:
        shown = rng.integers(len(concepts), size=12)
        features = (concepts[shown] + 0.3 * rng.standard_normal((12, concepts.shape[1]))).astype(np.float16)
        captions = [f"w{concept} w{int(rng.integers(12, 16))}" for concept in shown]
        seconds = np.arange(12.0)
        pairs = video_pairs([Stream(features, 1.0)], seconds, seconds + 0.9, captions, min_time_s=0)
        return pairs.vectors, pairs.captions

    return InMemoryPairs([video() for _ in range(videos)], words)


def toy_world() -> tuple[InMemoryPairs, InMemoryPairs, WordVectors]:
    rng = np.random.default_rng(0)
    concepts = rng.standard_normal((12, 16))
    words = WordVectors([f"w{index}" for index in range(16)], rng.standard_normal((16, 8)).astype(np.float32))
    return toy(40, rng, concepts, words), toy(2, rng, concepts, words), words


CPU = Runtime(device="cpu")
SMALL = Config(embedding_dim=32, epochs=8, videos_per_batch=8, pairs_per_video=8, learning_rate=3e-3)


@pytest.mark.parametrize("objective", ["max_margin", "mil_nce"])
def test_training_improves_retrieval_and_is_reproducible(objective: Literal["max_margin", "mil_nce"]) -> None:
    learning, held_out, words = toy_world()
    config = replace(SMALL, objective=objective, candidates=1)
    reported: list[dict[str, float]] = []
    model, history = train(learning, held_out, words, config, CPU, reported.append)
    assert [{**entry, "of": 8} for entry in history] == reported
    assert [entry["epoch"] for entry in history] == list(range(1, 9))
    assert history[-1]["loss"] < history[0]["loss"]
    metrics = evaluate(model, *spread_pairs(held_out, 100), torch.from_numpy(words.padded))
    assert metrics["queries"] == 24
    assert metrics["R@5"] > 2.5 * chance(24)["R@5"]
    assert metrics["R@10"] == max(entry["validation_R@10"] for entry in history)
    again, _ = train(learning, held_out, words, config, CPU)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


@pytest.mark.parametrize("objective", ["max_margin", "mil_nce"])
def test_batches_computed_in_parts_give_the_same_model(objective: Literal["max_margin", "mil_nce"]) -> None:
    learning, held_out, words = toy_world()
    config = replace(SMALL, epochs=2, objective=objective)
    whole, _ = train(learning, held_out, words, config, CPU)
    parts, _ = train(learning, held_out, words, config, replace(CPU, part_tokens=10 * MAX_WORDS))
    for name, tensor in whole.state_dict().items():
        assert torch.allclose(tensor, parts.state_dict()[name], atol=1e-5), name


@pytest.mark.parametrize("objective", ["max_margin", "mil_nce"])
def test_the_loss_is_computed_in_float32_of_embeddings_in_half_precision(
    objective: Literal["max_margin", "mil_nce"],
) -> None:
    learning, _, words = toy_world()
    config = replace(SMALL, objective=objective)
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=True, mixed_precision="bf16")
    task = EmbeddingTask(learning, None, words, config, torch.device("cpu"))
    (part,) = task.batches(0, 0, 1)
    in_full_precision = task.network(part)["video"]
    network = accelerator.prepare(task.network)
    rows = network(part)
    expected = task.losses(rows, 0, gather)["loss"]
    found = backward(network, [part], lambda rows: task.losses(rows, 0, gather), accelerator)["loss"]
    AcceleratorState._reset_state(reset_partial_state=True)
    assert not torch.equal(rows["video"], in_full_precision)
    assert found.dtype == torch.float32 and torch.equal(found.detach(), expected.detach())


def job_of_the_toy_world(tmp_path: Path, config: Config) -> Job:
    """A job whose pairs and word vectors are stored."""
    learning, held_out, words = toy_world()
    store = PairStore(tmp_path / "pairs")
    places = {
        name: store.write(name, [(f"{name}{index:02d}", video) for index, video in enumerate(videos(source))], 16)
        for name, source in (("train", learning), ("validation", held_out))
    }
    write_model_folder(
        tmp_path / "words", {"vectors": torch.from_numpy(words.vectors)}, {"words": words.words}, {}, [], {}
    )
    return Job(
        output=tmp_path / "model",
        word_vectors=tmp_path / "words",
        pairs=str(store.root),
        training=places["train"],
        validation=places["validation"],
        config=config,
        runtime=replace(CPU, tensorboard=tmp_path / "curves"),
        provenance={"lake_snapshot": 7},
    )


def test_of_equal_epochs_the_last_is_kept_and_recorded(tmp_path: Path) -> None:
    job_of_the_toy_world(tmp_path, replace(SMALL, epochs=3, learning_rate=1e-12)).run()
    made = read_model_folder(tmp_path / "model")
    assert len({entry["validation_R@10"] for entry in made.history}) == 1
    assert made.metrics["epoch"] == 3


def test_a_job_of_two_processes_learns_what_one_learns(tmp_path: Path) -> None:
    config = replace(SMALL, epochs=2)
    one, history = train(*toy_world(), config, CPU)
    job = job_of_the_toy_world(tmp_path, config)
    job.write(tmp_path / "job.json")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*torchrun, "-m", "ml.joint_embedding.job", "--job", str(tmp_path / "job.json")]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    two = read_model_folder(tmp_path / "model")
    assert [entry["loss"] for entry in two.history] == pytest.approx([entry["loss"] for entry in history], rel=1e-3)
    assert two.inputs["lake_snapshot"] == 7
    assert any((tmp_path / "curves").iterdir())
    for name, tensor in one.state_dict().items():
        assert torch.allclose(tensor, two.state[name], atol=1e-3), name


def videos(source: InMemoryPairs) -> list[VideoPairs]:
    """The videos of a source, to be stored; vectors in memory are half precision already."""
    return [
        VideoPairs(
            np.arange(float(stop - first)),
            np.arange(float(stop - first)) + 0.9,
            [" ".join(f"w{word - 1}" for word in row if word) for row in source.ids[first:stop]],
            source.vectors[first:stop].astype(np.float16),
            0,
            0,
        )
        for first, stop in zip(source.offsets[:-1], source.offsets[1:], strict=True)
    ]


class KilledError(Exception):
    """Simulates a kill between two steps."""


def test_an_interrupted_training_resumes_exactly(tmp_path: Path) -> None:
    learning, held_out, words = toy_world()
    whole, history = train(learning, held_out, words, SMALL, CPU)
    runtime = replace(CPU, checkpoints=tmp_path / "checkpoints", checkpoint_every_s=0)

    def killed_at(step: int) -> None:
        class Dying(InMemoryPairs):
            taken = 0

            def __init__(self) -> None:
                self.__dict__.update(learning.__dict__)

            def take(self, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
                self.taken += 1
                if self.taken > step:
                    raise KilledError
                return super().take(pairs)

        with pytest.raises(KilledError):
            train(Dying(), held_out, words, SMALL, runtime)

    for step in (3, 9, 1):
        killed_at(step)
    resumed, continued = train(learning, held_out, words, SMALL, runtime)
    timeless = [
        {name: value for name, value in entry.items() if name not in ("seconds", "items_per_s")} for entry in history
    ]
    for entry, expected in zip(continued, timeless, strict=True):
        assert {name: entry[name] for name in expected} == expected
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    assert not runtime.checkpoints.exists() if runtime.checkpoints else False


def test_distinct_words_give_the_same_scores_and_gradients() -> None:
    torch.manual_seed(0)
    table = torch.randn(9, 3, dtype=torch.float64)
    table[0] = 0
    ids = torch.tensor([[1, 2, 1, 0], [3, 3, 3, 3], [0, 0, 0, 0], [4, 8, 7, 6]])
    for mask_padding in (False, True):
        model = JointEmbedding(5, 3, 4, mask_padding=mask_padding).double()
        weights = torch.randn(4, 4, dtype=torch.float64)
        gradients = []
        for text in (model.encode_text(table[ids]), model.encode_bags(bags(ids.numpy()), table)):
            model.zero_grad()
            (text * weights).sum().backward()
            gradients.append(
                (text.detach(), [each.grad.clone() for each in model.parameters() if each.grad is not None])
            )
        torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("captions", [0, 50])
def test_the_maximum_over_words_has_the_gradient_of_torch_to_the_bit(captions: int) -> None:
    torch.manual_seed(0)
    encoder, table = SentenceEncoder(3, 8), torch.randn(30, 3)
    ids = torch.randint(30, (captions, 6)) * (torch.arange(6) < torch.randint(7, (captions, 1)))
    ours = bags(ids.numpy())
    hidden = torch.relu(encoder.word(table[ours.distinct]))
    weights, gradients = torch.randn(captions, 8), []
    for maximum in (
        encoder.of_bags(ours, table),
        torch.nn.functional.embedding_bag(torch.searchsorted(ours.distinct, ids), hidden, mode="max"),
    ):
        (gradient,) = torch.autograd.grad((maximum * weights).sum(), [encoder.word.weight])
        gradients.append((maximum, gradient))
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


@given(st.integers(1, 5).flatmap(lambda width: st.lists(st.lists(st.integers(0, 9), min_size=width, max_size=width))))
def test_bags_have_the_words_of_each_caption_and_at_most_one_slot_without_a_word(captions: list[list[int]]) -> None:
    ids = np.array(captions, np.int64).reshape(len(captions), -1 if captions else 1)
    distinct, slots, begin = bags(ids)
    assert distinct.tolist() == np.unique(ids).tolist()
    assert begin.tolist()[:1] == [0] * len(captions[:1])
    for own, expected in zip(torch.tensor_split(distinct[slots], begin[1:]), captions, strict=bool(captions)):
        words = [word for word in expected if word]
        assert [word for word in own.tolist() if word] == words
        assert own.tolist().count(0) == (len(words) < len(expected))


def test_mil_nce_equals_the_plain_formula() -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 5, 3, dtype=torch.float64)
    total = 0.0
    for i in range(5):
        positives = sum(math.exp(x[i, i, c]) for c in range(3))
        everything = sum(math.exp(x[i, j, c]) + math.exp(x[j, i, c]) for j in range(5) for c in range(3))
        total -= math.log(positives / everything) / 5
    assert mil_nce_loss(x).item() == pytest.approx(total, abs=1e-10)


def test_the_bag_of_positives_stays_in_the_video() -> None:
    pairs, first, stop = np.array([10, 11, 14, 20]), np.array([10, 10, 10, 20]), np.array([15, 15, 15, 22])
    bags = nearest_captions(pairs, first, stop, 4)
    assert bags.tolist() == [[10, 11, 12, 13], [10, 11, 12, 13], [11, 12, 13, 14], [20, 21, 21, 21]]


def test_no_pair_is_an_error() -> None:
    words = WordVectors([], np.empty((0, 3), np.float32))
    with pytest.raises(ValueError, match="nothing to train on"):
        train(InMemoryPairs([], words), None, words, Config(), CPU)
