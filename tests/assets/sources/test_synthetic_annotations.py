"""The synthetic world's annotation files: every reader takes them, and they agree with the world."""

import pytest

from assets.sources.synthetic.annotations import write_annotations
from assets.sources.synthetic.ground_truth import video_steps
from assets.sources.synthetic.source import SyntheticSource
from ml.hero.construction import Limits, judge_questions
from ml.hero.data import annotations as files
from ml.hero.data.subtitles import read_subtitles

SOURCE = SyntheticSource(tasks=10, videos_per_task=2, seed=3)
VIDEOS = [f"synthetic-{number:05d}" for number in range(20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("annotations")
    write_annotations(SOURCE, VIDEOS, folder)
    return folder


def test_moments_are_those_of_the_world_and_secret_in_the_test_split(folder):
    train, val = (files.read_tvr(folder / f"tvr_{split}_release.jsonl") for split in ("train", "val"))
    secret = files.read_tvr(folder / "tvr_test_public_release.jsonl")
    assert len({each.video_id for each in train}) == 16
    assert {each.video_id for each in secret} == {None}
    steps = {(step.video_id, step.start_s, step.end_s): step for video in VIDEOS for step in video_steps(SOURCE, video)}
    assert len(train) + len(val) + len(secret) == len(steps)
    for each in train + val:
        step = steps[each.video_id, *each.intervals[0]]
        assert (each.text, each.kind) == (step.description, "vt" if step.narrated else "v")
    assert all(len(each.intervals) == 4 for each in files.read_tvr(folder / "didemo_val.jsonl"))


def test_questions_have_distinct_options_and_the_right_answer_is_marked(folder):
    truth = {
        (step.video_id, step.question): step.options[step.answer_index]
        for video in VIDEOS
        for step in video_steps(SOURCE, video)
    }
    tvqa, how2qa = files.read_tvqa(folder / "tvqa_train.jsonl"), files.read_how2qa(folder / "how2qa_train.csv")
    for questions, options in ((tvqa, 5), (how2qa, 4)):
        assert {verdict.reason for verdict in judge_questions(questions, Limits(options=options))} == {None}
        for each in questions:
            assert each.options[each.answer] == truth[each.video_id, each.text]


def test_statements_are_pairs_of_which_one_is_true(folder):
    found = {each.desc_id: each for each in files.read_violin(folder / "violin_train.jsonl")}
    for each in found.values():
        assert found[each.opposite_id].label is not each.label
        assert found[each.opposite_id].text != each.text


def test_captions_queries_and_subtitles_belong_to_the_videos(folder):
    for clip in files.read_tvc(folder / "tvc_test.jsonl"):
        assert len(clip.captions) == 2
        assert 0 <= clip.interval[0] < clip.interval[1] <= clip.duration_s
    assert {each.video_id for each in files.read_how2r(folder / "how2r_train.csv")} <= set(VIDEOS)
    assert len(files.read_msrvtt(folder / "msrvtt_train.jsonl")) == 16
    assert list(read_subtitles(folder / "synthetic_subtitles.jsonl")) == VIDEOS
