"""Annotations of HERO's data sets, read from and written to the files that their authors publish.

TVR, DiDeMo, How2R and MSR-VTT hold descriptions, TVQA and How2QA questions, VIOLIN statements, TVC captions of clips.
Further fields of a file are kept in ``rest`` and written back. Times are in seconds. Every error of a reader is a
``ValueError`` that names the file and the line.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ml.reading import csv_rows, parsed, parsed_lines, seconds, text_of

Row = dict[str, Any]
Record = TypeVar("Record")
Interval = tuple[float, float]

_SQUARE = re.compile(r"\[\s*([\d.]+)\s*:\s*([\d.]+)\s*\]")


@dataclass(frozen=True)
class Description:
    """A text that describes a moment of a video, or a whole video.

    ``intervals`` holds one interval per annotator; none if the text describes the whole video or the file withholds
    it. A withheld video is None. ``kind`` is TVR's v, t or vt. ``clip`` is How2R's clip in the whole video.
    """

    desc_id: int | str
    text: str
    video_id: str | None
    intervals: tuple[Interval, ...] = ()
    duration_s: float | None = None
    kind: str | None = None
    clip: Interval | None = None
    rest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """A question about a moment of a video, and its options; ``answer`` indexes the right one, None if withheld."""

    question_id: int | str
    text: str
    options: tuple[str, ...]
    answer: int | None
    video_id: str
    interval: Interval | None
    rest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Statement:
    """A statement about a video, true or false; of the ids of a pair one ends in -0, the other in -1."""

    desc_id: str
    text: str
    video_id: str
    label: bool | None
    rest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def opposite_id(self) -> str:
        """The id of the statement that contradicts this one.

        Raises:
            ValueError: the id does not end in -0 or -1.
        """
        stem, dash, half = self.desc_id.rpartition("-")
        if not dash or half not in ("0", "1"):
            raise ValueError(f"statement {self.desc_id}: the ids of a pair end in -0 and -1")
        return f"{stem}-{1 - int(half)}"


@dataclass(frozen=True)
class CaptionedClip:
    """A clip of a video with captions by several people, each with its id; no captions if withheld."""

    clip_id: int | str
    video_id: str
    duration_s: float
    interval: Interval
    captions: tuple[tuple[int | str, str], ...]
    rest: Mapping[str, Any] = field(default_factory=dict)


def read_tvr(path: Path) -> list[Description]:
    """Descriptions of ``tvr_{train,val,test_public}_release.jsonl``; DiDeMo's have one ``ts`` per annotator."""
    return read_rows(path, _tvr)


def write_tvr(path: Path, descriptions: Iterable[Description]) -> None:
    """Write such a file; one interval becomes ``[s, e]``, several ``[[s, e], ...]``."""
    write_rows(path, (_tvr_row(description) for description in descriptions))


def read_msrvtt(path: Path) -> list[Description]:
    """Descriptions of whole clips: ``retrieval_key`` or ``sen_id``, ``clip_name`` and ``caption``."""
    return read_rows(path, _msrvtt)


def write_msrvtt(path: Path, descriptions: Iterable[Description]) -> None:
    """Write such a file; what was read as ``sen_id`` is written as that."""
    write_rows(path, (_msrvtt_row(description) for description in descriptions))


def read_tvqa(path: Path) -> list[Question]:
    """TVQA's questions with five answers; a ``ts`` that is no interval is kept unchanged in ``rest``."""
    return read_rows(path, _tvqa)


def write_tvqa(path: Path, questions: Iterable[Question]) -> None:
    """Write such a file."""
    write_rows(path, (_tvqa_row(question) for question in questions))


def read_violin(path: Path) -> list[Statement]:
    """VIOLIN's statements."""
    return read_rows(path, _violin)


def write_violin(path: Path, statements: Iterable[Statement]) -> None:
    """Write such a file; a label is 1 for true."""
    write_rows(path, (_violin_row(statement) for statement in statements))


def read_tvc(path: Path) -> list[CaptionedClip]:
    """TVC's clips with their captions."""
    return read_rows(path, _tvc)


def write_tvc(path: Path, clips: Iterable[CaptionedClip]) -> None:
    """Write such a file."""
    write_rows(path, (_tvc_row(clip) for clip in clips))


def read_how2r(path: Path) -> list[Description]:
    """How2R's lines ``video, [clip], [moment], sentence``; the id is the row's number from 0.

    Times count from the start of the whole video, and a moment may pass its clip's end.
    """

    def parse(numbered: tuple[int, list[str]]) -> Description:
        number, (video_id, clip, moment, text) = numbered
        return Description(number, text, _video_id(video_id), (_square(moment),), clip=_square(clip))

    return _parsed_rows(path, 4, parse)


def write_how2r(path: Path, descriptions: Iterable[Description]) -> None:
    """Write such a file.

    Raises:
        ValueError: a description has no clip, or not exactly one interval.
    """
    rows = []
    for each in descriptions:
        if each.clip is None or len(each.intervals) != 1:
            raise ValueError(f"description {each.desc_id}: How2R needs its clip and one interval")
        rows.append([each.video_id, _squared(each.clip), _squared(each.intervals[0]), each.text])
    _write_lines(path, rows)


def read_how2qa(path: Path) -> list[Question]:
    """How2QA's lines ``video, [interval], option, option, option, question, option``; the id is the row's number.

    The last option is taken for the right answer: the publishers do not say it, but the rows look so.
    """

    def parse(numbered: tuple[int, list[str]]) -> Question:
        number, (video_id, interval, *wrong, text, right) = numbered
        return Question(number, text, (*wrong, right), 3, _video_id(video_id), _square(interval))

    return _parsed_rows(path, 7, parse)


def write_how2qa(path: Path, questions: Iterable[Question]) -> None:
    """Write such a file, the right answer last.

    Raises:
        ValueError: a question has not four options, no answer or no interval.
    """
    rows = []
    for each in questions:
        if len(each.options) != 4 or each.answer is None or each.interval is None:
            raise ValueError(f"question {each.question_id}: How2QA needs four options, an answer and an interval")
        wrong = [option for index, option in enumerate(each.options) if index != each.answer]
        rows.append([each.video_id, _squared(each.interval), *wrong, each.text, each.options[each.answer]])
    _write_lines(path, rows)


def read_rows(path: Path, parse: Callable[[Row], Record]) -> list[Record]:
    """``parse`` of the object on each line of a JSON Lines file; empty lines are skipped.

    Raises:
        ValueError: a line is no JSON object, or ``parse`` misses a key or meets another type in it.
    """
    return list(parsed_lines(path, lambda line: parse(_object(line))))


def _object(line: str) -> Row:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError(f"a JSON {type(row).__name__} instead of an object")
    return row


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a JSON Lines file."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _tvr(row: Row) -> Description:
    rest = dict(row)
    times = rest.pop("ts", [])
    several = bool(times) and isinstance(times[0], list)
    return Description(
        desc_id=_identifier(rest.pop("desc_id")),
        text=text_of(rest.pop("desc"), "desc"),
        video_id=_optional(_video_id, rest.pop("vid_name", None)),
        intervals=tuple(_interval(each) for each in (times if several else [times] if times else [])),
        duration_s=_optional(seconds, rest.pop("duration", None)),
        kind=_optional(_kind, rest.pop("type", None)),
        rest=rest,
    )


def _tvr_row(each: Description) -> Row:
    times = [list(interval) for interval in each.intervals]
    known = {
        "vid_name": each.video_id,
        "duration": each.duration_s,
        "ts": times[0] if len(times) == 1 else times or None,
        "type": each.kind,
    }
    present = {name: value for name, value in known.items() if value is not None}
    return {"desc_id": each.desc_id, "desc": each.text, **present, **each.rest}


def _msrvtt(row: Row) -> Description:
    rest = dict(row)
    key = "retrieval_key" if "retrieval_key" in rest else "sen_id"
    description_id, caption = _identifier(rest.pop(key)), text_of(rest.pop("caption"), "caption")
    return Description(description_id, caption, _video_id(rest.pop("clip_name")), rest=rest)


def _msrvtt_row(each: Description) -> Row:
    key = "sen_id" if isinstance(each.desc_id, int) else "retrieval_key"
    return {key: each.desc_id, "clip_name": each.video_id, "caption": each.text, **each.rest}


def _tvqa(row: Row) -> Question:
    rest = dict(row)
    options = tuple(text_of(rest.pop(f"a{index}"), f"a{index}") for index in range(5))
    interval = None
    start, _, end = str(rest.get("ts", "")).partition("-")
    if _is_number(start) and _is_number(end):
        del rest["ts"]
        interval = (float(start), float(end))
    return Question(
        question_id=_identifier(rest.pop("qid")),
        text=text_of(rest.pop("q"), "q"),
        options=options,
        answer=_optional(_index_of_five, rest.pop("answer_idx", None)),
        video_id=_video_id(rest.pop("vid_name")),
        interval=interval,
        rest=rest,
    )


def _tvqa_row(each: Question) -> Row:
    if len(each.options) != 5:
        raise ValueError(f"question {each.question_id}: TVQA has five options, not {len(each.options)}")
    row: Row = {"qid": each.question_id, "q": each.text, "vid_name": each.video_id, **each.rest}
    row |= {f"a{index}": option for index, option in enumerate(each.options)}
    if each.answer is not None:
        row["answer_idx"] = each.answer
    if each.interval is not None:
        row["ts"] = "-".join(map(_number, each.interval))
    return row


def _violin(row: Row) -> Statement:
    rest = dict(row)
    label = rest.pop("label", None)
    if label not in (None, 0, 1):
        raise ValueError(f"label is {str(label)[:80]!r}, not 0 or 1")
    desc_id, text = text_of(rest.pop("desc_id"), "desc_id"), text_of(rest.pop("desc"), "desc")
    return Statement(desc_id, text, _video_id(rest.pop("vid_name")), _optional(bool, label), rest)


def _violin_row(each: Statement) -> Row:
    label = {} if each.label is None else {"label": int(each.label)}
    return {"desc_id": each.desc_id, "desc": each.text, "vid_name": each.video_id, **label, **each.rest}


def _tvc(row: Row) -> CaptionedClip:
    rest = dict(row)
    return CaptionedClip(
        clip_id=_identifier(rest.pop("clip_id")),
        video_id=_video_id(rest.pop("vid_name")),
        duration_s=seconds(rest.pop("duration")),
        interval=_interval(rest.pop("ts")),
        captions=tuple((_identifier(each["desc_id"]), text_of(each["desc"], "desc")) for each in rest.pop("descs", [])),
        rest=rest,
    )


def _tvc_row(each: CaptionedClip) -> Row:
    row = {
        "clip_id": each.clip_id,
        "vid_name": each.video_id,
        "duration": each.duration_s,
        "ts": list(each.interval),
        **each.rest,
    }
    if each.captions:
        row["descs"] = [{"desc_id": desc_id, "desc": text} for desc_id, text in each.captions]
    return row


def _interval(times: Sequence[float]) -> Interval:
    start, end = map(seconds, times)
    return start, end


def _identifier(value: Any) -> int | str:
    return value if type(value) is int else text_of(value, "id")


def _video_id(value: Any) -> str:
    if not text_of(value, "video id").strip():
        raise ValueError("no video id")
    return str(value)


def _kind(value: Any) -> str:
    return text_of(value, "type")


def _index_of_five(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 5:
        raise ValueError(f"answer_idx is {str(value)[:80]!r}, not 0 to 4")
    return value


def _optional(parse: Callable[[Any], Record], value: Any) -> Record | None:
    return None if value is None else parse(value)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _number(value: float) -> str:
    return np.format_float_positional(value, trim="-")  # never 1e-05: its dash would separate start and end


def _parsed_rows(path: Path, columns: int, parse: Callable[[tuple[int, list[str]]], Record]) -> list[Record]:
    """``parse`` of each row of a csv without a header and its number from 0."""
    rows = enumerate(csv_rows(path, columns))
    return [parsed(f"{path}:{line}", parse, (number, row)) for number, (line, row) in rows]


def _write_lines(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _square(text: str) -> Interval:
    match = _SQUARE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:80]!r} is no interval like [60:120]")
    return seconds(match[1]), seconds(match[2])


def _squared(interval: Interval) -> str:
    return f"[{':'.join(map(_number, interval))}]"
