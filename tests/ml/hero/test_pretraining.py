"""Pre-training tasks against plain loops, over processes and in parts; training lowers their losses."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from ml.files import content_hash
from ml.harness import Runtime
from ml.hero.batch import aligned, key_of
from ml.hero.model import Hero
from ml.hero.pretraining import fom, mfm, mlm, vsm
from ml.hero.pretraining.as_published import initialise_as_published
from ml.hero.pretraining.train import TASKS, PreTraining, Settings, draw, pretrain
from ml.hero.ranking import LossSettings, QueryBatch, VideoBatch, wrong_pairs
from tests.hero_videos import TINY, VOCABULARY, Videos, random_video, random_videos
from tests.training import step_of

CPU = Runtime(device="cpu")
CPU_DEVICE = torch.device("cpu")
SEEDS = range(3)


def alone(rows: torch.Tensor) -> torch.Tensor:
    return rows


def drawn(task: str, seed: int = 0, count: int = 4):
    videos = [aligned(video, TINY) for video in random_videos(count, seed)]
    generators = [np.random.default_rng((seed, number)) for number in range(count)]
    return videos, draw(task, videos, generators, range(count), VOCABULARY)


@pytest.fixture
def model() -> Hero:
    torch.manual_seed(1)
    return Hero(TINY).eval()


def softmax_loss(logits: np.ndarray, right: int) -> float:
    logits = logits.astype(np.float64)
    return float(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[right])


@pytest.mark.parametrize("seed", SEEDS)
def test_words_are_masked_and_predicted_as_in_a_plain_loop(model: Hero, seed: int) -> None:
    videos, batch = drawn("mlm", seed)
    original = [token for video in videos for passage in video.passages for token in (0, *passage.tokens)]
    assert [original[place] for place in batch.chosen.tolist()] == batch.words.tolist()
    changed = [n for n, (old, new) in enumerate(zip(original, batch.batch.tokens.tolist(), strict=True)) if old != new]
    assert set(changed) <= set(batch.chosen.tolist())
    assert len(batch.chosen) >= sum(bool(passage.tokens) for video in videos for passage in video.passages)

    _, text = model.cross_modal(batch.batch)
    logits = model.language(text).detach().numpy()
    expected = [softmax_loss(logits[n], w) for n, w in zip(batch.chosen.tolist(), batch.words.tolist(), strict=True)]
    assert float(mlm.loss(mlm.rows(model, batch), alone).detach()) == pytest.approx(np.mean(expected), rel=1e-5)


def test_15_percent_of_words_are_chosen_and_most_become_the_mask() -> None:
    video = replace(aligned(random_video(0), TINY), passages=(vsm.Passage((0,), (5,) * 20_000),))
    batch = mlm.draw([video], [np.random.default_rng(0)], VOCABULARY)
    new = batch.batch.tokens[batch.chosen]
    assert len(new) == pytest.approx(3000, rel=0.05)
    assert float((new == VOCABULARY.mask).float().mean()) == pytest.approx(0.8, abs=0.03)
    assert float((new == 5).float().mean()) == pytest.approx(0.1 + 0.1 / 35, abs=0.03)


@pytest.mark.parametrize("seed", SEEDS)
def test_losses_of_hidden_frames_equal_a_plain_loop(model: Hero, seed: int) -> None:
    _, batch = drawn("mnce", seed)
    outputs = model.frame_features(model.contextual(batch.batch, batch.masked)).detach().numpy().astype(np.float64)
    features, masked = batch.batch.frames.numpy().astype(np.float64), batch.masked.numpy()
    choices = [*features[masked], *outputs[~masked]]
    losses = [
        softmax_loss(np.array([p @ choice for choice in choices]), right) for right, p in enumerate(outputs[masked])
    ]
    found = mfm.contrastive_loss(mfm.contrastive_rows(model, batch), alone)
    assert float(found.detach()) == pytest.approx(np.mean(losses), rel=1e-5)

    distances = [math.dist(p, r) for p, r in zip(outputs[masked], features[masked], strict=True)]
    found = mfm.regression_loss(mfm.regression_rows(model, batch), alone)
    assert float(found.detach()) == pytest.approx(np.mean(distances), rel=1e-5)


def test_a_hidden_frame_is_hidden_in_both_transformers(model: Hero) -> None:
    _, batch = drawn("mnce")
    other = batch.batch.frames.clone()
    other[batch.masked] = 5.0
    seen = model.contextual(batch.batch, batch.masked)
    torch.testing.assert_close(seen, model.contextual(batch.batch._replace(frames=other), batch.masked))
    assert not torch.allclose(seen, model.contextual(batch.batch))


@pytest.mark.parametrize("seed", SEEDS)
def test_frames_are_shuffled_within_their_video(model: Hero, seed: int) -> None:
    _, batch = drawn("fom", seed)
    places = np.arange(len(batch.shuffle))
    moved = places[batch.shuffle.numpy() != places]
    assert set(moved) <= set(batch.picked.tolist())
    ends = batch.batch.lengths.cumsum(0).numpy()
    assert (np.searchsorted(ends, batch.shuffle.numpy(), "right") == np.searchsorted(ends, places, "right")).all()
    assert (np.bincount(np.searchsorted(ends, batch.picked.numpy(), "right"), minlength=4) >= 2).all()

    frames = model.contextual(batch.batch, shuffle=batch.shuffle)
    logits = model.frame_order(frames).detach().numpy()
    original = batch.batch.frame_places[batch.shuffle]
    losses = [softmax_loss(logits[place], int(original[place])) for place in batch.picked.tolist()]
    assert float(fom.loss(fom.rows(model, batch), alone).detach()) == pytest.approx(np.mean(losses), rel=1e-5)


def test_a_video_of_one_frame_without_text_has_nothing_to_predict(model: Hero) -> None:
    video = aligned(replace(random_video(0), features=random_video(0).features[:1], subtitles=[]), TINY)
    generator = [np.random.default_rng(0)]
    assert float(fom.loss(fom.rows(model, fom.draw([video], generator)), alone).detach()) == 0
    assert float(mlm.loss(mlm.rows(model, mlm.draw([video], generator, VOCABULARY)), alone).detach()) == 0
    given = vsm.rows(model, vsm.draw([video], generator, [0]), with_spans=True)
    assert float(vsm.loss(given, alone, LossSettings(), 0).detach()) == 0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("keep_false_negatives", [True, False])
def test_matching_losses_equal_a_plain_loop(model: Hero, seed: int, keep_false_negatives: bool) -> None:
    videos, batch = drawn("vsm", seed)
    settings = LossSettings(keep_false_negatives=keep_false_negatives)
    queries = model.encode_query(batch.texts).double()
    frames, mask = model.encode(batch.batch)
    frames = frames.double()

    def cosine(query: int, video: int) -> float:
        own = frames[video][mask[video]]
        return max(float(torch.cosine_similarity(queries[query], frame, 0).detach()) for frame in own)

    hinge = {"videos": [], "queries": []}
    number = range(len(queries))
    for q in number:
        own = int(batch.of_video[q])
        hinge["videos"] += [max(0, 0.1 + cosine(q, v) - cosine(q, own)) for v in range(4) if v != own]
        hinge["queries"] += [
            max(0, 0.1 + cosine(p, own) - cosine(q, own)) for p in number if int(batch.of_video[p]) != own
        ]
    spans = []
    for q in number:
        v = int(batch.of_video[q])
        own = frames[v][mask[v]]
        similarity = [float((model.moments.query(queries[q].float()).double() @ frame).detach()) for frame in own]
        track = np.array([0, 0, *similarity, 0, 0])
        for convolution, right in ((model.moments.start, batch.first[q]), (model.moments.end, batch.last[q])):
            kernel = convolution.weight.detach().double().flatten().numpy()
            logits = np.array([track[t : t + 5] @ kernel for t in range(len(similarity))])
            spans.append(2 * softmax_loss(logits, int(right)))
    expected = 8 * np.mean(hinge["videos"]) + 8 * np.mean(hinge["queries"]) + 0.01 * np.mean(spans)
    found = vsm.loss(vsm.rows(model, batch, with_spans=True), alone, settings, 0)
    assert float(found.detach()) == pytest.approx(expected, rel=1e-4)
    assert [len(text) for text in (batch.sentences, batch.first)] == [5 * 4, 5 * 4]
    silent = [token for token in batch.batch.tokens.tolist() if token != 2]
    assert len(silent) < sum(len(passage.tokens) for video in videos for passage in video.passages)


def test_false_negatives_are_dropped_unless_the_published_behaviour_is_selected() -> None:
    keys = [key_of(name) for name in ("a", "b", "a", "c")]
    said = [key_of(text) for text in ("fold", "cut", "glue", "cut")]
    items = torch.arange(4)
    texts = QueryBatch(torch.zeros(4, 2), items, torch.tensor(keys), torch.tensor(said))
    batch_videos = VideoBatch(torch.zeros(4, 2), torch.ones(4, dtype=torch.int64), items, torch.tensor(keys))
    published = wrong_pairs(texts, batch_videos, keep_false_negatives=True)
    assert published.tolist() == (~torch.eye(4, dtype=torch.bool)).tolist()
    left_out = published & ~wrong_pairs(texts, batch_videos, keep_false_negatives=False)
    # The same video under another number, and the video in which another says the same.
    assert left_out.nonzero().tolist() == [[0, 2], [1, 3], [2, 0], [3, 1]]


@pytest.mark.parametrize("task", TASKS)
def test_parts_of_a_batch_have_the_loss_and_gradient_of_the_whole(task: str) -> None:
    found = []
    settings = Settings({task: 1}, steps=2, warm_up=0, batch=6, span_share=1.0)
    for tokens, videos in ((None, [6]), (110, [2, 1, 2, 1]), (1, [1] * 6)):
        torch.manual_seed(0)
        learner = PreTraining(random_videos(8), None, VOCABULARY, Hero(TINY), settings, torch.device("cpu"))
        learner.batches = replace(learner.batches, part_tokens=tokens)
        assert [len(part.tokens) for part in learner.batches(0, 0, 1)] == videos
        losses = step_of(learner)
        gradients = [p.grad for p in learner.network.parameters() if p.grad is not None]
        found.append((float(losses["loss"].detach()), gradients))
    (whole, gradients), *divided = found
    for parts, gradients_of_parts in divided:
        assert parts == pytest.approx(whole, rel=1e-5)
        for one, other in zip(gradients, gradients_of_parts, strict=True):
            torch.testing.assert_close(other, one, atol=1e-6, rtol=1e-4)


def test_validation_in_parts_gives_the_same_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    settings = Settings(dict.fromkeys(TASKS, 1), steps=2, warm_up=0, batch=6)
    learner = PreTraining(random_videos(4), random_videos(8), VOCABULARY, Hero(TINY), settings, CPU_DEVICE)
    whole = learner.validate()
    assert set(whole) == {f"validation_{task}" for task in TASKS}
    monkeypatch.setattr("ml.hero.pretraining.train.VALIDATED_AT_ONCE", 1)
    assert learner.validate() == pytest.approx(whole, rel=1e-5)


def test_the_tokens_of_a_part_are_those_of_its_sequences() -> None:
    learner = PreTraining(random_videos(8), None, VOCABULARY, Hero(TINY), replace(ALL, shares={"fom": 1}), CPU_DEVICE)
    for part in learner.batches.in_parts(120)(0, 0, 1):
        packed = part.drawn.batch.packing.lengths.sum() + part.drawn.batch.video_packing.lengths.sum()
        assert sum(part.tokens) == int(packed)


def test_a_checkpoint_of_settings_with_videos_per_part_is_resumed() -> None:
    learner = PreTraining(random_videos(8), None, VOCABULARY, Hero(TINY), ALL, CPU_DEVICE)
    settings = asdict(ALL)
    first = {name: settings[name] for name in list(settings)[:-2]}
    earlier = {**first, "chunk_videos": None, "seed": 77, "as_published": False}
    start = [float(tensor.double().sum()) for tensor in learner.model.state_dict().values()]
    data = (earlier, asdict(TINY), "random videos", VOCABULARY, start)
    assert learner.identity == content_hash(data, digits=64)


def test_as_published_ranking_has_a_sixteenth_of_its_gradient_and_other_parts_start_as_torch_does() -> None:
    losses = {}
    for published in (False, True):
        settings = Settings({"vsm": 1}, steps=2, warm_up=0, batch=6, span_share=0.0, as_published=published)
        torch.manual_seed(0)
        losses[published] = step_of(PreTraining(random_videos(8), None, VOCABULARY, Hero(TINY), settings, CPU_DEVICE))
    assert float(losses[True]["vsm"].detach()) == pytest.approx(float(losses[False]["vsm"].detach()) / 16)
    torch.manual_seed(0)
    model = Hero(TINY)
    assert model.query_encoder.positions.weight.std() < 0.03 and not model.cross_modal.mask.weight[0].any()
    words = model.cross_modal.words.weight.clone()
    initialise_as_published(model)
    assert model.query_encoder.positions.weight.std() > 0.9
    assert 0.2 < float(model.moments.query.weight.detach().abs().max()) <= 1 / math.sqrt(TINY.hidden)
    assert model.cross_modal.mask.weight[0].any() and not model.temporal.mask.weight[0].any()
    assert torch.equal(model.cross_modal.words.weight, words)


ALL = Settings(
    dict.fromkeys(TASKS, 1), steps=20, warm_up=2, batch=6, learning_rate=1e-3, validate_every=10, span_share=0.5
)
TWO_PROCESSES = """
import sys, torch
from ml.harness import Runtime
from ml.hero.pretraining.train import pretrain
from tests.hero_videos import TINY, VOCABULARY, random_videos
from tests.ml.hero.test_pretraining import ALL
model, history = pretrain(random_videos(16), random_videos(4, 100), VOCABULARY, TINY, ALL, Runtime(device="cpu"))
if torch.distributed.get_rank() == 0:
    torch.save({"state": model.state_dict(), "history": history}, sys.argv[1])
"""


@pytest.mark.campaign
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    model, history = pretrain(random_videos(16), random_videos(4, 100), VOCABULARY, TINY, ALL, CPU)
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
    subprocess.run([*command, str(tmp_path / "model.pt")], check=True, env=environment)
    two = torch.load(tmp_path / "model.pt")
    names = ("loss", *TASKS)
    for entry, other in zip(history, two["history"], strict=True):
        assert [other[name] for name in names] == pytest.approx([entry[name] for name in names], rel=1e-3)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(two["state"][name], tensor, atol=1e-3, rtol=1e-2, msg=name)


def test_training_lowers_every_loss_on_videos_with_order_and_matching_words() -> None:
    def descriptive_video(seed: int):
        """The features of each frame encode its position; each subtitle names the half of the video that it is in."""
        video = random_video(seed)
        frames = len(video.features)
        rng = np.random.default_rng(seed)
        features = 0.1 * rng.normal(size=video.features.shape).astype(np.float32)
        colour = rng.integers(4)
        features[:, colour] += 2
        features[np.arange(frames), 4 + np.arange(frames) * 8 // frames] += 2
        lines = [line._replace(tokens=(4 + colour, 8 + int(line.start_s > 6), 4 + colour)) for line in video.subtitles]
        return replace(video, features=features, subtitles=lines)

    learning, held_out = (Videos([descriptive_video(seed) for seed in seeds]) for seeds in (range(60), range(100, 116)))
    settings = replace(ALL, steps=300, warm_up=20, batch=16, validate_every=60, learning_rate=3e-3)
    _, history = pretrain(learning, held_out, VOCABULARY, TINY, settings, CPU)
    first, last = history[0], history[-1]
    for task in TASKS:
        assert last[f"validation_{task}"] < 0.9 * first[f"validation_{task}"], (task, first, last)
    assert all(early["epoch"] < late["epoch"] for early, late in pairwise(history))


def test_an_unknown_task_and_missing_videos_are_errors() -> None:
    with pytest.raises(ValueError, match=r"shares=.'mfm': 1.: need at least one of mlm, mnce, mffr, fom, vsm"):
        Settings({"mfm": 1})
    with pytest.raises(ValueError, match="nothing to pre-train on"):
        pretrain(Videos([]), None, VOCABULARY, TINY, ALL, CPU)
