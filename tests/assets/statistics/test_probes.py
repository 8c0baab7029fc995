"""Quality probes: what is drawn, what a person fills in, and what comes of it."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from assets.lake import Lake, load_tables
from assets.statistics.probes import PAIRS, VIDEOS, LabelError, contact_sheets, draw, read_labels, shares, write_sheet


def fill(lake: Lake) -> Lake:
    """150 kept videos of 10 clips each, and one video that was dropped."""
    videos = [f"synthetic-{number:03d}" for number in range(151)]
    constants = {"task_id": "t", "rank": 1, "category_1": "Home", "source": "synthetic", "word_count": 100}
    rows = [{**constants, "video_id": each, "title": f"Title of {each}", "kept": True} for each in videos]
    rows[150] |= {"kept": False, "reason": "too short"}
    lake.write("videos", with_all_columns("videos", rows))
    clips = [
        {"shard": "shard-0000", "video_id": each, "clip_index": index, "start_s": index * 4.0, "end_s": index * 4.0 + 4}
        | {"caption": f"stir {index}", "caption_clean": f"stir {index}", "word_count": 2}
        for each in videos[:150]
        for index in range(10)
    ]
    lake.write("clips", with_all_columns("clips", clips), "shard-0000")
    return lake


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake that tests only read."""
    return fill(Lake(tmp_path_factory.mktemp("filled")))


def with_all_columns(table: str, rows: list[dict]) -> pl.DataFrame:
    """Rows of a table; columns that they lack are NULL."""
    contract = load_tables()[table]
    return contract.frame(tuple(row.get(column.name) for column in contract.columns) for row in rows)


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_rows(lake: Lake) -> None:
    filled = fill(lake)
    first = draw(filled, PAIRS, seed=0)
    assert first["item"].n_unique() == 400 and first["video_id"].n_unique() > 120
    filled.write("clips", filled.read("clips").pl().sample(fraction=1, shuffle=True, seed=1), "shard-0000")
    assert draw(filled, PAIRS, seed=0).equals(first)
    assert len(set(draw(filled, PAIRS, seed=1)["item"]) & set(first["item"])) < 200


def test_an_item_keeps_its_place_when_others_go(lake: Lake) -> None:
    filled = fill(lake)
    first = draw(filled, PAIRS, seed=0)
    gone = first["video_id"][0]
    filled.write("clips", filled.read("clips").pl().filter(pl.col("video_id") != gone), "shard-0000")
    stayed = first.filter(pl.col("video_id") != gone)["item"].to_list()
    assert draw(filled, PAIRS, seed=0)["item"].to_list()[: len(stayed)] == stayed


def test_only_kept_videos_are_drawn_with_their_length(filled: Lake) -> None:
    drawn = draw(filled, VIDEOS, seed=0)
    assert drawn["item"].n_unique() == 100 and "synthetic-150" not in drawn["item"]
    assert drawn.select("start_s", "end_s").unique().rows() == [(0.0, 40.0)]


def label(path: Path, question: str, labels: Sequence[str]) -> None:
    """Fill in the first rows of a sheet, as a person does."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, given in zip(rows, labels, strict=False):
        row[question] = given
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_labels_become_shares_with_wilson_s_interval(filled: Lake, tmp_path: Path) -> None:
    sheet = tmp_path / "probes" / "pairs.csv"
    drawn = draw(filled, PAIRS, seed=0)
    assert write_sheet(sheet, PAIRS, drawn) == 400
    assert shares(sheet, PAIRS)["share"].to_list() == [None, None]
    label(sheet, "visible", ["Yes "] * 51 + ["no"] * 49)
    yes = shares(sheet, PAIRS).row(0, named=True)
    z, n, p = 1.959963984540054, 100, 0.51
    centre, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (yes["drawn"], yes["labelled"], yes["items"], yes["share"]) == (400, 100, 51, 0.51)
    assert yes["share_low"] == pytest.approx((centre - half) / (1 + z**2 / n))
    assert yes["share_high"] == pytest.approx((centre + half) / (1 + z**2 / n))


def test_labels_are_kept_when_the_sheet_is_written_again(filled: Lake, tmp_path: Path) -> None:
    sheet = tmp_path / "videos.csv"
    write_sheet(sheet, VIDEOS, draw(filled, VIDEOS, seed=0))
    label(sheet, "kind", ["vlog"] * 100)
    assert write_sheet(sheet, VIDEOS, draw(filled, VIDEOS, seed=0)) == 0
    waiting = write_sheet(sheet, VIDEOS, draw(filled, VIDEOS, seed=1))
    assert 0 < waiting < 100 and len(read_labels(sheet, VIDEOS)) == 100, "labels of items not drawn now are kept"
    assert shares(sheet, VIDEOS).filter(label="vlog")["labelled"].to_list() == [100 - waiting], "and do not count"


def test_bad_labels_are_named_with_their_line(filled: Lake, tmp_path: Path) -> None:
    sheet = tmp_path / "pairs.csv"
    drawn = draw(filled, PAIRS, seed=0)
    write_sheet(sheet, PAIRS, drawn)
    label(sheet, "visible", ["yes", "perhaps", "", "x"])
    with pytest.raises(LabelError) as error:
        write_sheet(sheet, PAIRS, drawn)
    assert str(error.value).splitlines() == [
        f"{sheet}:3: visible is 'perhaps'; it must be yes or no",
        f"{sheet}:5: visible is 'x'; it must be yes or no",
    ]
    sheet.write_text("item;visible\n")
    with pytest.raises(LabelError, match="no column drawn and item and visible"):
        shares(sheet, PAIRS)


def test_a_contact_sheet_shows_the_frames_of_each_item(filled: Lake, tmp_path: Path) -> None:
    drawn = draw(filled, VIDEOS, seed=0).head(4)
    requested: dict[str, Sequence[float]] = {}

    def frames(video_id: str, times: Sequence[float]) -> list[np.ndarray | None]:
        requested[video_id] = times
        red = np.zeros((90, 160, 3), np.uint8)
        red[..., 0] = 255
        return [None if video_id == drawn["video_id"][1] else red for _ in times]

    (path,) = contact_sheets(tmp_path, VIDEOS, drawn, frames)
    assert set(requested) == set(drawn["video_id"]) and next(iter(requested.values())) == [5.0, 15.0, 25.0, 35.0]
    page = np.asarray(Image.open(path))
    assert (page == [255, 0, 0]).all(-1).mean() == pytest.approx(3 / 6 * 81 / 107, abs=0.03)
    assert tuple(page[40, page.shape[1] // 3 + 100]) == (211, 211, 211), "no frame is grey"
