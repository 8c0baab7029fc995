"""Published files read line by line: every error names the file and the line.

A file of a benchmark with one bad line is refused and not read without it: a metric over fewer items than published
would look like the published one.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from tokenize import TokenError
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Record = TypeVar("Record")

LONGEST_LINE = 1 << 20
"""Bytes of a line, with its end; the longest of the published files has some tens of thousands."""
SHAPE_ERRORS = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What reading a value of another shape than expected raises."""


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file in UTF-8, numbered from 1, without their ends.

    Raises:
        ValueError: a line is not in UTF-8 or longer than ``LONGEST_LINE``.
    """
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise ValueError(f"{path}:{number}: longer than {LONGEST_LINE:,} bytes, so it is no line of text")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(f"{path}:{number}: not in UTF-8 at byte {error.start + 1} of the line") from error
            yield number, text.rstrip("\r\n")


def parsed_lines(path: Path, parse: Callable[[str], Record]) -> Iterator[Record]:
    """What ``parse`` makes of each line that is not empty.

    Raises:
        ValueError: ``parse`` misses a key, or meets another type or value than it expects.
    """
    for number, line in text_lines(path):
        if line.strip():
            with_line = f"{path}:{number}"
            yield parsed(with_line, parse, line)


def parsed(place: str, parse: Callable[[Any], Record], value: Any) -> Record:
    """``parse(value)``; its errors name the place.

    Raises:
        ValueError: ``parse`` misses a key, or meets another type or value than it expects.
    """
    try:
        return parse(value)
    except KeyError as error:
        raise ValueError(f"{place}: has no {error}") from error
    except SHAPE_ERRORS as error:
        raise ValueError(f"{place}: {str(error)[:200] or type(error).__name__}") from error


def csv_rows(path: Path, columns: int | None = None, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """The numbered rows of a file of delimited values, one row per line.

    Args:
        columns: fields of every row; None: any number.

    Raises:
        ValueError: not in UTF-8, a row with another number of fields, or a quotation mark that is never closed.
    """
    last, record = 0, []

    def lines() -> Iterator[str]:
        nonlocal last
        for number, line in text_lines(path):
            last = number
            record.append(line + "\n")
            yield record[-1]

    reader = csv.reader(lines(), delimiter=delimiter)
    while True:
        first, record[:] = last + 1, []
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"{path}:{first}: {error}") from error
        if len(record) > 1 or _never_closes(record, delimiter):
            raise ValueError(f"{path}:{first}: a quotation mark is never closed")
        if columns is not None and len(row) != columns:
            raise ValueError(f"{path}:{first}: {len(row)} fields instead of {columns}")
        yield first, row


def _never_closes(record: list[str], delimiter: str) -> bool:
    if not "".join(record).count('"') % 2:
        return False
    try:
        next(csv.reader(record, strict=True, delimiter=delimiter))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def tab_rows(path: Path, columns: int) -> Iterator[tuple[int, list[str]]]:
    """The numbered rows of a tab-separated file. Tab-separated sentences are not quoted: a quotation mark is text.

    Raises:
        ValueError: not in UTF-8, or a row has fewer fields than ``columns``.
    """
    for number, line in text_lines(path):
        fields = line.split("\t")
        if len(fields) < columns:
            raise ValueError(f"{path}:{number}: {len(fields)} tab-separated fields instead of {columns}")
        yield number, fields


def json_document(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        ValueError: not JSON, nested too deeply, or not in UTF-8; the message names line and column where known.
    """
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}: not JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON: {str(error)[:200]}") from error


def read_array(path: Path) -> NDArray[Any]:
    """The array of a ``.npy`` file.

    Raises:
        ValueError: the file holds none, or less of it than it says.
    """
    try:
        # As a map of the file first: a damaged header may claim more numbers than memory holds.
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except (*SHAPE_ERRORS, EOFError, MemoryError, SyntaxError, TokenError) as error:
        raise ValueError(f"{path}: not a whole .npy file: {str(error)[:200]}") from error


def seconds(text: Any) -> float:
    """A finite number of seconds.

    Raises:
        ValueError: it is none.
    """
    try:
        value = float(text) if isinstance(text, str | int | float) and not isinstance(text, bool) else math.nan
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{str(text)[:80]!r} is no number of seconds")
    return value


def text_of(value: Any, name: str) -> str:
    """The value, if it is a text that UTF-8 can hold.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str):
        raise ValueError(f"{name} is a {type(value).__name__}, not a text")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"{name} holds half of a surrogate pair: {value[:80]!a}")
    return value
