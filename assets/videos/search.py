"""Asking a source for each task's videos.

Belongs here: the query and the rows of its answer. Which of them stay is decided in ``filters``.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from assets.lake import load_tables
from assets.sources.protocol import VideoSource


def search_tasks(source: VideoSource, tasks: pl.DataFrame, limit: int) -> pl.DataFrame:
    """The first ``limit`` answers to "how to <title>" for each kept task (columns of ``search_results``)."""
    rows: list[tuple] = []
    for task_id, title, category_1 in tasks.filter("kept").select("task_id", "title", "category_1").iter_rows():
        query = f"how to {title.lower()}"
        rows.extend(
            (
                category_1,
                task_id,
                rank,
                found.video_id,
                found.title,
                found.channel,
                found.duration_s,
                found.view_count,
                query,
                source.name,
                datetime.now(UTC),
            )
            for rank, found in enumerate(source.search(query, limit), start=1)
        )
    return load_tables()["search_results"].frame(rows)
