"""How-to articles from a file: CSV, TSV, JSON Lines or Parquet with titles and categories, or a list of titles alone.

Belongs here: the forms that such a file may have, and what is wrong with a row. Every row becomes an article or a
problem. Does not belong here: which articles become tasks.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from assets.outcomes import Problem, SourceError
from assets.sources.protocol import Article
from ml.files import file_hash

LONGEST_TITLE = 300
_BETWEEN_CATEGORIES = re.compile(r"\s*[>|;]\s*")
_HOW_TO = re.compile(r"^how\s+to\s+", re.IGNORECASE)
_ROWS_AT_ONCE = 10_000


class _Row(NamedTuple):
    """A row as it stands in the file: where, and its columns or why it has none."""

    number: int
    columns: dict[str, Any]
    problem: str | None = None


class ArticleFile:
    """Articles of one file; the suffix says its form.

    ``.csv``, ``.tsv``: a header with ``title`` and, where known, ``categories``, ``article_id``, ``url``. ``.jsonl``,
    ``.ndjson``: an object with these keys, or a title as a string, a line. ``.parquet``: these columns. Anything else:
    a title a line. Categories have the top level first, as a list or as text with ``>``, ``|`` or ``;`` between. An
    article without an id gets a hash of its title for one.

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
        with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.reader(file, delimiter="\t" if self.path.suffix.lower() == ".tsv" else ",")
            header = [name.strip().lower() for name in next(reader, [])]
            self._must_name_titles(header)
            while True:
                try:
                    fields = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield _Row(reader.line_num, {}, f"not readable: {error}")
                    continue
                if len(fields) == len(header):
                    yield _Row(reader.line_num, dict(zip(header, fields, strict=True)))
                elif fields:
                    yield _Row(reader.line_num, {}, f"{len(fields)} fields instead of {len(header)}")

    def _json_lines(self) -> Iterator[_Row]:
        for number, line in self._lines():
            try:
                read = json.loads(line)
                json.dumps(read, ensure_ascii=False).encode()  # half a surrogate pair is JSON, but no text
            except (ValueError, RecursionError) as error:
                yield _Row(number, {}, f"not JSON: {error}")
                continue
            if isinstance(read, str):
                read = {"title": read}
            if isinstance(read, dict):
                yield _Row(number, read)
            else:
                yield _Row(number, {}, f"a JSON {type(read).__name__} instead of an object or a title")

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
        with self.path.open(encoding="utf-8-sig", errors="replace") as file:
            yield from ((number, line) for number, line in enumerate(file, start=1) if line.strip())

    def _must_name_titles(self, columns: list[str]) -> None:
        if "title" not in columns:
            found = f"only {', '.join(columns)}" if columns else "none at all"
            raise SourceError(f"{self.path}: no column title ({found}); name it so, or give a .txt with a title a line")


def _article(row: _Row) -> Article | str:
    """The article that a row tells of, or why it tells of none."""
    if row.problem is not None:
        return row.problem
    title, categories = row.columns.get("title"), row.columns.get("categories")
    if title is not None and not isinstance(title, str):
        return f"the title is no text: {title!r:.80}"
    if not title or not title.strip():
        return "no title"
    title = _HOW_TO.sub("", title.strip())
    if "\ufffd" in title:
        return f"not in UTF-8: {title[:80]}"
    if len(title) > LONGEST_TITLE:
        return f"the title is longer than {LONGEST_TITLE} characters: {title[:80]}..."
    named = _categories(categories)
    if named is None:
        return f"the categories are neither a list of names nor text: {categories!r:.80}"
    article_id, url = row.columns.get("article_id"), row.columns.get("url")
    digest = hashlib.sha256(title.encode()).hexdigest()[:12]
    return Article(
        str(article_id).strip() if article_id not in (None, "") else f"file-{digest}", title, url or None, named
    )


def _categories(value: Any) -> tuple[str, ...] | None:
    """Category names, top level first; None if the value is of another kind."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if isinstance(value, str):
        value = _BETWEEN_CATEGORIES.split(value.strip())
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        return None
    return tuple(name.strip() for name in value if name.strip())
