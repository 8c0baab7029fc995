"""A selection as a file: CSV, or the labels of a FiftyOne data set of videos with temporal detections."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MOST_ROWS = 100_000
"""Rows of an export; `howto export` writes whole data sets."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet program take a text for a formula."""


def as_csv(rows: Iterable[Mapping[str, Any]], files: Mapping[str, Path]) -> str:
    """The rows as CSV, with the path of each video's file in ``filepath``.

    A text that a spreadsheet program would run as a formula gets an apostrophe before it.
    """
    held = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        line = {"filepath": str(files.get(row["video_id"], "")), **{name: _cell(value) for name, value in row.items()}}
        if writer is None:
            writer = csv.DictWriter(held, list(line))
            writer.writeheader()
        writer.writerow(line)
    return held.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def as_fiftyone(rows: Iterable[Mapping[str, Any]], files: Mapping[str, Path]) -> str:
    """``labels.json`` of a ``FiftyOneTemporalDetectionDataset``: videos by path, with a detection per row.

    A clip's detection has its times; that of a video has its whole length. The label is ``kept`` or the reason, and the
    other columns are attributes. Rows of videos without a file or of unknown times are left out. See FiftyOne's user
    guide, "Importing data", for the format.
    """
    labels: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        path, end_s = files.get(row["video_id"]), row.get("end_s", row.get("duration_s"))
        if path is None or end_s is None:
            continue
        known = {name: value for name, value in row.items() if value is not None}
        others = {name: value for name, value in known.items() if name not in ("start_s", "end_s", "kept", "reason")}
        times = [row.get("start_s", 0.0), end_s]
        detection = {"label": row["reason"] or "kept", "timestamps": times, "attributes": others}
        labels.setdefault(str(path), []).append(detection)
    return json.dumps({"labels": labels}, ensure_ascii=False)
