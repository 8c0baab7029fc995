"""Any JSON value of any field becomes a value that the lake can store, or unknown with a problem that names it."""

from __future__ import annotations

import json
import math
from datetime import date

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.outcomes import Problem
from assets.values import LARGEST_INTEGER, LONGEST_TEXT, Fields, decoded, decoded_with_replacement, parse_json, shown

letters = st.characters(codec=None, exclude_categories=())
scalars = st.none() | st.booleans() | st.integers() | st.integers(10**300, 10**320) | st.floats() | st.text(letters)
JSON = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(letters), inner))


@settings(deadline=None, max_examples=300)
@given(JSON)
def test_any_value_is_stored_or_named(value: object) -> None:
    fields = Fields({"field": value}, "a.info.json")
    read = {
        "t": fields.text("field"),
        "n": fields.number("field"),
        "i": fields.integer("field"),
        "l": list(fields.texts("field")),
        "d": fields.date("field"),
    }
    schema = {"t": pl.String, "n": pl.Float64, "i": pl.Int64, "l": pl.List(pl.String), "d": pl.Date}
    frame = pl.DataFrame([read], schema)
    assert duckdb.sql("SELECT * FROM frame").pl().rows() == frame.rows()
    assert read["n"] is None or math.isfinite(read["n"])
    # A value that is not of a kind is never dropped without a problem.
    assert value is None or (read["t"] is None) + (read["n"] is None) <= len(fields.problems)
    assert value is None or read["i"] is not None or fields.problems
    assert all(problem.name == "a.info.json" and len(problem.problem.encode()) < 400 for problem in fields.problems)


def read(key: str, value: object) -> tuple[object, str]:
    fields = Fields({"field": value}, "x")
    found = getattr(fields, key)("field")
    return found, fields.problems[0].problem if fields.problems else ""


@pytest.mark.parametrize(
    ("kind", "value", "expected", "problem"),
    [
        ("text", "bake \ud83d bread", "bake \ufffd bread", "half of a surrogate pair"),
        ("text", "smile \ud83d\ude00", "smile 😀", ""),
        ("text", 1984, "1984", "its digits are used"),
        ("text", ["a"], None, "a list of 1 instead of a text"),
        ("text", "x" * (LONGEST_TEXT + 1), "x" * LONGEST_TEXT, "100,001 characters"),
        ("number", "12.5", 12.5, "'12.5' instead of a number; it is read as one"),
        ("number", "9" * 5000, None, "instead of a number"),
        ("number", float("inf"), None, "inf is no possible value"),
        ("number", True, None, "true instead of a number"),
        ("date", "20190228", date(2019, 2, 28), ""),
        ("date", 20190228, date(2019, 2, 28), ""),
        ("date", "2019-02-28T23:59:59Z", date(2019, 2, 28), ""),
        ("date", "20190229", None, "no day of the calendar"),
        ("date", "yesterday", None, "'yesterday' instead of a date (YYYYMMDD); it is unknown"),
        ("integer", 2**63 - 1, LARGEST_INTEGER, ""),
        ("integer", 2**63, None, "9223372036854775808 is no possible value"),
        ("integer", 10**400, None, "an integer of 1,329 bits"),
        ("integer", 7.9, 7, ""),
        ("texts", ["a", 5, "b"], ("a", "b"), "element 1 is 5 instead of a text"),
        ("texts", {"en": [], "de": []}, ("en", "de"), ""),
        ("texts", "paper", ("paper",), "a list of one"),
        ("texts", 5, (), "5 instead of a list of texts"),
    ],
)
def test_what_becomes_of_a_value(kind: str, value: object, expected: object, problem: str) -> None:
    found, reason = read(kind, value)
    assert found == expected and problem in reason and bool(problem) == bool(reason)


def test_a_value_below_what_is_possible_is_unknown() -> None:
    fields = Fields({"views": -1, "length": -0.5}, "x")
    assert (fields.integer("views", at_least=0), fields.number("length", at_least=0)) == (None, None)
    assert fields.problems == [
        Problem("x", "views: -1 is no possible value; it is unknown"),
        Problem("x", "length: -0.5 is no possible value; it is unknown"),
    ]


def test_a_deep_value_is_named_without_being_walked() -> None:
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(deep) == "a list of 1"
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 100_000 + "]" * 100_000)


def test_an_integer_of_thousands_of_digits_costs_its_field_alone() -> None:
    assert parse_json('{"views": %s, "likes": 7}' % ("9" * 5000)) == {"views": math.inf, "likes": 7}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_the_encoding_of_a_file_is_known_by_its_first_bytes(encoding: str) -> None:
    document = json.dumps({"title": "Käse"}, ensure_ascii=False).encode(encoding)
    assert parse_json(document) == {"title": "Käse"}
    assert decoded_with_replacement(document)[1] is None


def test_bytes_in_another_encoding_are_named_with_their_place() -> None:
    content = "Käse".encode("latin-1")
    with pytest.raises(UnicodeDecodeError):
        decoded(content)
    assert decoded_with_replacement(content) == ("K\ufffdse", "not in UTF-8 at byte 1; U+FFFD is used where it is not")
