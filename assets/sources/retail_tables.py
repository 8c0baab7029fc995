"""Tables of shops as people have them: Parquet, or delimited text of any dialect and encoding.

Which column is which, the delimiter, the first lines and the encoding are detected; what was detected is returned as
notes. A line that cannot be read is returned with its number and the reason.
"""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from charset_normalizer import from_bytes

from assets.outcomes import SourceError

OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "basket_id": ("order_id", "transaction_id", "invoice_no", "invoice_id", "receipt_id", "ticket_id"),
    "product_id": ("item_id", "article_id", "sku", "stock_code", "product_code", "item_code"),
    "household_id": ("household_key", "customer_id", "user_id", "client_id", "member_id"),
    "store_id": ("shop_id", "branch_id", "outlet_id"),
    "quantity": ("qty", "units"),
    "sales_value": ("amount", "total", "revenue", "line_total"),
    "purchased_on": (
        "transaction_timestamp",
        "purchase_date",
        "order_date",
        "invoice_date",
        "transaction_date",
        "date",
    ),
    "manufacturer_id": ("manufacturer", "vendor_id", "supplier_id"),
    "department": ("dept", "department_name"),
    "brand": ("brand_name",),
    "product_category": ("category", "commodity_desc"),
    "product_type": ("type", "sub_category", "sub_commodity_desc"),
    "package_size": ("size", "curr_size_of_product"),
}
"""Names that other shops and public data sets give to a column."""

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_LINES_BEFORE_HEADER = 20
_SAMPLE_BYTES = 1 << 16
_CHUNK = 1 << 20
_ENCODINGS = ["cp1250", "cp1251", "cp1253", "cp1254", "shift_jis", "gb18030", "euc_kr", "big5"]
_LEAST_FOREIGN = 0.2
"""Share of bytes above 127 from which a text is not one of the Latin alphabet with some accents."""
_NOT_TABLES = {b"PK": "a zip file or an Excel workbook", b"\x1f\x8b": "a gzip file", b"\xd0\xcf": "an Excel workbook"}
_UNREADABLE = {
    "TOO MANY COLUMNS": "more fields than the header",
    "MISSING COLUMNS": "fewer fields than the header",
    "UNQUOTED VALUE": "a quotation mark without its partner",
    "INVALID ENCODING": "not in UTF-8",
    "LINE SIZE OVER MAXIMUM": "longer than 2 MB",
}

_SWALLOWING = (_UNREADABLE["UNQUOTED VALUE"], _UNREADABLE["LINE SIZE OVER MAXIMUM"])
"""Reasons that may have cost further lines."""


class RetailError(SourceError):
    """A retail file cannot be used; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class Table:
    """A file's rows under its own column names.

    Args:
        named: of the columns that were wanted and are there, the file's own names.
        delimiter: None of Parquet.
        notes: what was detected.
        unreadable: number, reason and text of the lines that could not be read.
    """

    path: Path
    rows: pl.LazyFrame
    named: dict[str, str]
    delimiter: str | None = None
    notes: tuple[str, ...] = ()
    unreadable: tuple[tuple[int, str], ...] = ()


def read_table(path: Path, wanted: tuple[str, ...], required: tuple[str, ...]) -> Table:
    """A file with the wanted columns, as far as it has them; of Parquet, every page is checked and nothing is kept.

    Raises:
        RetailError: there is no such file, it is no table, or it lacks a required column.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_SAMPLE_BYTES)
        kind = next((kind for magic, kind in _NOT_TABLES.items() if head.startswith(magic)), None)
        if kind:
            raise RetailError(f"{path}: {kind}; save the table as CSV or Parquet")
        if head.startswith(b"PAR1") or path.suffix.lower() in (".parquet", ".pq"):
            return _read_parquet(path, wanted, required)
        return _read_delimited(path, head, wanted, required)
    except OSError as error:
        raise RetailError(f"{path}: {error.strerror or error}") from error


def _read_parquet(path: Path, wanted: tuple[str, ...], required: tuple[str, ...]) -> Table:
    try:
        rows = pl.scan_parquet(path)
        schema = rows.collect_schema()
        named = _named(path, schema.names(), wanted, required)
        nested = [name for name in named.values() if schema[name].is_nested() or schema[name] == pl.Object]
        if nested:
            raise RetailError(f"{path}: column {nested[0]} holds {schema[nested[0]]}; need one value per row")
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for _ in file.iter_batches(columns=list(named.values())):
                pass  # reading is the check: a damaged page is noticed here, while the file's name is known
    except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
        raise RetailError(f"{path}: not readable as Parquet ({_first_line(error)})") from error
    return Table(path, rows, named, notes=_notes_on_names(named, wanted))


def _read_delimited(path: Path, head: bytes, wanted: tuple[str, ...], required: tuple[str, ...]) -> Table:
    encoding = _encoding(path, head)
    lines = head.decode(encoding, "replace").removeprefix("\ufeff").splitlines()
    number, delimiter, header = _header(lines, wanted)
    named = _named(path, header, wanted, required)
    with _as_utf8(path, encoding) as copy:
        rows, unreadable = _rows(path, copy, header, number, delimiter)
    if unreadable and rows.is_empty():
        line, reason = unreadable[0]
        raise RetailError(f"{path}: none of its lines is readable; line {line}: {reason}")
    notes = [f"fields are separated by {_DELIMITERS[delimiter]}s"] if delimiter != "," else []
    notes += [f"the text is in {encoding}, not in UTF-8"] if encoding != "utf-8" else []
    notes += [f"the first {number} lines, before the header, are left out"] if number else []
    return Table(path, rows.lazy(), named, delimiter, (*notes, *_notes_on_names(named, wanted)), tuple(unreadable))


def _rows(path: Path, copy: Path, header: list[str], skip: int, delimiter: str) -> tuple[pl.DataFrame, list]:
    """The rows, all fields text, and the lines that have no row of fields.

    A guessed type could fail on a line that the guess has not seen, so none is guessed.
    """
    query = """
        SELECT * FROM read_csv(
            $path, delim = $delimiter, skip = $skip, columns = $columns, header = true, auto_detect = false,
            quote = '"', escape = '"', ignore_errors = true, store_rejects = true, rejects_limit = 0
        )
    """
    columns = dict.fromkeys(header, "VARCHAR")
    with duckdb.connect() as database:
        parameters = {"path": str(copy), "delimiter": delimiter, "skip": skip, "columns": columns}
        try:
            rows = database.execute(query, parameters).pl()
        except duckdb.Error as error:
            if not _has_carriage_returns(copy):
                raise RetailError(f"{path}: not readable as CSV ({_first_line(error)})") from error
            with _with_one_line_end(copy) as uniform:
                return _rows(path, uniform, header, skip, delimiter)
        rejected = database.execute("SELECT DISTINCT ON (line) line, error_type FROM reject_errors ORDER BY line")
        unreadable = [(line, _UNREADABLE.get(kind, kind.lower())) for line, kind in rejected.fetchall()]
    if not any(reason in _SWALLOWING for _, reason in unreadable):
        return rows, unreadable
    with _without_open_quotes(copy) as (cleaned, open_lines):
        if not open_lines:
            return rows, unreadable
        rows, unreadable = _rows(path, cleaned, header, skip, delimiter)
    return rows, sorted([*unreadable, *((line, _UNREADABLE["UNQUOTED VALUE"]) for line in open_lines)])


def _header(lines: list[str], wanted: tuple[str, ...]) -> tuple[int, str, list[str]]:
    """Index of the line that names the most wanted columns, the delimiter of its names, and the names, all different.

    Programs write a title, empty lines or ``sep=;`` before it. Without any such line it is the first one.
    """
    best: tuple[int, int, str, list[str]] | None = None
    for index, line in enumerate(lines[:_LINES_BEFORE_HEADER]):
        for delimiter in _DELIMITERS:
            names = next(csv.reader([line], delimiter=delimiter), [])
            found = len(_matches(names, wanted))
            if best is None or found > best[0]:
                best = found, index, delimiter, names
    _, index, delimiter, names = best or (0, 0, ",", [])
    if not best or not best[0]:
        index, delimiter = 0, max(_DELIMITERS, key=lambda each: lines[0].count(each) if lines else 0)
        names = next(csv.reader(lines[:1], delimiter=delimiter), [])
    header: list[str] = []
    for position, name in enumerate(names, 1):
        own = name.strip() or f"column {position}"
        header.append(own if own.lower() not in {each.lower() for each in header} else f"{own} ({position})")
    return index, delimiter, header


def _named(path: Path, present: list[str], wanted: tuple[str, ...], required: tuple[str, ...]) -> dict[str, str]:
    named = _matches(present, wanted)
    missing = [column for column in required if column not in named]
    if missing:
        raise RetailError(f"{path}: no column {', '.join(missing)}; it has {', '.join(present) or 'no columns'}")
    return named


def _matches(present: list[str], wanted: tuple[str, ...]) -> dict[str, str]:
    """Of the wanted columns that are there, the names that the file gives them."""
    by_letters = {_letters(name): name for name in reversed(present)}
    found = {}
    for column in wanted:
        names = map(_letters, (column, *OTHER_NAMES.get(column, ())))
        own = next((by_letters[name] for name in names if name in by_letters), None)
        if own is not None:
            found[column] = own
    return found


def _letters(name: str) -> str:
    """``Basket ID``, ``basketId`` and ``basket_id`` as ``basketid``."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _notes_on_names(named: dict[str, str], wanted: tuple[str, ...]) -> tuple[str, ...]:
    renamed = [
        f"column {own} is read as {column}" for column, own in named.items() if _letters(own) != _letters(column)
    ]
    missing = [column for column in wanted if column not in named]
    return (*renamed, *([f"no column {', '.join(missing)}: unknown"] if missing else []))


def _encoding(path: Path, head: bytes) -> str:
    """By byte order mark, else UTF-8 if all or most of what is not ASCII is, else UTF-16 by its zeros, else guessed."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if head.startswith(mark):
            return encoding
    if b"\0" in (head[1:2], head[0:1]):
        return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    valid = damaged = 0
    sample = b""
    with path.open("rb") as file:
        for line in file:
            if line.isascii():
                continue
            try:
                valid += bool(line.decode())
            except UnicodeDecodeError:
                damaged += 1
                sample += line if len(sample) < _SAMPLE_BYTES else b""
    if damaged <= valid:
        return "utf-8"
    if sum(byte > 127 for byte in sample) < _LEAST_FOREIGN * len(sample):
        return "cp1252"
    guess = from_bytes(sample, cp_isolation=_ENCODINGS).best()
    return guess.encoding if guess else "cp1252"


@contextmanager
def _as_utf8(path: Path, encoding: str) -> Iterator[Path]:
    """The file, or a copy of it in UTF-8 while it is needed; bytes that mean nothing become U+FFFD."""
    if encoding == "utf-8":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "utf-8.csv"
        with (
            path.open(encoding=encoding, errors="replace", newline="") as read,
            copy.open("w", encoding="utf-8", newline="") as written,
        ):
            while part := read.read(_CHUNK):
                written.write(part)
        yield copy


def _has_carriage_returns(path: Path) -> bool:
    with path.open("rb") as file:
        return any(b"\r" in chunk for chunk in iter(lambda: file.read(1 << 20), b""))


@contextmanager
def _with_one_line_end(path: Path) -> Iterator[Path]:
    """A copy whose lines all end in a line feed. DuckDB refuses a file whole whose line ends differ."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "uniform.csv"
        # Latin-1 keeps every byte; Python translates the line ends.
        with path.open(encoding="latin-1") as read, copy.open("w", encoding="latin-1", newline="\n") as written:
            shutil.copyfileobj(read, written)
        yield copy


@contextmanager
def _without_open_quotes(path: Path) -> Iterator[tuple[Path, list[int]]]:
    """A copy with an empty line in place of each with an odd number of quotation marks, and the numbers of these.

    A mark without its partner would take all lines up to the next mark with it.
    """
    open_lines = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "closed.csv"
        with path.open("rb") as read, copy.open("wb") as written:
            for number, line in enumerate(read, 1):
                is_open = line.count(b'"') % 2
                open_lines += [number] if is_open else []
                written.write(b"\n" if is_open else line)
        yield copy, open_lines


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
