"""The review file: undecided verbs, written as CSV for a person, and the decisions read back.

Belongs here: the file and what is wrong with it. What a decision does is told in ``verbs``. The file is the only place
where a person's decisions live, so writing it anew keeps every one of them.
"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import NamedTuple, get_args

import polars as pl

from assets.tasks.lists import Decision
from assets.tasks.titles import base_form, words_of
from assets.tasks.wordnet import verb_classes
from ml.files import whole_file

COLUMNS = ("verb", "decision", "tasks", "classes", "examples")


class ReviewError(ValueError):
    """The review file cannot be used; each line of the message names a line of the file and what is wrong with it."""


class _Edit(NamedTuple):
    line: int
    verb: str
    word: str
    examples: str

    @property
    def problem(self) -> str | None:
        # A verb that WordNet lacks stands in the file because it stands in the titles that are shown beside it.
        verb = self.verb.split(" ", 1)[0]
        if verb not in verb_classes() and verb not in map(base_form, words_of(self.examples)):
            return f"'{self.verb}' is no known verb"
        if self.word not in get_args(Decision):
            return f"the decision on '{self.verb}' is '{self.word}'; it must be keep or drop"
        return None


def read_review(path: Path) -> dict[str, Decision]:
    """The decisions of a review file; none where there is no file yet.

    Raises:
        ReviewError: naming each line with an unknown verb, another word than keep or drop, or a contradiction.
    """
    decided: dict[str, Decision] = {}
    problems = []
    for edit in _edits(path):
        problem = edit.problem
        if problem is None and decided.get(edit.verb, edit.word) != edit.word:
            problem = f"'{edit.verb}' is decided otherwise on an earlier line"
        if problem is None:
            decided[edit.verb] = edit.word  # type: ignore[assignment]
        else:
            problems.append(f"{path}:{edit.line}: {problem}")
    if problems:
        raise ReviewError("\n".join(problems))
    return decided


def review_version(path: Path) -> str:
    """Hash of the decisions in the file, right or wrong; that of no decisions where there is no file."""
    try:
        content = repr(sorted((edit.verb, edit.word) for edit in _edits(path))).encode()
    except ReviewError:
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()[:16]


def write_review(path: Path, decisions: pl.DataFrame) -> int:
    """Write what a person decided so far, then the undecided verbs, the most frequent first.

    Args:
        decisions: rows of ``verb_decisions``.

    Returns:
        How many verbs wait for a decision.

    Raises:
        ReviewError: the file that is there cannot be used; it stays as it is.
    """
    decided = read_review(path)
    shown = {edit.verb: edit.examples for edit in _edits(path)}
    of_verb = {row["verb"]: {**row, "examples": " | ".join(row["examples"])} for row in decisions.iter_rows(named=True)}
    waiting = [row for verb, row in of_verb.items() if row["decided_by"] == "undecided" and verb not in decided]
    rows = [
        {"verb": verb, "examples": shown[verb], **of_verb.get(verb, {}), "decision": word}
        for verb, word in sorted(decided.items())
    ]
    with whole_file(path) as new, new.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows([*rows, *({**row, "decision": ""} for row in waiting)])
    return len(waiting)


def _edits(path: Path) -> list[_Edit]:
    """The rows that have a decision.

    Raises:
        ReviewError: the file is not a CSV of the columns that it must have.
    """
    if not path.exists():
        return []
    try:
        # A spreadsheet program may have put a byte order mark before the first cell.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            missing = {"verb", "decision"} - set(reader.fieldnames or ())
            if missing:
                raise ReviewError(f"{path}:1: no column {' and '.join(sorted(missing))} (columns need commas between)")
            return [
                _Edit(
                    reader.line_num,
                    row["verb"].strip().lower(),
                    row["decision"].strip().lower(),
                    row.get("examples", ""),
                )
                for row in reader
                if row["decision"].strip()
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReviewError(f"{path}: not a CSV in UTF-8 ({error}); save it as such") from error
