"""The quality probes of HowTo100M: people label random clips and videos on review sheets.

This module draws the items, writes sheets and contact sheets, and computes shares of labels with confidence intervals.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from assets.lake import Lake, load_tables
from ml.files import only_writer, whole_file

Frames = Callable[[str, Sequence[float]], Sequence[NDArray[np.uint8] | None]]
"""Returns the frames ``[height, width, 3]`` of a video at times in seconds; None where there is no frame."""

CONFIDENCE = 0.95
_TILE = (144, 81)
_TEXT_HEIGHT = 26
_ITEMS_PER_ROW, _ROWS_PER_PAGE = 3, 34


@dataclass(frozen=True)
class Probe:
    """The items of a probe and its question: people fill the column ``question`` with one of ``labels``.

    ``frames`` of the video of an item are shown, and as many of the video ``other_id`` where an item has two.
    """

    name: str
    count: int
    question: str
    labels: tuple[str, ...]
    frames: int
    query: str


PAIRS = Probe(
    name="pairs",
    count=400,
    question="visible",
    labels=("yes", "no"),
    frames=3,
    query="""
        SELECT clips.video_id || ':' || clips.clip_index AS item, clips.video_id, videos.category_1, clips.start_s,
            clips.end_s, clips.caption AS text
        FROM clips JOIN videos ON clips.video_id = videos.video_id
        ORDER BY md5($seed || ':' || clips.video_id || ':' || clips.clip_index) LIMIT $count
    """,
)
"""Is at least one object or action of the caption visible in the clip? In the paper, for 51 % of 400 pairs."""

VIDEOS = Probe(
    name="videos",
    count=100,
    question="kind",
    labels=("instructional", "vlog", "advert", "other"),
    frames=4,
    query="""
        WITH drawn AS (
            SELECT video_id, category_1, title FROM videos WHERE kept
            ORDER BY md5($seed || ':' || video_id) LIMIT $count
        )

        SELECT drawn.video_id AS item, drawn.video_id, drawn.category_1, CAST(0 AS DOUBLE) AS start_s,
            max(clips.end_s) AS end_s, drawn.title AS text
        FROM drawn JOIN clips ON drawn.video_id = clips.video_id
        GROUP BY drawn.video_id, drawn.category_1, drawn.title
        ORDER BY md5($seed || ':' || drawn.video_id)
    """,
)
"""What kind of video is it? In the paper, 71 of 100 are instructional, 12 vlogs, 7 product reviews or adverts."""

_MATCHES = """
    WITH length AS (
        SELECT video_id, max(end_s) AS end_s FROM clips GROUP BY video_id
    )

    SELECT matched.video_id || ':' || matched.duplicate_of AS item, matched.video_id, matched.duplicate_of AS other_id,
        own.category_1, CAST(0 AS DOUBLE) AS start_s,
        coalesce(least(length.end_s, other_length.end_s), length.end_s, other_length.end_s, 0) AS end_s,
        format('{{:.0f}} % {similar}: ', 100 * matched.similarity) || own.title || ' / ' || other.title AS text
    FROM {table} AS matched
    JOIN (SELECT DISTINCT ON (video_id) * FROM candidate_videos ORDER BY video_id, rank) AS own
        ON matched.video_id = own.video_id
    JOIN (SELECT DISTINCT ON (video_id) * FROM candidate_videos ORDER BY video_id, rank) AS other
        ON matched.duplicate_of = other.video_id
    LEFT JOIN length ON matched.video_id = length.video_id
    LEFT JOIN length AS other_length ON matched.duplicate_of = other_length.video_id
    ORDER BY md5($seed || ':' || matched.video_id || ':' || matched.duplicate_of) LIMIT $count
"""
DUPLICATES, VISUAL_DUPLICATES = (
    Probe(
        name=table,
        count=200,
        question="same",
        labels=("yes", "no"),
        frames=2,
        query=_MATCHES.format(table=table, similar=similar),
    )
    for table, similar in (("video_duplicates", "of the words"), ("visual_duplicates", "of the pictures"))
)
"""Do the two videos of a near-duplicate say, or show, the same? The share of ``yes`` is the precision of the table."""

PROBES = (PAIRS, VIDEOS, DUPLICATES, VISUAL_DUPLICATES)


class LabelError(ValueError):
    """A sheet cannot be used; each line of the message names a line of the sheet and its problem."""


def draw(lake: Lake, probe: Probe, seed: int) -> pl.DataFrame:
    """Items in the order of a hash of the seed and their id, whatever the order of their rows.

    Added rows displace few items, because the relative order of the others does not change.

    Returns:
        item, video_id, category_1, start_s, end_s, text.
    """
    return lake.sql(probe.query, seed=str(seed), count=probe.count).pl()


def write_sheet(path: Path, probe: Probe, drawn: pl.DataFrame) -> int:
    """Write the sheet to fill in, with one row per item; existing labels are kept, even of items not drawn any more.

    Returns:
        The number of drawn items without a label.

    Raises:
        LabelError: the existing sheet cannot be used; it is not changed.
    """
    with only_writer(path):
        return _write(path, probe, drawn)


def label(path: Path, probe: Probe, item: str, word: str) -> None:
    """Write a person's answer on one item into the sheet; all other rows and columns stay.

    Args:
        word: one of the probe's labels, or nothing to take an answer back.

    Raises:
        LabelError: the sheet cannot be used, has no such item, or the word is no answer; the sheet is not changed.
    """
    if word not in ("", *probe.labels):
        raise LabelError(f"{path}: {probe.question} is '{word}'; it must be {' or '.join(probe.labels)}")
    with only_writer(path):
        read_labels(path, probe)
        rows = [row for _, row in _rows(path, probe)]
        own = [row for row in rows if row["item"] == item]
        if not own:
            raise LabelError(f"{path}: has no item '{item}'; run howto refresh to draw the sheet again")
        for row in own:
            row[probe.question] = word
        _write_rows(path, list(rows[0]), rows)


def sheet_rows(path: Path, probe: Probe) -> list[dict[str, str]]:
    """The drawn items of a sheet with their labels; none if the sheet does not exist.

    Raises:
        LabelError: the sheet cannot be used.
    """
    return [row for _, row in _rows(path, probe) if row["drawn"] == "yes"]


def _write(path: Path, probe: Probe, drawn: pl.DataFrame) -> int:
    labels = read_labels(path, probe)
    rows = [
        {"tile": tile, **row, "drawn": "yes", probe.question: labels.pop(row["item"], "")}
        for tile, row in enumerate(drawn.iter_rows(named=True), start=1)
    ]
    waiting = sum(not row[probe.question] for row in rows)
    rows += [{"item": item, "drawn": "no", probe.question: label} for item, label in labels.items()]
    _write_rows(path, ["tile", probe.question, "text", *drawn.drop("text").columns, "drawn"], rows)
    return waiting


def _write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    with whole_file(path) as new, new.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def read_labels(path: Path, probe: Probe) -> dict[str, str]:
    """The labels of a sheet by item; none if the sheet does not exist.

    Raises:
        LabelError: a label is not one of the probe's; the message names each such line.
    """
    labels = {}
    problems = []
    for line, row in _rows(path, probe):
        label = row[probe.question].strip().lower()
        if label and label not in probe.labels:
            problems.append(f"{path}:{line}: {probe.question} is '{label}'; it must be {' or '.join(probe.labels)}")
        elif label:
            labels[row["item"]] = label
    if problems:
        raise LabelError("\n".join(problems))
    return labels


def shares(path: Path, probe: Probe) -> pl.DataFrame:
    """Share of each label among the labelled items, with Wilson's interval (columns of ``quality_probes``).

    Raises:
        LabelError: the sheet cannot be used.
    """
    # This import takes half a second, which would slow down loading the definitions.
    from scipy.stats import binomtest

    labels = read_labels(path, probe)
    drawn = [row["item"] for _, row in _rows(path, probe) if row["drawn"] == "yes"]
    counts = Counter(labels[item] for item in drawn if item in labels)
    labelled = counts.total()
    rows: list[tuple[Any, ...]] = []
    for label in probe.labels:
        low = high = share = None
        if labelled:
            interval = binomtest(counts[label], labelled).proportion_ci(CONFIDENCE, method="wilson")
            share, low, high = counts[label] / labelled, float(interval.low), float(interval.high)
        rows.append((probe.name, label, len(drawn), labelled, counts[label], share, low, high))
    return load_tables()["quality_probes"].frame(rows)


def contact_sheets(folder: Path, probe: Probe, drawn: pl.DataFrame, frames: Frames) -> list[Path]:
    """Write PNG pages of all drawn items, each with its tile number, some frames and its text.

    The frames are spaced evenly over the item: three are at 1/6, 3/6 and 5/6.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(drawn.iter_rows(named=True))
    per_page = _ITEMS_PER_ROW * _ROWS_PER_PAGE
    paths = []
    for first in range(0, len(rows), per_page):
        path = folder / f"{probe.name}-{first // per_page + 1}.png"
        _page(probe, rows[first : first + per_page], first + 1, frames).save(path)
        paths.append(path)
    return paths


def _page(probe: Probe, rows: list[dict[str, Any]], first_tile: int, frames: Frames) -> Image.Image:
    shown_frames = probe.frames * (2 if rows and "other_id" in rows[0] else 1)
    width, height = _TILE[0] * shown_frames + 6, _TILE[1] + _TEXT_HEIGHT
    page = Image.new("RGB", (width * _ITEMS_PER_ROW, height * -(-len(rows) // _ITEMS_PER_ROW)), "white")
    pen = ImageDraw.Draw(page)
    for index, row in enumerate(rows):
        left, top = index % _ITEMS_PER_ROW * width, index // _ITEMS_PER_ROW * height
        for k, frame in enumerate(_frames(row, probe, frames)):
            tile = Image.new("RGB", _TILE, "lightgrey") if frame is None else _fitted(frame)
            page.paste(tile, (left + k * _TILE[0], top))
        shown = f"{first_tile + index}  {row['text']}".encode("ascii", "replace").decode()
        letters = (width - 12) // 6
        pen.text((left + 2, top + _TILE[1] + 1), shown[:letters] + "\n" + shown[letters : 2 * letters], fill="black")
    return page


def _frames(row: dict[str, Any], probe: Probe, frames: Frames) -> Iterator[NDArray[np.uint8] | None]:
    times = frame_times(row["start_s"], row["end_s"], probe.frames)
    for video_id in videos_of(row):
        yield from frames(video_id, times)


def videos_of(row: Mapping[str, Any]) -> list[str]:
    """The video of an item, and the one that it is compared with if there is one."""
    return [row["video_id"], *([row["other_id"]] if row.get("other_id") else [])]


def frame_times(start_s: float, end_s: float, count: int) -> list[float]:
    """The middles of ``count`` equal parts of an item."""
    return [start_s + (end_s - start_s) * (2 * part + 1) / (2 * count) for part in range(count)]


def _fitted(frame: NDArray[np.uint8]) -> Image.Image:
    """The complete frame, scaled into a tile without distortion."""
    image = Image.fromarray(frame)
    image.thumbnail(_TILE)
    tile = Image.new("RGB", _TILE, "black")
    tile.paste(image, ((_TILE[0] - image.width) // 2, (_TILE[1] - image.height) // 2))
    return tile


def _rows(path: Path, probe: Probe) -> list[tuple[int, dict[str, str]]]:
    """Each row with its line number."""
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            missing = {"item", "drawn", probe.question} - set(reader.fieldnames or ())
            if missing:
                raise LabelError(f"{path}:1: no column {' and '.join(sorted(missing))} (columns need commas between)")
            return [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path}: not a CSV in UTF-8 ({error}); save it as such") from error
