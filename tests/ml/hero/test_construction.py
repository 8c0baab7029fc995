"""How2R and How2QA: segments, reasons, wrong answers without a shortcut in the text, splits and release files."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.hero.construction import (
    Limits,
    judge_descriptions,
    judge_questions,
    match_wrong_answers,
    reasons,
    right_answer,
    segments,
    split_by_video,
    text_only_accuracy,
    write_annotation_tasks,
    write_release,
)
from ml.hero.data.annotations import Description, Question, read_how2qa, read_how2r
from ml.hero.data.subtitles import Line

LIMITS = Limits()


@given(st.floats(0, 200), st.floats(1, 90), st.lists(st.floats(0, 300), max_size=30))
def test_segments_divide_a_clip_into_parts_of_the_required_length(start, length, ends):
    clip = (start, start + length)
    found = segments("v", clip, [Line(end - 1, end, "x") for end in ends], LIMITS)
    if length < 10:
        assert found == []
    for segment in found:
        assert 10 - 1e-6 <= segment.interval[1] - segment.interval[0] <= 20 + 1e-6
    if found:
        edges = [start, *(segment.interval[1] for segment in found)]
        assert [segment.interval[0] for segment in found] == edges[:-1]
        assert edges[-1] == clip[1]


def test_segments_are_cut_where_a_subtitle_ends(tmp_path):
    lines = [Line(0, 12.5, "first"), Line(12.5, 19, "second"), Line(20, 38, "third")]
    found = segments("v", (0, 40), lines, LIMITS)
    assert [segment.interval for segment in found] == [(0, 20), (20, 40)]  # any other cut would leave more than 20 s
    assert [s.interval for s in segments("v", (0, 35), lines, LIMITS)] == [(0, 19), (19, 35)]
    write_annotation_tasks(tmp_path / "tasks.csv", found, {"v": lines})
    assert (tmp_path / "tasks.csv").read_text().splitlines()[1] == "v,0,40,0,20.0,first second,,,,,,"


def description(text, start=0.0, end=15.0):
    return Description(0, text, "v", ((start, end),), clip=(0.0, 60.0))


def test_every_dropped_query_has_a_reason():
    good = "a person stirs the red paint with a long stick"
    cases = [
        (description(good), None),
        (description(good.upper() + "!"), "duplicate"),
        (description("stir the paint"), "too_few_words"),
        (description(good * 3), "too_many_words"),
        (description(good, 0, 25), "too_long"),
        (description(good, 0, 5), "too_short"),
        (description(good, 48, 60.8), "duplicate"),  # it passes the clip's end as slightly as released ones do
        (description(good, 50, 70), "outside_clip"),
    ]
    assert [verdict.reason for verdict in judge_descriptions([each for each, _ in cases], LIMITS)] == [
        reason for _, reason in cases
    ]


def question(number, text, options, answer=0):
    return Question(number, text, tuple(options), answer, f"v{number}", (0.0, 10.0))


def test_every_dropped_question_has_a_reason():
    cases = [
        (question(0, "What is red?", ["kite", "box", "cup", "car"]), None),
        (question(1, "What is red?", ["kite", "box", "cup", "car"], None), "no_answer"),
        (question(2, "What is red?", ["kite", "box", "cup"]), "wrong_option_count"),
        (question(3, "What is red?", ["kite", "box", "cup", " "]), "empty_option"),
        (question(4, "What is red?", ["kite", "The box", "the box.", "car"]), "same_options"),
        (question(5, "Is the kite red?", ["kite", "box", "cup", "car"]), "told_by_question"),
    ]
    verdicts = judge_questions([each for each, _ in cases], LIMITS)
    assert [verdict.reason for verdict in verdicts] == [reason for _, reason in cases]
    assert reasons(verdicts)["kept"] == 1


def careless_questions(count):
    """Right answers are longer than wrong ones, as people write them."""
    things = ["kite", "box", "cup", "car", "hat", "pen", "jar", "bag", "fan", "mug", "net"]
    colours = ["red", "blue", "pink", "grey", "black", "white", "green"]
    return [
        question(
            number,
            f"What is made in part {number}?",
            [
                f"the {colours[number % 7]} {things[number % 11]}",
                *(f"a {things[(number + n) % 11]}" for n in (1, 2, 3)),
            ],
        )
        for number in range(count)
    ]


def test_every_answer_is_a_wrong_option_equally_often_and_leaves_no_text_shortcut():
    questions = careless_questions(400)
    train, test = questions[:300], questions[300:]
    assert text_only_accuracy(train, test) > 0.9
    matched = [[verdict.record for verdict in match_wrong_answers(part, seed=1)] for part in (train, test)]
    # 100 questions of four options: one standard deviation of guessing is 0.043.
    assert abs(text_only_accuracy(*matched) - 0.25) < 0.15
    for before, after in zip(train, matched[0], strict=True):
        assert right_answer(before) == right_answer(after)
        assert len(set(after.options)) == 4
    answers = Counter(map(right_answer, train))
    wrong = Counter(option for each in matched[0] for option in each.options if option != right_answer(each))
    assert wrong == {answer: 3 * count for answer, count in answers.items()}


def test_a_question_without_other_answers_keeps_its_options_and_has_a_reason():
    same = [question(number, "What?", ["kite", "box", "cup", "car"]) for number in range(5)]
    assert [(verdict.record, verdict.reason) for verdict in match_wrong_answers(same, 0)] == [
        (each, "no_distinct_answers") for each in same
    ]
    with pytest.raises(ValueError, match="question 0: has no answer"):
        match_wrong_answers([question(0, "What?", ["kite"], None)], 0)


def test_a_video_is_in_one_split_and_the_shares_are_eighty_ten_ten():
    questions = [question(number % 100, "What?", ["kite", "box", "cup", "car"]) for number in range(300)]
    parts = split_by_video(questions, seed=0)
    videos = {split: {each.video_id for each in own} for split, own in parts.items()}
    assert {split: len(own) for split, own in videos.items()} == {"train": 80, "val": 10, "test": 10}
    assert sum(map(len, parts.values())) == 300
    assert split_by_video(questions, seed=1)["val"] != parts["val"]


def test_a_written_release_is_readable_as_published_files(tmp_path):
    right = question(0, "What is red?", ["kite", "box", "cup", "car"], 2)
    empty = {"val": [], "test": []}
    write_release(tmp_path, {"train": [description("stir it")], **empty}, {"train": [right], **empty})
    assert read_how2r(tmp_path / "how2r_train.csv") == [description("stir it")]
    assert right_answer(read_how2qa(tmp_path / "how2qa_train.csv")[0]) == "cup"
    assert read_how2qa(tmp_path / "how2qa_val.csv") == []
