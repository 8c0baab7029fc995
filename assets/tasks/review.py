"""The review file: a CSV in which a person keeps or drops verbs.

The file is the only place that holds a person's decisions, so a rewrite keeps every one of them. See ``verbs`` for the
effect of a decision.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import polars as pl

from assets.tasks.lists import Decision
from assets.tasks.titles import base_form, words_of
from assets.tasks.wordnet import verb_classes
from ml.files import only_writer, whole_file

COLUMNS = ("verb", "decision", "decided_by", "tasks", "classes", "examples")


class ReviewError(ValueError):
    """The review file cannot be used; each line of the message names a line of the file and what is wrong with it."""


class _Edit(NamedTuple):
    line: int
    verb: str
    word: str
    examples: str

    @property
    def problem(self) -> str | None:
        # A verb that WordNet lacks is in the file because it is in one of the example titles of its row.
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
            problem = f"'{edit.verb}' has another decision on an earlier line"
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
    """Write a person's decisions, then the undecided verbs, then the verbs that lists or classes drop.

    The verbs of each part are sorted by their number of tasks, highest first.

    Args:
        decisions: rows of ``verb_decisions``.

    Returns:
        The number of undecided verbs.

    Raises:
        ReviewError: the existing file cannot be used; it is not changed.
    """
    with only_writer(path):
        return _write(path, decisions)


def decide(path: Path, decision: Mapping[str, Any], word: str) -> None:
    """Write a person's decision on one verb into the review file; all other decisions stay.

    Args:
        decision: the verb's row of ``verb_decisions``.
        word: ``keep``, ``drop``, or nothing to take a decision back.

    Raises:
        ReviewError: the existing file cannot be used, or the word is another one; the file is not changed.
    """
    if word not in ("", *get_args(Decision)):
        raise ReviewError(f"{path}: the decision on '{decision['verb']}' is '{word}'; it must be keep or drop")
    with only_writer(path):
        read_review(path)
        rows = [row for _, row in _rows(path)]
        row = next((row for row in rows if row["verb"].strip().lower() == decision["verb"]), None)
        if row is None:
            row = {name: str(decision[name] or "") for name in COLUMNS if name != "examples"}
            row["examples"] = " | ".join(decision["examples"])
            rows.append(row)
        row |= {"decision": word, "decided_by": "person" if word else "undecided"}
        _write_rows(path, rows)


def _write(path: Path, decisions: pl.DataFrame) -> int:
    decided = read_review(path)
    shown = {edit.verb: edit.examples for edit in _edits(path)}
    of_verb = {row["verb"]: {**row, "examples": " | ".join(row["examples"])} for row in decisions.iter_rows(named=True)}
    open_rows = [row for verb, row in of_verb.items() if verb not in decided]
    undecided = [row for row in open_rows if row["decided_by"] == "undecided"]
    dropped = [row for row in open_rows if row["decided_by"] != "undecided" and row["decision"] == "drop"]
    rows = [
        {"verb": verb, "examples": shown[verb], **of_verb.get(verb, {}), "decision": word, "decided_by": "person"}
        for verb, word in sorted(decided.items())
    ]
    _write_rows(path, [*rows, *({**row, "decision": ""} for row in [*undecided, *dropped])])
    return len(undecided)


def _write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with whole_file(path) as new, new.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def _edits(path: Path) -> list[_Edit]:
    """The rows that have a decision; raises as ``_rows``."""
    return [
        _Edit(line, row["verb"].strip().lower(), row["decision"].strip().lower(), row.get("examples", ""))
        for line, row in _rows(path)
        if row["decision"].strip()
    ]


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Each row with its line number; none where there is no file yet.

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
            return [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReviewError(f"{path}: not a CSV in UTF-8 ({error}); save it as such") from error
