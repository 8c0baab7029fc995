"""The rows that a selection has, and how many: all candidates with their verdict, and clips and lines that became none.

See ``request`` for a selection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from assets.captions.segments import dropped
from assets.lake import Lake, load_tables
from orchestration.search.browse.request import PER_PAGE, Selection

MOST_LINES = 1_000_000
"""Caption lines up to which the lines that became no clip are counted for the whole lake; above, for one video."""

_VIDEOS = """
    SELECT video_id, task_id, rank, category_1, title, channel, duration_s, view_count, source, word_count,
        caption_source, license, CAST(upload_date AS VARCHAR) AS upload_date, duplicate_of, kept, reason
    FROM videos
    UNION ALL BY NAME
    SELECT video_id, task_id, rank, category_1, title, channel, duration_s, view_count, source, kept, reason
    FROM candidate_videos
    WHERE NOT kept AND video_id NOT IN (SELECT video_id FROM videos)
    QUALIFY row_number() OVER (PARTITION BY video_id ORDER BY rank, task_id) = 1
"""
_MEASURES = {
    name: kind
    for name, kind in load_tables()["clip_quality"].column_types.items()
    if name in ("cuts", "brightness", "sharpness", "motion", "words_per_s", "spoken_language")
}
_LINE_COLUMNS = (
    *("video_id", "clip_index", "start_s", "end_s", "caption", "word_count", "title", "category_1", "channel"),
    *("source", "kept", "reason", *_MEASURES, "duplicate_of"),
)
_SEARCHED = {"videos": ("title", "channel", "video_id"), "clips": ("caption", "title", "video_id")}
_ORDER = {"videos": "category_1, task_id, rank, video_id", "clips": "video_id, clip_index"}


@dataclass(frozen=True)
class Found:
    """One page of rows, the number of all rows by verdict, and those by reason, most frequent first.

    ``note`` says what is not counted, if anything.
    """

    rows: list[dict[str, Any]]
    kept: int
    dropped: int
    reasons: list[tuple[str, int]]
    note: str | None = None

    @property
    def total(self) -> int:
        return self.kept + self.dropped


Condition = tuple[str, dict[str, object]]
"""An SQL condition on rows, and its parameters."""


def find(lake: Lake, selection: Selection, changed: Condition | None = None, limit: int = PER_PAGE) -> Found:
    """The page of a selection.

    Args:
        changed: selects the rows whose verdict other thresholds change; None for no such filter.
        limit: highest number of rows.
    """
    if selection.kind == "videos":
        return _videos(lake, selection, changed, limit)
    return _clips(lake, selection, changed, limit)


def categories(lake: Lake) -> list[str]:
    """The top categories of candidates."""
    return [name for (name,) in lake.sql("SELECT DISTINCT category_1 FROM candidate_videos ORDER BY ALL").fetchall()]


def _videos(lake: Lake, selection: Selection, changed: Condition | None, limit: int) -> Found:
    where, params = _conditions(selection, changed)
    counted = lake.sql(f"SELECT reason, count(*) FROM ({_VIDEOS}) WHERE {where} GROUP BY ALL", **params).fetchall()
    here = _of_verdict(selection)
    query = (
        f"SELECT * FROM ({_VIDEOS}) WHERE {where} AND {here} ORDER BY {_ORDER['videos']} LIMIT $limit OFFSET $offset"
    )
    own = {**params, **({"reason": selection.reason} if selection.reason else {})}
    rows = lake.sql(query, **own, limit=limit, offset=selection.offset).pl().to_dicts()
    return _found(selection, rows, dict(counted))


def _conditions(selection: Selection, changed: Condition | None) -> Condition:
    """The filters that do not depend on the verdict, so that reasons can be counted within them."""
    conditions, params = ["true"], dict[str, object]()
    if changed:
        conditions.append(changed[0])
        params |= changed[1]
    if selection.text:
        searched = " OR ".join(f"contains(lower({name}), lower($text))" for name in _SEARCHED[selection.kind])
        conditions.append(f"({searched})")
        params["text"] = selection.text
    for name, value in (("category_1", selection.category), ("video_id", selection.video)):
        if value:
            conditions.append(f"{name} = ${name}")
            params[name] = value
    return " AND ".join(conditions), params


def _of_verdict(selection: Selection) -> str:
    verdict = {"all": "true", "kept": "kept", "dropped": "NOT kept"}[selection.verdict]
    return f"{verdict} AND reason = $reason" if selection.reason else verdict


def _found(
    selection: Selection, rows: list[dict[str, Any]], counted: Mapping[str | None, int], note: str | None = None
) -> Found:
    kept = 0 if selection.reason or selection.verdict == "dropped" else counted.get(None, 0)
    reasons = sorted(((reason, n) for reason, n in counted.items() if reason), key=lambda each: (-each[1], each[0]))
    chosen = [n for reason, n in reasons if selection.reason in ("", reason)]
    return Found(rows, kept, 0 if selection.verdict == "kept" else sum(chosen), reasons, note)


def _clips(lake: Lake, selection: Selection, changed: Condition | None, limit: int) -> Found:
    """Clips, then the lines of kept videos that became no clip, which no threshold of clips changes."""
    where, params = _conditions(selection, changed)
    clips, here = _measured_clips(lake), _of_verdict(selection)
    own = {**params, **({"reason": selection.reason} if selection.reason else {})}
    counted = Counter(
        dict(lake.sql(f"SELECT reason, count(*) FROM ({clips}) WHERE {where} GROUP BY ALL", **params).fetchall())
    )
    shown: int = lake.sql(f"SELECT count(*) FROM ({clips}) WHERE {where} AND {here}", **own).fetchall()[0][0]
    rows: list[dict[str, Any]] = []
    if selection.offset < shown:
        query = (
            f"SELECT * FROM ({clips}) WHERE {where} AND {here} ORDER BY {_ORDER['clips']} LIMIT $limit OFFSET $offset"
        )
        rows = lake.sql(query, **own, limit=limit, offset=selection.offset).pl().to_dicts()
    if changed:
        return _found(selection, rows, counted)
    lines, note = _lines(lake, selection)
    if selection.verdict != "kept":
        chosen = lines.filter(pl.col("reason") == selection.reason) if selection.reason else lines
        rows += chosen.slice(max(selection.offset - shown, 0), limit - len(rows)).to_dicts()
    return _found(selection, rows, counted + Counter(dict(lines["reason"].value_counts().iter_rows())), note)


def _measured_clips(lake: Lake) -> str:
    """A query of all clips with what is measured of them, which is unknown in a lake that has no measures yet."""
    if lake.has("clip_quality") and lake.has("visual_duplicates"):
        measures = ", ".join(_MEASURES)
        verdict = f"coalesce(quality.kept, true) AS kept, quality.reason, {measures}, repeated.duplicate_of"
        joined = """
            LEFT JOIN clip_quality AS quality
                ON clips.shard = quality.shard AND clips.video_id = quality.video_id
                AND clips.clip_index = quality.clip_index
            LEFT JOIN visual_duplicates AS repeated ON clips.video_id = repeated.video_id
        """
    else:
        unknown = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in _MEASURES.items())
        nothing = "CAST(NULL AS VARCHAR)"
        verdict, joined = f"true AS kept, {nothing} AS reason, {unknown}, {nothing} AS duplicate_of", ""
    return f"""
        SELECT clips.video_id, clips.clip_index, clips.start_s, clips.end_s, clips.caption, clips.word_count,
            videos.title, videos.category_1, videos.channel, videos.source, {verdict}
        FROM clips JOIN videos ON clips.video_id = videos.video_id {joined}
    """


def _lines(lake: Lake, selection: Selection) -> tuple[pl.DataFrame, str | None]:
    """The lines that became no clip, with their reason, as the segmentation gives it; and what is left out."""
    of_video = "AND video_id = $video" if selection.video else ""
    own = {"video": selection.video} if selection.video else {}
    columns = "video_id, title, category_1, channel, source, duration_s"
    about = lake.sql(f"SELECT {columns} FROM videos WHERE kept {of_video}", **own).pl()
    captions, note = lake.sql(f"SELECT * FROM captions WHERE true {of_video}", **own), None
    if (count := captions.aggregate("count(*)").fetchall()[0][0]) > MOST_LINES:
        note = f"Of {count:,} caption lines, those that became no clip are shown for one video at a time."
        captions = captions.limit(0)
    lines = captions.pl()
    found = dropped(lines.join(about.select("video_id", "duration_s"), on="video_id"))
    rows = (
        found.join(lines, on=["shard", "video_id", "line_index"])
        .join(about, on="video_id")
        .with_columns(pl.col("text").alias("caption"), kept=pl.lit(False))
        .with_columns(pl.lit(None).alias(name) for name in ("clip_index", "word_count", *_MEASURES, "duplicate_of"))
        .select(_LINE_COLUMNS)
        .sort("video_id", "start_s")
    )
    if selection.text:
        has = (
            pl.col(name).str.to_lowercase().str.contains(selection.text.lower(), literal=True)
            for name in _SEARCHED["clips"]
        )
        rows = rows.filter(pl.any_horizontal(has))
    if selection.category:
        rows = rows.filter(pl.col("category_1") == selection.category)
    return rows, note
