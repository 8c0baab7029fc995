"""Columns of shops' files as people have them: ids that became floats, decimal commas, dates in any order.

A column is read as a whole, because one value rarely says what it means: ``03/04/2026`` is in April if another row
of its column says ``25/04/2026``. What was detected is returned as notes.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import polars as pl

NO_VALUE = (
    *("", "#N/A", "#N/A N/A", "#NA", "-NaN", "-nan", "<NA>", "N/A", "NA", "NULL", "NaN", "NaT"),
    *("None", "n/a", "nan", "null"),
)
"""Texts that stand for no value: what pandas, R and SQL write, and what pandas reads as missing."""

_WHOLE_WITH_POINT = r"^([+-]?\d+)\.0*$"
_EXPONENT = r"^[+-]?\d+(?:\.\d+[eE][+-]?|[eE][+-]|e)\d{1,2}$"
_SURELY_EXPONENT = r"^[+-]?\d+(?:\.\d+[eE][+-]?|[eE][+-])\d{1,2}$"
"""``1.2e1`` or ``1e+16``, as programs write floats; ``12e3`` is one only in a column of numbers."""
_NUMBER = r"^[+-]?\d+(?:\.\d*)?(?:(?:[eE][+-]?|e)\d{1,2})?$"


_LARGEST_EXACT = 2**53
"""Up to here every whole number is a float64 of its own."""

_BLANKS = " '\u2019\u00a0\u202f"  # between thousands; the last two do not break a line
_AROUND_A_NUMBER = r"^(?:\p{Sc}|[A-Z]{3})?\s*([+-]?[\d.,eE'\u2019\s+-]*\d[.,]?)\s*(?:\p{Sc}|[A-Z]{3})?$"
_POINT = r"^[+-]?(?:\d+\.(?:\d{1,2}|\d{4,})|\d{1,3}(?:,\d{3})+\.\d+|\d{1,3}(?:,\d{3}){2,})$"
_COMMA = (
    rf"^[+-]?(?:\d+,(?:\d{{1,2}}|\d{{4,}})|0,\d+"
    rf"|\d{{1,3}}(?:[.{_BLANKS}]\d{{3}})+,\d+|\d{{1,3}}(?:\.\d{{3}}){{2,}})$"
)
_EITHER = r"^[+-]?[1-9]\d{0,2},\d{3}$"

_TIME_OF_DAY = r"(?:T|\s+)\d{1,2}:.*$"
_YEAR_FIRST = r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$"
_COMPACT = r"^(\d{4})(\d{2})(\d{2})(?:\.0)?$"
_YEAR_LAST = r"^(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4}|\d{2})$"
_NAMED_MONTHS = ("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%y")
_DAY_FIRST, _MONTH_FIRST = "day/month/year", "month/day/year"


@dataclass(frozen=True)
class Column:
    """An expression that reads a column, and what was detected in it."""

    read: pl.Expr
    notes: tuple[str, ...] = ()


def as_text(name: str) -> pl.Expr:
    """A column of any flat type as text without blanks around it; texts that stand for no value are null."""
    text = pl.col(name).cast(pl.String, strict=False).str.strip_chars()
    return pl.when(~text.is_in(NO_VALUE)).then(text)


def as_ids(rows: pl.LazyFrame, name: str) -> Column:
    """Ids as text. A whole number that was written as a float is that number: ``12.0``, ``12.`` and ``1.2e1`` are 12.

    Args:
        rows: the file; of a column of whole numbers nothing is read yet.
    """
    dtype = rows.collect_schema()[name]
    if dtype.is_integer():
        return Column(pl.col(name).cast(pl.String))
    if dtype.is_float():
        return _ids_of_floats(rows, name, 2**24 if dtype == pl.Float32 else _LARGEST_EXACT)
    values = _values(rows, as_text(name))
    numeric = bool(values.str.contains(_NUMBER).all())
    pointed = values.filter(values.str.contains(_WHOLE_WITH_POINT))
    whole = {each: each.partition(".")[0] for each in pointed}
    for each in values.filter(values.str.contains(_EXPONENT if numeric else _SURELY_EXPONENT)):
        number = Decimal(each)
        if number == number.to_integral_value():
            whole[each] = f"{number:f}".partition(".")[0]
    if not whole:
        return Column(as_text(name))
    large = sum(abs(int(each)) > _LARGEST_EXACT for each in whole.values())
    notes = f"{len(whole):,} ids are whole numbers written as floats, such as {next(iter(whole))}"
    return Column(as_text(name).replace(list(whole), list(whole.values())), (notes, *_lost_digits(large)))


def _ids_of_floats(rows: pl.LazyFrame, name: str, largest_exact: int) -> Column:
    value = pl.col(name).cast(pl.Float64)
    whole = pl.when(value == value.floor()).then(value.cast(pl.Int64, strict=False))
    read = pl.when(value.is_finite()).then(pl.coalesce(whole.cast(pl.String), value.cast(pl.String)))
    large = rows.select((value.is_finite() & (value.abs() > largest_exact)).sum()).collect().item()
    return Column(read, ("ids are whole numbers stored as floats", *_lost_digits(large)))


def _lost_digits(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    return (f"{count:,} ids are larger than a float holds exactly; write the column as text or whole numbers",)


def as_numbers(rows: pl.LazyFrame, name: str, delimiter: str | None = None) -> Column:
    """Finite numbers as Float64, null for what is none. A currency and separators of thousands do not count.

    Whether a comma separates decimals or thousands is decided from all values of the column. Where all could be
    either (``1,250``), it separates thousands, unless the file has another delimiter than the comma.
    """
    if rows.collect_schema()[name].is_numeric():
        number = pl.col(name).cast(pl.Float64)
        return Column(pl.when(number.is_finite()).then(number))
    text = pl.coalesce(as_text(name).str.extract(_AROUND_A_NUMBER), as_text(name))
    values = _values(rows, text)
    point, comma, either = (int(values.str.contains(pattern).sum()) for pattern in (_POINT, _COMMA, _EITHER))
    decimal_comma = comma > point or (not comma and not point and bool(either) and delimiter not in (",", None))
    thousands, decimal = (f".{_BLANKS}", ",") if decimal_comma else (f",{_BLANKS}", r"\.")
    grouped = rf"^[+-]?\d{{1,3}}(?:[{thousands}]\d{{3}})+(?:{decimal}\d*)?$"
    plain = pl.when(text.str.contains(grouped)).then(text.str.replace_all(rf"[{thousands}]", "")).otherwise(text)
    number = (plain.str.replace(",", ".", literal=True) if decimal_comma else plain).cast(pl.Float64, strict=False)
    notes = []
    if decimal_comma:
        notes.append("numbers have decimal commas")
    if point and comma:
        notes.append(
            f"{min(point, comma):,} numbers have another decimal separator than the other {max(point, comma):,}"
        )
    elif either and not comma and not point:
        notes.append(f"commas are read as separators of {'decimals' if decimal_comma else 'thousands'}")
    return Column(pl.when(number.is_finite()).then(number), tuple(notes))


def as_dates(rows: pl.LazyFrame, name: str) -> Column:
    """Days, null for what is none. A time of day does not count.

    Read are ISO dates, years first or last with ``/``, ``-`` or ``.`` between, ``20260304``, and English names of
    months. The order of day and month is what the most dates of the column can have. Where both orders fit equally,
    a point between means day first; else the dates are unknown, and a note says so.
    """
    dtype = rows.collect_schema()[name]
    if dtype == pl.Date or dtype == pl.Datetime:
        return Column(pl.col(name).cast(pl.Date))
    text = as_text(name).str.replace(_TIME_OF_DAY, "")
    values = _values(rows, text)
    readings = [
        _iso(text, _YEAR_FIRST, "$1-$2-$3"),
        _iso(text, _COMPACT, "$1-$2-$3"),
        *(text.str.to_date(form, strict=False) for form in _NAMED_MONTHS),
    ]
    notes = []
    order = _order(values.filter(values.str.contains(_YEAR_LAST)))
    if order in (_DAY_FIRST, _MONTH_FIRST):
        day, month = ("$1", "$3") if order == _DAY_FIRST else ("$3", "$1")
        readings += [_iso(text, _YEAR_LAST, f"{year}$4-{month}-{day}") for year in ("", "20")]
        notes.append(f"dates are read as {order}")
    elif order:
        notes.append(order)
    return Column(pl.coalesce(readings), tuple(notes))


def _iso(text: pl.Expr, pattern: str, replacement: str) -> pl.Expr:
    """The dates of texts of a pattern. A year of two digits is none: its replacement has to begin with the century."""
    iso = pl.when(text.str.contains(pattern)).then(text.str.replace(pattern, replacement))
    return pl.when(iso.str.contains(r"^\d{4}-")).then(iso).str.to_date("%Y-%m-%d", strict=False)


def _order(values: pl.Series) -> str | None:
    """The order of day and month in dates with the year last, or why it is unknown; None if there are no such dates."""
    if values.is_empty():
        return None
    first, second = (values.str.extract(_YEAR_LAST, group).cast(pl.Int64) for group in (1, 3))
    day_first, month_first = int((second <= 12).sum()), int((first <= 12).sum())
    if day_first != month_first:
        return _DAY_FIRST if day_first > month_first else _MONTH_FIRST
    if bool((values.str.extract(_YEAR_LAST, 2) == ".").all()):
        return _DAY_FIRST
    return f"dates such as {values[0]} may have day or month first, so they are unknown; write them as 2026-12-31"


def _values(rows: pl.LazyFrame, text: pl.Expr) -> pl.Series:
    """The distinct values of an expression, sorted."""
    return rows.select(text.alias("value")).unique().collect()["value"].drop_nulls().sort()
