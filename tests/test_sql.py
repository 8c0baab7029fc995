"""SQL files are found by name, and text that is put into a statement arrives as it was."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sql import identifier, literal, statement, statements

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def test_a_file_is_found_by_its_name_and_by_its_folder() -> None:
    named = statements("statistics")
    assert {name.split("/")[0] for name in named} == {"graph", "videos"}
    assert list(named) == sorted(named)
    assert named["videos/funnel"] == statement("statistics/videos/funnel") == statements("statistics/videos")["funnel"]


def test_a_folder_without_sql_files_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing: holds no \.sql file"):
        statements("nothing")


@given(TEXT)
def test_quoted_text_arrives_as_it_was(text: str) -> None:
    assert duckdb.sql(f"SELECT {literal(text)}").fetchall() == [(text,)]
    assert duckdb.sql(f"SELECT 1 AS {identifier(text)}").columns == [text]
