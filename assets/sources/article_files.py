"""How-to articles from a file: CSV, TSV, JSON Lines or Parquet with titles and categories, or a list of titles alone.

Every row becomes an article or a problem.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from assets.outcomes import Problem, SourceError
from assets.sources.protocol import Article
from assets.values import decoded_with_replacement, parse_json, shown, storable, text
from ml.files import file_hash

LONGEST_TITLE = 300
_BETWEEN_CATEGORIES = re.compile(r"\s*[>|;]\s*")
_HOW_TO = re.compile(r"^how\s+to\s+", re.IGNORECASE)
_ROWS_AT_ONCE = 10_000
_DELIMITERS = (",", ";", "\t", "|")
_LINES_PER_RECORD = 100


class _Row(NamedTuple):
    """A row of the file: its number, and its columns or why it has none."""

    number: int
    columns: dict[str, Any]
    problem: str | None = None


class ArticleFile:
    """Articles of one file; the suffix says its form.

    ``.csv``, ``.tsv``: a header with ``title`` and, where known, ``categories``, ``article_id``, ``url``. ``.jsonl``,
    ``.ndjson``: an object with these keys, or a title as a string, per line. ``.parquet``: these columns. Anything
    else: a title per line. Categories have the top level first, as a list or as text with ``>``, ``|`` or ``;``
    between. An article without an id gets a hash of its title.

    Raises:
        SourceError: there is no such file.
    """

    name = "file"

    def __init__(self, path: Path) -> None:
        self.path = Path(path).absolute()
        if not self.path.is_file():
            raise SourceError(f"{self.path}: no such file; set HOWTO_ARTICLES to a file of articles")

    def version(self) -> str:
        """Hash of the file."""
        return file_hash(self.path, digits=16)

    def articles(self) -> Iterator[Article]:
        """The articles of the good rows, in the file's order.

        Raises:
            SourceError: the file as a whole cannot be read.
        """
        return (each for each in self._read() if isinstance(each, Article))

    def problems(self) -> list[Problem]:
        """The rows that are no article, by line (Parquet: by row, from 1), each with its reason."""
        return [each for each in self._read() if isinstance(each, Problem)]

    def _read(self) -> Iterator[Article | Problem]:
        rows = {
            ".csv": self._delimited,
            ".tsv": self._delimited,
            ".jsonl": self._json_lines,
            ".ndjson": self._json_lines,
            ".parquet": self._parquet,
        }.get(self.path.suffix.lower(), self._titles)()
        seen: dict[str, int] = {}
        for row in rows:
            made = _article(row)
            if isinstance(made, Article) and made.article_id in seen:
                made = f"the same article as in row {seen[made.article_id]}, which is used"
            if isinstance(made, Article):
                seen[made.article_id] = row.number
                yield made
            else:
                yield Problem(f"{self.path.name}:{row.number}", made)

    def _titles(self) -> Iterator[_Row]:
        for number, line in self._lines():
            yield _Row(number, {"title": line.strip()})

    def _delimited(self) -> Iterator[_Row]:
        lines = list(self._lines())
        delimiter, header = _header(lines[0][1] if lines else "", self.path.suffix.lower())
        self._must_name_titles(header)
        place = 1
        while place < len(lines):
            taken, fields = _record(lines, place, delimiter)
            number, several = lines[place][0], taken > 1
            row = dict(zip(header, fields, strict=False))
            if several and (len(fields) != len(header) or "\n" in row["title"]):
                # A quotation mark without its partner must cost its own line and not those after it.
                yield _Row(number, {}, "a quotation mark without its partner")
                taken = 1
            elif len(fields) != len(header):
                yield _Row(number, {}, f"{len(fields)} fields instead of {len(header)}")
            else:
                yield _Row(number, row)
            place += taken

    def _json_lines(self) -> Iterator[_Row]:
        for number, line in self._lines():
            try:
                value = parse_json(line)
            except ValueError as error:
                yield _Row(number, {}, f"not JSON: {error}")
                continue
            if isinstance(value, str):
                value = {"title": value}
            if isinstance(value, dict):
                yield _Row(number, value)
            else:
                yield _Row(number, {}, f"{shown(value)} instead of an object or a title")

    def _parquet(self) -> Iterator[_Row]:
        try:
            frame = pl.scan_parquet(self.path)
            names = [name for name in frame.collect_schema().names() if name in Article.__annotations__]
            self._must_name_titles(names)
            batches = frame.select(names).collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True)
            rows = (row for batch in batches for row in batch.iter_rows(named=True))
            yield from (_Row(number, row) for number, row in enumerate(rows, start=1))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SourceError(f"{self.path}: not a Parquet file ({error})") from error

    def _lines(self) -> Iterator[tuple[int, str]]:
        text, _ = decoded_with_replacement(self.path.read_bytes())
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        yield from ((number, line) for number, line in enumerate(lines, start=1) if line.strip())

    def _must_name_titles(self, columns: list[str]) -> None:
        if "title" not in columns:
            found = f"only {', '.join(columns)}" if columns else "none at all"
            raise SourceError(f"{self.path}: no column title ({found}); name it so, or give a .txt with a title a line")


def _header(line: str, suffix: str) -> tuple[str, list[str]]:
    """The delimiter under which a line names titles (without one, that of the suffix), and its names in lower case."""
    first = "\t" if suffix == ".tsv" else ","
    split = {
        each: [name.strip().lower() for name in next(csv.reader([line], delimiter=each), [])] for each in _DELIMITERS
    }
    delimiter = next((each for each in (first, *_DELIMITERS) if "title" in split[each]), first)
    return delimiter, split[delimiter]


def _record(lines: list[tuple[int, str]], place: int, delimiter: str) -> tuple[int, list[str]]:
    """How many lines the record takes that begins at a place, and its fields; none if a quotation mark stays open."""
    for strict in (True, False):
        taken = 0

        def following() -> Iterator[str]:
            nonlocal taken
            for taken, (_, line) in enumerate(lines[place : place + _LINES_PER_RECORD], 1):  # noqa: B007 - counted
                yield f"{line}\n"

        try:
            fields = next(csv.reader(following(), delimiter=delimiter, strict=strict), [])
            return taken, fields
        except csv.Error as error:
            if "unexpected end" in str(error):
                return taken, []
    return taken, []


def _article(row: _Row) -> Article | str:
    """The article that a row describes, or why it describes none."""
    if row.problem is not None:
        return row.problem
    title, categories = row.columns.get("title"), row.columns.get("categories")
    if title is not None and not isinstance(title, str):
        return f"the title is no text: {shown(title)}"
    if title and "\ufffd" in title:
        return f"not in UTF-8: {storable(title[:80])}"
    title = _HOW_TO.sub("", storable(title or "").replace("\ufffd", "").strip())
    if not title:
        return "no title"
    if len(title) > LONGEST_TITLE:
        return f"the title is longer than {LONGEST_TITLE} characters: {title[:80]}..."
    named = _categories(categories)
    if named is None:
        return f"the categories are neither a list of names nor text: {shown(categories)}"
    digest = hashlib.sha256(title.encode()).hexdigest()[:12]
    article_id = _article_id(row.columns.get("article_id")) or f"file-{digest}"
    return Article(article_id, title, text(row.columns.get("url"))[0] or None, named)


def _article_id(value: Any) -> str:
    """An id as text, empty where there is none; a whole number that was written as a float is that number."""
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    return (text(whole)[0] or "").strip()


def _categories(value: Any) -> tuple[str, ...] | None:
    """Category names, top level first; None if the value is of another kind."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = parse_json(value)
        except ValueError:
            return None
    if isinstance(value, str):
        value = _BETWEEN_CATEGORIES.split(value.strip())
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        return None
    return tuple(storable(name).strip() for name in value if name.strip())
