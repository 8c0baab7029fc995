"""Searching a source for each task's videos: queries, rows and outcomes. See ``filters`` for which videos stay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl

from assets.lake import load_tables
from assets.outcomes import FetchError, Outcome
from assets.sources.protocol import SearchResult, SearchResults, VideoSource

_MOST_PROBLEMS = 3
"""Problems of one answer that its row names."""


def search_tasks(
    source: VideoSource, tasks: pl.DataFrame, limit: int, progress: Callable[[], object] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first ``limit`` answers to "how to <title>" for each kept task; ``progress`` is called after each.

    Returns:
        The rows of ``search_results`` and of ``task_searches``; a task without an answer is in the second alone.
    """
    rows: list[tuple] = []
    searches: list[tuple] = []
    for task_id, title, category_1 in tasks.filter("kept").select("task_id", "title", "category_1").iter_rows():
        query = f"how to {title.lower()}"
        results, outcome = _search(source, query, limit)
        now = datetime.now(UTC)
        searched_at = results[0].found_at if results else outcome.fetched_at
        rows.extend(
            (
                category_1,
                task_id,
                found.rank or position,
                found.video_id,
                found.title,
                found.channel,
                found.duration_s,
                found.view_count,
                query,
                source.name,
                found.found_at or now,
            )
            for position, found in enumerate(results, start=1)
        )
        searches.append(
            (
                category_1,
                task_id,
                query,
                outcome.status,
                len(results),
                searched_at or now,
                outcome.next_try_at,
                outcome.error,
            )
        )
        if progress:
            progress()
    tables = load_tables()
    return tables["search_results"].frame(rows), tables["task_searches"].frame(searches)


def _search(source: VideoSource, query: str, limit: int) -> tuple[list[SearchResult], Outcome]:
    try:
        results = source.search(query, limit)
    except FetchError as error:
        return [], error.outcome
    problems = results.problems if isinstance(results, SearchResults) else ()
    return results, Outcome("ok", error="; ".join(problems[:_MOST_PROBLEMS]) or None)
