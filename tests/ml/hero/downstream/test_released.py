"""Every released layout, converted with its head, computes what a dense forward of the released names computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ml.hero.batch import END, aligned, collate, collate_texts
from ml.hero.downstream.moments import MomentIndex
from ml.hero.downstream.published_scoring import longest_of_batch, padding_frames
from ml.hero.downstream.released import convert_file, load_network
from ml.hero.downstream.tasks.captioning import CaptionNetwork
from ml.hero.downstream.tasks.question_answering import AnswerNetwork, QuestionBatch
from ml.hero.downstream.tasks.video_entailment import StatementNetwork
from ml.hero.model import Hero
from ml.metrics.moments import Search
from tests.hero_videos import TINY, random_videos
from tests.ml.hero.plain_hero import PlainHero, State, released

CONFIG = replace(TINY, hidden=128, heads=2, cross_modal_layers=2, temporal_layers=2)
VIDEOS = [aligned(video, CONFIG) for video in random_videos(4)]


def converted(state: State, folder: Path) -> Path:
    torch.save(state, folder / "released.pt")
    convert_file(folder / "released.pt", folder / "model")
    return folder / "model"


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found.double(), expected, atol=2e-5, rtol=1e-4)


def plain_frames(plain: PlainHero, number: int, text: tuple[int, ...] = (), padding: int = 0) -> torch.Tensor:
    video = VIDEOS[number]
    passages = [(each.frames, (*each.tokens, *text)) for each in video.passages]
    return plain.frames(torch.from_numpy(video.features).double(), passages, text, padding)


@torch.inference_mode()
def test_pre_training_and_retrieval(tmp_path: Path) -> None:
    state = released(CONFIG, "pre-training")
    model, plain = Hero.from_pretrained(converted(state, tmp_path)), PlainHero(state, CONFIG.heads)
    batch = collate(VIDEOS)
    frames = model.contextual(batch).split(batch.lengths.tolist())
    queries = model.encode_query(collate_texts([(5, 6, 9), (7,)]))
    close(queries[0], plain.query((5, 6, 9)))
    for number, own in enumerate(frames):
        expected = plain_frames(plain, number)
        close(own, expected)
        logits = model.moments(queries[:1], own[None], torch.ones(1, len(own), dtype=torch.bool))
        for found, wanted in zip(logits, plain.boundaries(plain.query((5, 6, 9)), expected, len(own)), strict=True):
            close(found[0], wanted)


@torch.inference_mode()
def test_question_answering(tmp_path: Path) -> None:
    state, texts = released(CONFIG, "question answering"), [(END, 5, 6, END, 7 + answer) for answer in range(3)]
    network, plain = AnswerNetwork(Hero(CONFIG), 3).eval(), PlainHero(state, CONFIG.heads)
    load_network(converted(state, tmp_path), network, "question answering")
    batch = Hero.with_texts([VIDEOS[1]] * 3, texts)
    unknown = torch.tensor([-1])
    answers, start, end = network.logits(QuestionBatch(batch, unknown, unknown, unknown))
    frames = torch.stack([plain_frames(plain, 1, text) for text in texts])
    close(answers[0], plain.two_layers(plain.pool(frames, "qa_pool", 1), "qa_pred_head")[:, 0])
    span = plain.two_layers(plain.pool(frames, "st_ed_pool", 0), "st_ed_pred_head")
    close(torch.stack([start[0], end[0]], 1), span)


@torch.inference_mode()
def test_video_entailment(tmp_path: Path) -> None:
    state, text = released(CONFIG, "video entailment"), (END, 8, 9)
    network, plain = StatementNetwork(Hero(CONFIG)).eval(), PlainHero(state, CONFIG.heads)
    load_network(converted(state, tmp_path), network, "video entailment")
    found = network.logits(Hero.with_texts(VIDEOS[:2], [text, text]))
    expected = [
        plain.two_layers(plain.pool(plain_frames(plain, number, text), "violin_pool", 0), "violin_pred_head")
        for number in range(2)
    ]
    close(found, torch.cat(expected))


@torch.inference_mode()
def test_captioning(tmp_path: Path) -> None:
    state, tokens = released(CONFIG, "captioning"), (0, 5, 9, 11)
    network, plain = CaptionNetwork(Hero(CONFIG)).eval(), PlainHero(state, CONFIG.heads)
    load_network(converted(state, tmp_path), network, "captioning")
    frames = network.model.contextual(collate(VIDEOS[:1]))[None]
    words = network.model.cross_modal.words(torch.tensor([tokens]))
    states = network.decoder(words, frames, torch.ones(frames.shape[:2], dtype=torch.bool))
    close(network.model.language(states)[0], plain.caption_states(tokens, plain_frames(plain, 0)))


@torch.inference_mode()
def test_published_scores_read_the_padding_of_a_batch(tmp_path: Path) -> None:
    """The logits of a video's last two frames depend on the longest video of its batch of 50, by name."""
    state = released(CONFIG, "pre-training")
    model, plain = Hero.from_pretrained(converted(state, tmp_path)), PlainHero(state, CONFIG.heads)
    batch = collate(VIDEOS)
    counts = batch.lengths.tolist()
    longest = max(counts)
    frames = model.contextual(batch).split(counts)
    padding = padding_frames(model, batch, [longest] * len(VIDEOS))
    queries = model.encode_query(collate_texts([(5, 6, 9)]))
    index = MomentIndex(model.moments, [each.clone() for each in frames], Search(shortest=0, longest=9), padding)
    independent = MomentIndex(model.moments, [each.clone() for each in frames], Search(shortest=0, longest=9))
    changed = 0
    for number, count in enumerate(counts):
        dense = plain_frames(plain, number, padding=longest - count)
        start, end = (each.softmax(0) for each in plain.boundaries(plain.query((5, 6, 9)), dense, count))
        (moments,) = index.find_within(queries, [number])
        scores = {(round(m.start_s / 1.5), round(m.end_s / 1.5) - 1): m.score for m in moments}
        for (first, last), score in scores.items():
            assert score == pytest.approx(float(start[first] * end[last]), rel=1e-3)
        (others,) = independent.find_within(queries, [number])
        changed += [m.score for m in moments] != pytest.approx([m.score for m in others], rel=1e-4)
    assert changed == sum(count < longest for count in counts) > 0


def test_batches_are_of_fifty_videos_by_name() -> None:
    names = [f"v{number:03d}" for number in reversed(range(60))]
    assert longest_of_batch(names, list(range(60))) == [9] * 10 + [59] * 50


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    state = released(CONFIG, "question answering")
    state["qa_pred_head.linear_1.gamma"] = state.pop("qa_pred_head.linear_1.weight")  # an old name
    folder = converted(state, tmp_path)
    with pytest.raises(ValueError, match="a HERO for question answering, not for captioning"):
        load_network(folder, CaptionNetwork(Hero(CONFIG)), "captioning")
    with pytest.raises(ValueError, match=r"size mismatch"):
        load_network(folder, AnswerNetwork(Hero(replace(CONFIG, hidden=64)), 3), "question answering")
    del state["st_ed_pool.weight"]
    torch.save({**state, "decoder.odd": torch.zeros(1)}, tmp_path / "odd.pt")
    with pytest.raises(ValueError, match=r"st_ed_pool.weight is missing"):
        convert_file(tmp_path / "odd.pt", tmp_path / "other")
