"""A failed step names the stage that left it without data."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from assets.lake import Lake, load_tables
from orchestration.emptied import emptied_by


def test_the_first_stage_without_a_usable_row_is_named_with_its_reasons(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    upstream = ["clips", "videos", "tasks"]
    row = (
        "v",
        "t",
        1,
        "Home",
        None,
        "How to peel",
        None,
        60.0,
        10,
        None,
        None,
        None,
        None,
        "folder",
        5,
        "manual",
        "en",
        None,
    )
    assert emptied_by(lake, upstream) is None, "tables that do not exist yet are no finding"
    lake.write("clips", load_tables()["clips"].frame([]))
    assert emptied_by(lake, upstream) == "clips has no rows"
    lake.write("videos", load_tables()["videos"].frame([(*row, False, "fewer than 100 words")]))
    assert emptied_by(lake, upstream) == "videos kept 0 of 1 rows (1 × fewer than 100 words)"
    assert emptied_by(lake, ["clips"]) == "clips has no rows", "only what is upstream counts"
    kept = pl.concat([load_tables()["videos"].frame([(*row, True, None)])])
    lake.write("videos", kept)
    assert emptied_by(lake, ["videos"]) is None
