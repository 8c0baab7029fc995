"""How2R and How2QA for the lake's own videos: the sheet for annotators, and the release made from the filled sheet.

The synthetic source has synthetic annotators; for any other source, people fill in the sheet. See
``ml.hero.construction`` for filters, matching and file formats.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from assets.lake import load_tables
from assets.outcomes import SourceError
from assets.sources.protocol import VideoSource
from assets.sources.synthetic import SyntheticSource
from ml.hero.construction import (
    ANSWER_COLUMNS,
    SEGMENT_COLUMNS,
    SHARES,
    Limits,
    Record,
    Split,
    Verdict,
    judge_descriptions,
    judge_questions,
    match_wrong_answers,
    segments,
    split_by_video,
    text_only_accuracy,
    write_annotation_tasks,
    write_release,
)
from ml.hero.data.annotations import Description, Question
from ml.hero.data.subtitles import Line

SHEET, FILLED = "how2_sheet.csv", "how2_sheet_filled.csv"
LIMITS = Limits()


def write_sheet(path: Path, hero_clips: pl.DataFrame, captions: pl.DataFrame) -> int:
    """Write the sheet that annotators fill in, with segments of 10 to 20 s of each clip; return their number."""
    columns = ("video_id", "start_s", "end_s", "caption")
    lines: dict[str, list[Line]] = {}
    for video_id, *line in captions.sort("video_id", "start_s").select(columns).iter_rows():
        lines.setdefault(video_id, []).append(Line(*line))
    kept = hero_clips.filter(pl.col("frames") > 0).sort("video_id", "start_s")
    tasks = [
        segment
        for video_id, start, end in kept.select("video_id", "start_s", "end_s").iter_rows()
        for segment in segments(video_id, (start, end), lines.get(video_id, []), LIMITS)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_annotation_tasks(path, tasks, lines)
    return len(tasks)


def annotated(source: VideoSource, video_ids: Sequence[str], filled: Path) -> tuple[list[Description], list[Question]]:
    """The annotations: of the filled sheet if it exists, else of the synthetic annotators, else none."""
    if filled.exists():
        return read_sheet(filled)
    if not isinstance(source, SyntheticSource):
        return [], []
    from assets.sources.synthetic.annotations import clip_questions, segment_descriptions

    return (
        [each for video_id in video_ids for each in segment_descriptions(source, video_id)],
        [each for video_id in video_ids for each in clip_questions(source, video_id)],
    )


def read_sheet(path: Path) -> tuple[list[Description], list[Question]]:
    """Queries and questions of a filled sheet. A row may have either, both or none.

    Raises:
        SourceError: a column is missing or a time is not a number; the message names file and line.
    """
    descriptions: list[Description] = []
    questions: list[Question] = []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in (*SEGMENT_COLUMNS, *ANSWER_COLUMNS) if name not in (reader.fieldnames or [])]
        if missing:
            raise SourceError(f"{path}: has no column {', '.join(missing)}; start from {SHEET}")
        for number, row in enumerate(reader, start=2):
            try:
                clip = float(row["clip_start_s"]), float(row["clip_end_s"])
                interval = float(row["start_s"]), float(row["end_s"])
            except ValueError as error:
                raise SourceError(f"{path}, line {number}: {error}; times are seconds of the video") from error
            name, video_id = f"{row['video_id']}/{number}", row["video_id"]
            if row["query"].strip():
                descriptions.append(Description(name, row["query"], video_id, (interval,), clip=clip))
            if row["question"].strip():
                options = (row["right_answer"], *(row[f"wrong_answer_{n}"] for n in (1, 2, 3)))
                questions.append(Question(name, row["question"], options, 0, video_id, interval))
    return descriptions, questions


def release(
    descriptions: Sequence[Description], questions: Sequence[Question], folder: Path, seed: int
) -> tuple[pl.DataFrame, dict[str, float]]:
    """Filter the annotations, match wrong answers, write the release files: rows of ``how2_records``, and metrics.

    Wrong answers are matched within each split. ``text_only_before`` and ``text_only_after`` are the test accuracies of
    a model without video, with the annotators' wrong answers and with the matched ones; chance is 0.25.
    """
    of_queries = judge_descriptions(descriptions, LIMITS)
    of_questions = judge_questions(questions, LIMITS)
    splits = _splits([*of_queries, *of_questions], seed)
    good = _by_split(_kept(of_questions, Question), splits)
    matched = {split: match_wrong_answers(own, seed) for split, own in good.items()}
    kept_queries = _by_split(_kept(of_queries, Description), splits)
    kept = {split: _kept(own, Question) for split, own in matched.items()}
    write_release(folder, kept_queries, kept)
    measured = {
        "queries": float(sum(map(len, kept_queries.values()))),
        "questions": float(sum(map(len, kept.values()))),
    }
    if good["train"] and good["test"] and kept["train"] and kept["test"]:
        measured["text_only_before"] = text_only_accuracy(good["train"], good["test"])
        measured["text_only_after"] = text_only_accuracy(kept["train"], kept["test"])
    refused = [verdict for verdict in of_questions if verdict.reason]
    every = [*of_queries, *refused, *(verdict for own in matched.values() for verdict in own)]
    return load_tables()["how2_records"].frame(_rows(every, splits)), measured


def _kept(verdicts: Iterable[Verdict], kind: type[Record]) -> list[Record]:
    return [record for record, reason in verdicts if reason is None and isinstance(record, kind)]


def _by_split(records: Sequence[Record], splits: Mapping[str, Split]) -> dict[Split, list[Record]]:
    return {split: [each for each in records if splits[str(each.video_id)] == split] for split in SHARES}


def _splits(verdicts: Sequence[Verdict], seed: int) -> dict[str, Split]:
    """The split of each video, including the videos of records that are left out."""
    questions = [Question(0, "", (), None, str(record.video_id), None) for record, _ in verdicts]
    return {each.video_id: split for split, own in split_by_video(questions, seed).items() for each in own}


def _rows(verdicts: Sequence[Verdict], splits: Mapping[str, Split]) -> Iterator[tuple[object, ...]]:
    for record, reason in verdicts:
        split = splits[str(record.video_id)]
        if isinstance(record, Description):
            start, end = record.intervals[0]
            yield ("query", str(record.desc_id), record.video_id, split, start, end, record.text, None, None, reason)
            continue
        start, end = record.interval or (0.0, 0.0)
        right = None if record.answer is None else record.options[record.answer]
        wrong = [option for number, option in enumerate(record.options) if number != record.answer]
        yield (
            "question",
            str(record.question_id),
            record.video_id,
            split,
            start,
            end,
            record.text,
            right,
            wrong,
            reason,
        )
