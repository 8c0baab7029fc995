"""What is not used of the video source: files, captions and videos, each with its reason, as lines for a terminal."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from assets.lake import Lake
from sql import statement

MOST_LINES = 25
"""Lines for each part; a query shows all rows."""
MOST_ROWS = 100_000
"""Rows that are read for each part."""
MOST_NAMES = 5
"""Names that are listed for one reason; of more, one stands for all."""

_PARTS = (
    ("source_problems", "not used as they are in the source", "name, problem FROM source_problems"),
    (
        "caption_fetches",
        "without captions that can be read",
        "video_id, coalesce(error, status) FROM caption_fetches WHERE status NOT IN ('ok', 'blocked', 'retry')",
    ),
    (
        "caption_fetches",
        "with captions of which a part is set aside",
        "video_id, error FROM caption_fetches WHERE status = 'ok' AND error IS NOT NULL",
    ),
    (
        "video_files",
        "without a video file that can be read",
        "video_id, error FROM video_files WHERE status NOT IN ('ok', 'blocked', 'retry')",
    ),
)
_FILTERED = ("candidate_videos", "videos")
"""Tables whose filters are named with their settings, by the check ``<table>_kept``."""
_SPECIFIC = re.compile(r"[:;(].*|['\"].*?['\"]|\S*\d\S*", re.DOTALL)
"""What differs between two problems of the same kind."""


def left_out_lines(lake: Lake, tables: Collection[str]) -> list[str]:
    """How much is not used, by reason, the most frequent reasons first; nothing if all is.

    Args:
        tables: the tables to report on, e.g. those of the assets that were refreshed.
    """
    lines = []
    for table, title, query in _PARTS:
        if table not in tables or not lake.has(table):
            continue
        rows = lake.sql(f"SELECT {query} ORDER BY ALL LIMIT {MOST_ROWS}").fetchall()
        if not rows:
            continue
        reasons = list(_reasons(rows))
        lines.append(f"{len(rows):,}{' or more' if len(rows) == MOST_ROWS else ''} {title}:")
        lines += [f"  {_printable(reason)}" for reason in reasons[:MOST_LINES]]
        if len(reasons) > MOST_LINES:
            lines.append(f"  ... and {len(reasons) - MOST_LINES:,} more lines; all rows: howto sql -c 'FROM {table}'")
    return [*lines, *_filtered(lake, tables)]


def _filtered(lake: Lake, tables: Collection[str]) -> Iterator[str]:
    for table in _FILTERED:
        if table not in tables or not lake.has(table):
            continue
        kept, _, explanation = lake.sql(statement(f"checks/{table}_kept")).fetchall()[0]
        if kept is not None and kept < 1:
            yield f"{table}: {explanation}; all rows: howto sql -c 'FROM {table} WHERE NOT kept'"


def _printable(text: str) -> str:
    """The text with control characters, which a file name may hold, as escapes."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _reasons(rows: list[tuple[str, str]]) -> Iterator[str]:
    """A line for each kind of problem that is frequent, and for each problem that is not."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for name, problem in rows:
        kinds.setdefault(_SPECIFIC.sub("", problem.replace(name, "")).strip(), []).append((name, problem))
    for found in sorted(kinds.values(), key=len, reverse=True):
        if len(found) > MOST_NAMES:
            name, problem = found[0]
            yield f"{len(found):,} × such as {name}: {problem}"
        else:
            yield from (f"{name}: {problem}" for name, problem in found)
