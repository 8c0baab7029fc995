"""The review file of near-duplicates: a CSV in which people say whether two videos are the same."""

from __future__ import annotations

import csv
from pathlib import Path

from ml.files import only_writer, whole_file

COLUMNS = ("video_id", "duplicate_of", "same")
ANSWERS = ("yes", "no")


class MatchError(ValueError):
    """The review file cannot be used; the message names the line and what is wrong with it."""


def read_matches(path: Path) -> dict[tuple[str, str], str]:
    """The answers by (video_id, duplicate_of); none where there is no file yet.

    Raises:
        MatchError: the file is not a CSV of its columns, or an answer is not yes or no.
    """
    if not path.exists():
        return {}
    answers = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            if missing := set(COLUMNS) - set(reader.fieldnames or ()):
                raise MatchError(f"{path}:1: no column {' and '.join(sorted(missing))} (columns need commas between)")
            for row in reader:
                word = row["same"].strip().lower()
                if word not in ("", *ANSWERS):
                    raise MatchError(f"{path}:{reader.line_num}: same is '{word}'; it must be yes or no")
                if word:
                    answers[row["video_id"], row["duplicate_of"]] = word
    except (UnicodeDecodeError, csv.Error) as error:
        raise MatchError(f"{path}: not a CSV in UTF-8 ({error}); save it as such") from error
    return answers


def label_match(path: Path, video_id: str, duplicate_of: str, word: str) -> None:
    """Write a person's answer on one pair; nothing takes it back.

    Raises:
        MatchError: the existing file cannot be used, or the word is no answer; the file is not changed.
    """
    if word not in ("", *ANSWERS):
        raise MatchError(f"{path}: same is '{word}'; it must be yes or no")
    with only_writer(path):
        answers = {**read_matches(path), (video_id, duplicate_of): word}
        with whole_file(path) as new, new.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows((*pair, answer) for pair, answer in sorted(answers.items()) if answer)
