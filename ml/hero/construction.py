"""Construction of How2R and How2QA: from clips to the annotators' tables, and from their entries to the released files.

Segments, filters with reasons, wrong answers by adversarial matching, splits, and a text-only baseline that shows
whether questions can be answered without the video. No function reads pictures.
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from ml.hero.data.annotations import Description, Interval, Question, write_how2qa, write_how2r
from ml.hero.data.subtitles import Line
from ml.metrics.captioning import words

Split = Literal["train", "val", "test"]
SHARES: dict[Split, float] = {"train": 0.8, "val": 0.1, "test": 0.1}
SEGMENT_COLUMNS = ("video_id", "clip_start_s", "clip_end_s", "start_s", "end_s", "narration")
ANSWER_COLUMNS = ("query", "question", "right_answer", "wrong_answer_1", "wrong_answer_2", "wrong_answer_3")
"""Columns that an annotator fills in, after those of the segment."""
Record = TypeVar("Record", Description, Question)


@dataclass(frozen=True)
class Limits:
    """Requirements on annotations: seconds of a segment, words of a query, options of a question.

    ``overhang_s`` is how far a moment may extend past its clip's end, as some of the released ones do.
    """

    shortest_s: float = 10.0
    longest_s: float = 20.0
    fewest_words: int = 8
    most_words: int = 20
    options: int = 4
    overhang_s: float = 1.0


class Segment(NamedTuple):
    """A part of a clip to describe; times are those of the whole video."""

    video_id: str
    clip: Interval
    interval: Interval


class Verdict(NamedTuple):
    """A record with the first reason to drop it; None if it is kept."""

    record: Description | Question
    reason: str | None


def segments(video_id: str, clip: Interval, lines: Sequence[Line], limits: Limits) -> list[Segment]:
    """The clip in the fewest parts of the required length, cut at the subtitle end nearest to an even division.

    A clip that is shorter than the shortest segment, or cannot be divided, has no segment.
    """
    start, end = clip
    parts = math.ceil((end - start) / limits.longest_s)
    if not 0 < parts * limits.shortest_s <= end - start:
        return []
    found = []
    for left in range(parts - 1, -1, -1):
        # The rest must still be divisible into ``left`` parts.
        first = max(start + limits.shortest_s, end - left * limits.longest_s)
        last = min(start + limits.longest_s, end - left * limits.shortest_s)
        even = start + (end - start) / (left + 1)
        cuts = [line.end_s for line in lines if first <= line.end_s <= last] or [even]
        cut = min(cuts, key=lambda time, even=even: abs(time - even)) if left else end  # type: ignore[misc]
        found.append(Segment(video_id, clip, (start, cut)))
        start = cut
    return found


def write_annotation_tasks(
    path: Path, segments_to_describe: Iterable[Segment], lines: Mapping[str, Sequence[Line]]
) -> None:
    """Write a table for annotators: the narration of each segment, and empty columns for their answers."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(SEGMENT_COLUMNS + ANSWER_COLUMNS)
        for video_id, clip, (start, end) in segments_to_describe:
            said = [line.text for line in lines.get(video_id, ()) if start <= (line.start_s + line.end_s) / 2 < end]
            writer.writerow([video_id, *clip, start, end, " ".join(said), *[""] * len(ANSWER_COLUMNS)])


def judge_descriptions(descriptions: Sequence[Description], limits: Limits) -> list[Verdict]:
    """Each query with its reason: outside_clip, too_short, too_long, too_few_words, too_many_words, duplicate."""
    seen: set[tuple[str | None, str]] = set()
    verdicts = []
    for each in descriptions:
        key = (each.video_id, " ".join(words(each.text)))
        verdicts.append(Verdict(each, _against(each, limits) or ("duplicate" if key in seen else None)))
        seen.add(key)
    return verdicts


def _against(each: Description, limits: Limits) -> str | None:
    (start, end), clip = each.intervals[0], each.clip
    count = len(words(each.text))
    # Times are read from text with two digits.
    reasons = {
        "outside_clip": clip is not None and not clip[0] - 0.01 <= start < end <= clip[1] + limits.overhang_s,
        "too_short": end - start < limits.shortest_s - 0.01,
        "too_long": end - start > limits.longest_s + 0.01,
        "too_few_words": count < limits.fewest_words,
        "too_many_words": count > limits.most_words,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def judge_questions(questions: Sequence[Question], limits: Limits) -> list[Verdict]:
    """Each question with its reason: no_answer, wrong_option_count, empty_option, same_options, told_by_question."""
    verdicts = []
    for each in questions:
        options = [" ".join(words(option)) for option in each.options]
        right = None if each.answer is None else options[each.answer]
        reasons = {
            "no_answer": right is None,
            "wrong_option_count": len(options) != limits.options,
            "empty_option": not all(options),
            "same_options": len(set(options)) < len(options),
            "told_by_question": bool(right) and f" {right} " in f" {' '.join(words(each.text))} ",
        }
        verdicts.append(Verdict(each, next((reason for reason, holds in reasons.items() if holds), None)))
    return verdicts


def match_wrong_answers(questions: Sequence[Question], seed: int, block: int = 1000) -> list[Verdict]:
    """Give each question wrong options that are other questions' right answers (adversarial matching, as for VCR).

    Every answer becomes a wrong option equally often, so an option's text alone carries no information. Each round
    assigns one wrong option to every question of a block, such that the sum of ``log relevance + log(1 - similarity)``
    is greatest. Relevance is the tf-idf cosine of the two questions, similarity that of their answers. Match each split
    separately: a training answer that appears as a wrong option of a test question would reveal that it is wrong.

    Returns:
        The questions in their order, options shuffled. A question stays as it was, with the reason
        ``no_distinct_answers``, if too many questions of its block have the same answer.

    Raises:
        ValueError: a question has no answer.
    """
    for each in questions:
        if each.answer is None:
            raise ValueError(f"question {each.question_id}: has no answer to match")
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(questions))
    verdicts: dict[int, Verdict] = {}
    blocks = np.array_split(order, max(1, math.ceil(len(order) / block)))
    for rows in blocks:
        wrong = _matched([questions[row] for row in rows])
        for row, options in zip(rows, wrong, strict=True):
            verdicts[int(row)] = _with_options(questions[row], options, generator)
    return [verdicts[row] for row in range(len(questions))]


def _matched(questions: Sequence[Question]) -> list[list[str]]:
    """For each question one other answer per wrong option; fewer if no further answer differs."""
    answers = [right_answer(each) for each in questions]
    plain = [" ".join(words(answer)) for answer in answers]
    relevance = _alike([each.text for each in questions])
    gain = np.log(relevance + 1e-3) + np.log1p(1e-3 - _alike(plain))
    found: list[list[str]] = [[] for _ in questions]
    taken = [{text} for text in plain]
    for _ in range(max((len(each.options) for each in questions), default=1) - 1):
        barred = np.array([[text in mine for text in plain] for mine in taken])
        rows, columns = linear_sum_assignment(np.where(barred, -1e6, gain), maximize=True)
        for row, column in zip(rows, columns, strict=True):
            if not barred[row, column]:
                found[row].append(answers[column])
                taken[row].add(plain[column])
    return found


def _with_options(question: Question, wrong: Sequence[str], generator: np.random.Generator) -> Verdict:
    if len(wrong) < len(question.options) - 1:
        return Verdict(question, "no_distinct_answers")
    place = int(generator.integers(len(wrong) + 1))
    options = (*wrong[:place], right_answer(question), *wrong[place:])
    return Verdict(replace(question, options=options, answer=place), None)


def right_answer(question: Question) -> str:
    """The text of the right option.

    Raises:
        ValueError: it is secret.
    """
    if question.answer is None:
        raise ValueError(f"question {question.question_id}: its answer is secret")
    return question.options[question.answer]


def _alike(texts: Sequence[str]) -> NDArray[np.float64]:
    """Cosines of tf-idf vectors, ``[texts, texts]``; 0 where there is no word."""
    if not any(map(words, texts)):
        return np.zeros((len(texts), len(texts)))
    vectors = TfidfVectorizer(analyzer=words).fit_transform(texts)
    cosines: NDArray[np.float64] = np.clip((vectors @ vectors.T).toarray(), 0, 1)
    return cosines


def text_only_accuracy(train: Sequence[Question], test: Sequence[Question]) -> float:
    """Accuracy on test questions of a model without video: chance level if the text has no shortcut.

    Logistic regression on hashed features: an option's words, its length, and each pair of a word of the question and
    one of the option. Its labels are whether the options of the training questions are right.

    Raises:
        ValueError: there is no question to learn from or to answer.
    """
    if not train or not test:
        raise ValueError(f"{len(train)} training and {len(test)} test questions: both need at least one")
    hashing = HashingVectorizer(analyzer=_clues, n_features=2**18, alternate_sign=False)
    model = LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced")
    pairs = [(each.text, option) for each in train for option in each.options]
    model.fit(
        hashing.transform(pairs), [option == each.answer for each in train for option in range(len(each.options))]
    )
    right = 0
    for each in test:
        scores = model.decision_function(hashing.transform([(each.text, option) for option in each.options]))
        right += int(np.argmax(scores)) == each.answer
    return right / len(test)


def _clues(pair: tuple[str, str]) -> list[str]:
    question, option = words(pair[0]), words(pair[1])
    crossed = [f"{one}|{other}" for one in set(question) for other in set(option)]
    return [f"length {len(option)}", *option, *crossed]


def split_by_video(records: Sequence[Record], seed: int) -> dict[Split, list[Record]]:
    """80/10/10 of the videos, each with all its records; the split depends on the seed and the ids only."""
    videos = sorted({str(each.video_id) for each in records}, key=lambda video_id: _digest(seed, video_id))
    ends = np.round(np.cumsum(list(SHARES.values())) * len(videos)).astype(int)
    parts = np.split(np.array(videos, dtype=object), ends[:-1])
    own = {video_id: split for split, part in zip(SHARES, parts, strict=True) for video_id in part}
    return {split: [each for each in records if own[str(each.video_id)] == split] for split in SHARES}


def _digest(seed: int, video_id: str) -> bytes:
    return hashlib.blake2b(f"{seed}/{video_id}".encode(), digest_size=8).digest()


def write_release(
    folder: Path, descriptions: Mapping[Split, Sequence[Description]], questions: Mapping[Split, Sequence[Question]]
) -> None:
    """Write ``how2r_<split>.csv`` and ``how2qa_<split>.csv`` in the layout of the published files."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in SHARES:
        write_how2r(folder / f"how2r_{split}.csv", descriptions[split])
        write_how2qa(folder / f"how2qa_{split}.csv", questions[split])


def reasons(verdicts: Iterable[Verdict]) -> Counter[str]:
    """Number of records dropped for each reason; ``kept`` counts the others."""
    return Counter(verdict.reason or "kept" for verdict in verdicts)
