"""Downstream tasks on coloured videos: each is learned, and no annotation is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ml.distributed import gather
from ml.harness import Runtime
from ml.hero.batch import END, AlignedVideo, Passage
from ml.hero.data.annotations import Description
from ml.hero.downstream.finetune import FineTuning, Settings, finetune
from ml.hero.downstream.tasks.captioning import Captioning
from ml.hero.downstream.tasks.corpus import agreed, described, pairs_of
from ml.hero.downstream.tasks.examples import Examples, preceded, question_and_answer
from ml.hero.downstream.tasks.moment_retrieval import MomentRetrieval, MomentSettings
from ml.hero.downstream.tasks.question_answering import QuestionAnswering
from ml.hero.downstream.tasks.video_entailment import VideoEntailment
from ml.hero.downstream.tasks.video_retrieval import VideoRetrieval
from ml.hero.model import Hero
from ml.hero.ranking import LossSettings
from ml.metrics.moments import Search, read_predictions
from tests.ml.hero.downstream.colours import (
    INTERVAL_S,
    TINY,
    Words,
    captioned,
    coloured,
    descriptions,
    questions,
    statements,
)

CPU = Runtime(device="cpu")
LEARNED, HELD_OUT = [coloured(seed) for seed in range(300)], [coloured(seed) for seed in range(1000, 1024)]
VIDEOS = {each.video.video_id: each.video for each in (*LEARNED, *HELD_OUT)}
MOMENTS = MomentSettings(LossSettings(span=1.0), 0.5, Search(shortest=1, longest=8, max_overlap=0.5))
ANNOTATE = {
    MomentRetrieval: descriptions,
    VideoRetrieval: descriptions,
    QuestionAnswering: questions,
    VideoEntailment: statements,
    Captioning: captioned,
}


def examples(annotate, **options) -> Examples:
    return Examples(Words(), VIDEOS, annotate(LEARNED), annotate(HELD_OUT), **options)


def task_of(kind, *settings, **options):
    """A task on the coloured videos, with a model of random weights, always the same."""
    torch.manual_seed(0)
    return kind(Hero(TINY), examples(ANNOTATE[kind], **options), *settings)


def settings_of(steps: int) -> Settings:
    return Settings(3e-3, steps, warm_up=min(10, steps - 1), batch=16, validate_every=steps)


@pytest.mark.parametrize(
    ("kind", "settings", "steps", "metric", "guessed", "learned"),
    [
        (MomentRetrieval, (MOMENTS,), 75, "SVMR_0.5_R@1", 0.5, 0.8),
        (VideoRetrieval, (), 60, "recall_mean", 0.22, 0.5),
        (QuestionAnswering, (), 100, "accuracy", 0.25, 0.6),
        (VideoEntailment, (), 160, "accuracy", 0.5, 0.7),
        (Captioning, (), 25, "CIDEr-D", 0.1, 5.0),
    ],
)
def test_fine_tuning_improves_a_task(kind, settings, steps, metric, guessed, learned) -> None:
    task = task_of(kind, *settings)
    before = task.evaluate()[metric]
    (entry,) = finetune(task, settings_of(steps), CPU)
    assert task.measure in entry
    assert before < learned
    assert entry[metric] > learned > guessed


def test_logits_of_a_question_do_not_depend_on_the_batch() -> None:
    task = task_of(QuestionAnswering)
    short = replace(
        HELD_OUT[0].video, features=HELD_OUT[0].video.features[:3], subtitles=HELD_OUT[0].video.subtitles[:1]
    )
    task.data = replace(task.data, videos={**VIDEOS, short.video_id: short})
    items = questions(HELD_OUT[:3])
    task.network.eval()
    together = task.network.logits(task.batch([*map(task.posed, items)]))
    assert together[0].shape == (3, 4)
    for row, question in enumerate(items):
        alone = task.network.logits(task.batch([task.posed(question)]))
        for whole, own in zip(together, alone, strict=True):
            torch.testing.assert_close(whole[row, : own.shape[1]], own[0], atol=1e-5, rtol=1e-5)
    # A moment cannot be after the end of a shorter video.
    assert together[1][0].softmax(0)[3:].eq(0).all()


def test_every_query_is_evaluated() -> None:
    known = descriptions(HELD_OUT[:4])
    odd = [
        Description(90, "a red cup", "video-lost", ((0.0, 6.0),)),
        Description(91, "a red cup " * 30, known[0].video_id, ((0.0, 6.0),)),
        Description(92, "a red cup", known[0].video_id, ((60.0, 66.0),)),
    ]
    data = Examples(Words(), VIDEOS, [*descriptions(LEARNED), odd[0]], [*known, *odd], max_text=20)
    moments = MomentRetrieval(Hero(TINY), data, MOMENTS)
    found = moments.evaluate()
    counted = {"queries": 11, "queries_cut": 1, "without_video": 1, "training_without_video": 1}
    assert {name: found[name] for name in counted} == counted
    assert found["moments_behind_the_end"] == 1
    # All videos are within the first hundred: what is missing is the description without a video.
    assert found["VR_R@100"] == pytest.approx(10 / 11)
    ranked = VideoRetrieval(Hero(TINY), data).evaluate()
    assert {name: ranked[name] for name in counted} == counted
    assert ranked["R@10"] == pytest.approx(10 / 11)


def test_predictions_are_written_with_the_official_numbers(tmp_path: Path) -> None:
    task = task_of(MomentRetrieval, MOMENTS)
    numbers = {each.video.video_id: 500 + place for place, each in enumerate(HELD_OUT)}
    task.predictions(tmp_path / "validation.json", video_numbers=numbers)
    written, found = read_predictions(tmp_path / "validation.json")
    assert written == numbers
    assert set(found) == {"VCMR", "SVMR", "VR"}
    own = {each.desc_id: numbers[each.video_id] for each in task.data.validation}
    assert {row: {moment.video for moment in moments} for row, moments in found["SVMR"].items()} == {
        row: {number} for row, number in own.items()
    }
    secret = [replace(each, video_id=None, intervals=()) for each in task.data.validation]
    task.predictions(tmp_path / "test.json", secret, numbers)
    _, hidden = read_predictions(tmp_path / "test.json")
    assert set(hidden) == {"VCMR", "VR"}
    assert hidden["VCMR"] == found["VCMR"]
    with pytest.raises(ValueError, match="video lost and 0 more of the corpus have no frame features"):
        task.predictions(tmp_path / "lost.json", video_numbers={**numbers, "lost": 1})


def test_training_uses_the_annotator_who_agrees_most() -> None:
    assert agreed([(5, 10), (0, 5), (0, 6), (0, 5)]) == (0, 5)
    assert agreed([]) == (0, 0)
    task = task_of(MomentRetrieval, MOMENTS)
    description = replace(task.data.learned[0], intervals=((6.0, 12.0), (6.0, 12.0), (0.0, 6.0), (6.0, 10.0)))
    pairs = pairs_of([described(replace(task.data, training=[description]), TINY, 0)])
    assert (int(pairs.first), int(pairs.last)) == (4, 7)


@pytest.mark.parametrize(
    ("kind", "settings", "names"),
    [
        (MomentRetrieval, (replace(MOMENTS, span_share=1.0),), {"loss", "videos", "queries", "span"}),
        (VideoRetrieval, (), {"loss", "videos", "queries"}),
        (QuestionAnswering, (), {"loss", "answer", "span"}),
        (VideoEntailment, (), {"loss"}),
        (Captioning, (), {"loss", "not_shown"}),
    ],
)
def test_parts_of_a_batch_have_the_losses_and_the_gradient_of_the_whole(kind, settings, names) -> None:
    from tests.training import step_of  # which imports this file

    found = []
    for tokens in (None, 150, 1):
        learner = FineTuning(of_different_lengths(kind, *settings), settings_of(2))
        learner.batches = replace(learner.batches, part_tokens=tokens)
        parts = [sum(map(bool, part.tokens)) for part in learner.batches(0, 0, 1)]
        assert len(parts) == 1 if tokens is None else len(parts) > 1 and (tokens > 1 or set(parts) == {1})
        losses = {name: float(loss) for name, loss in step_of(learner).items()}
        found.append((losses, [each.grad for each in learner.network.parameters() if each.grad is not None]))
    (whole, gradient), *divided = found
    assert set(whole) == names
    for losses, gradient_of_parts in divided:
        assert losses == pytest.approx(whole, rel=1e-5)
        for one, other in zip(gradient, gradient_of_parts, strict=True):
            torch.testing.assert_close(other, one, atol=1e-6, rtol=1e-4)


def of_different_lengths(kind, *settings):
    """A task on videos of 3 to 8 frames; some questions have no moment, and some videos no clip that is shown."""
    task = task_of(kind, *settings)
    cut = {key: replace(video, features=video.features[: 3 + n % 6]) for n, (key, video) in enumerate(VIDEOS.items())}
    learned: list = list(task.data.training)
    for number, each in enumerate(learned):
        if kind is QuestionAnswering and number % 3:
            learned[number] = replace(each, interval=None)
        if kind is Captioning and number % 6 < 2:  # both clips of a video
            learned[number] = replace(each, interval=(100.0, 104.0))
    data = replace(task.data, videos=cut, training=learned)
    torch.manual_seed(0)
    return kind(Hero(TINY), data, *settings)


TWO_PROCESSES = """
import sys, torch
from dataclasses import replace
from ml.hero.downstream.finetune import finetune
from tests.ml.hero.downstream.test_tasks import CPU, GATHERED, of_different_lengths, settings_of
parts = replace(CPU, part_tokens=100)
found = [finetune(of_different_lengths(kind, *settings), settings_of(4), parts)[0] for kind, *settings in GATHERED]
if torch.distributed.get_rank() == 0:
    torch.save(found, sys.argv[1])
"""
GATHERED = ((MomentRetrieval, MOMENTS), (VideoRetrieval,), (QuestionAnswering,), (VideoEntailment,), (Captioning,))


@pytest.mark.campaign
def test_two_processes_learn_in_parts_what_one_learns(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
    subprocess.run([*command, str(tmp_path / "entries.pt")], check=True, env=environment)
    for (kind, *settings), two in zip(GATHERED, torch.load(tmp_path / "entries.pt"), strict=True):
        task = of_different_lengths(kind, *settings)
        (one,) = finetune(task, settings_of(4), CPU)
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-4), kind
        assert two[task.measure] == pytest.approx(one[task.measure], abs=1e-3), kind


def test_a_clip_after_the_last_frame_is_counted_in_training_and_evaluation() -> None:
    clips = captioned(HELD_OUT[:2])
    behind = replace(clips[0], clip_id="behind", interval=(100.0, 104.0))
    lost = replace(clips[0], clip_id="lost", video_id="video-lost")
    task = Captioning(Hero(TINY), Examples(Words(), VIDEOS, [*clips, behind, lost], [*clips, behind, lost]))
    found = task.evaluate()
    counted = {"captions": 6, "not_shown": 1, "without_video": 1, "training_without_video": 1}
    assert {name: found[name] for name in counted} == counted
    assert task.write([behind, lost]) == [None, None]
    batch = task.batch([task.read(0), task.read(1)])
    assert float(task.losses(task.network(batch, 0), 0, gather)["not_shown"]) == 1
    assert (len(batch.of_video), len(batch.captions)) == (4, 8)
    only = Captioning(Hero(TINY), Examples(Words(), VIDEOS, [behind], clips))
    with pytest.raises(ValueError, match="clip behind of video-1000 and all others of a step begin too late"):
        only.batch([only.read(0)])


def test_a_statement_and_its_opposite_are_one_example() -> None:
    task = task_of(VideoEntailment)
    assert task.examples == len(LEARNED)
    assert task.batch([task.read(3), task.read(5)]).labels.tolist() == [True, False, True, False]
    alone = VideoEntailment(Hero(TINY), replace(task.data, training=task.data.training[:3]))
    assert [len(pair) for pair in alone.pairs] == [2, 1]


def test_cut_texts_keep_their_answer_and_subtitles_get_their_predecessors() -> None:
    assert question_and_answer([4, 5, 6], [7, 8], 7) == ([END, 4, 5, 6, END, 7, 8], False)
    assert question_and_answer([4, 5, 6], [7, 8], 5) == ([END, 4, END, 7, 8], True)
    assert question_and_answer([4], [7, 8, 9], 4) == ([END, END, 7, 8], True)
    video = AlignedVideo("v", HELD_OUT[0].video.features, tuple(Passage((n,), (4 + n, 9)) for n in range(3)))
    assert [passage.tokens for passage in preceded(video, 1).passages] == [(4, 9), (4, 9, 5, 9), (5, 9, 6, 9)]


def test_without_subtitles_all_frames_are_one_passage() -> None:
    silent = {key: replace(video, subtitles=()) for key, video in VIDEOS.items()}
    task, same = task_of(VideoRetrieval, with_subtitles=False), task_of(VideoRetrieval, with_subtitles=False)
    same.data = replace(same.data, videos=silent)
    assert task.evaluate() == same.evaluate()
    assert task.batch([task.read(0)]).batch.packing.lengths.tolist() == [10]  # a passage of </s>, <s> and eight frames


def test_subtitles_after_the_end_count_as_no_subtitles() -> None:
    late = {
        key: replace(video, subtitles=[video.subtitles[0]._replace(start_s=90.0, end_s=95.0)])
        for key, video in VIDEOS.items()
    }
    found = []
    for videos in (late, {key: replace(video, subtitles=()) for key, video in VIDEOS.items()}):
        task = task_of(MomentRetrieval, MOMENTS)
        task.data = replace(task.data, videos=videos)
        found.append(task.evaluate())
    assert found[0] == found[1]


def test_the_identity_of_a_task_depends_on_data_and_weights() -> None:
    task = task_of(VideoEntailment)
    assert task_of(VideoEntailment).identity == task.identity
    others = (
        VideoEntailment(Hero(TINY), task.data),
        task_of(VideoEntailment, content="other features"),
        task_of(VideoEntailment, with_subtitles=False),
    )
    assert len({task.identity, *(each.identity for each in others)}) == 4


def test_unusable_annotations_are_errors() -> None:
    items, stated, described, clips = (
        annotate(HELD_OUT) for annotate in (questions, statements, descriptions, captioned)
    )
    model = Hero(TINY)

    def data(training, **options) -> Examples:
        return Examples(Words(), options.pop("videos", VIDEOS), training, training)

    with pytest.raises(ValueError, match="question 0: its right answer is secret"):
        QuestionAnswering(model, data([replace(items[0], answer=None)]))
    with pytest.raises(ValueError, match=r"questions have \[3, 4\] answers"):
        QuestionAnswering(model, data([items[0], replace(items[1], options=items[1].options[:3])]))
    with pytest.raises(ValueError, match="statement s0-0: its label is secret"):
        VideoEntailment(model, data([replace(stated[0], label=None)]))
    with pytest.raises(ValueError, match="description 0: has no moment"):
        MomentRetrieval(model, data([replace(described[0], intervals=())]))
    with pytest.raises(ValueError, match="its captions are secret"):
        Captioning(model, data([replace(clips[0], captions=())]))
    other = replace(HELD_OUT[0].video, interval_s=2 * INTERVAL_S)
    with pytest.raises(ValueError, match=r"frame intervals of \[1.5, 3.0\] s"):
        MomentRetrieval(model, data(described, videos={**VIDEOS, other.video_id: other})).evaluate()
    with pytest.raises(ValueError, match="nothing to search"):
        VideoRetrieval(model, data(described, videos={})).evaluate()
    with pytest.raises(ValueError, match="VideoRetrieval: no training example"):
        finetune(VideoRetrieval(model, data(described, videos={})), settings_of(2), CPU)
