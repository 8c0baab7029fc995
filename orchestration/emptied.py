"""Which stage emptied the data of a failed asset. See ``sql/checks`` for the checks that explain each filter."""

from __future__ import annotations

from collections.abc import Iterable

from assets.lake import Lake, load_tables

_STAGES = (
    "wikihow_articles",
    "tasks",
    "search_results",
    "candidate_videos",
    "captions",
    "videos",
    "clips",
    "feature_index",
    "pair_index",
    "training_manifest",
    "hero_clips",
    "hero_manifest",
    "retail_baskets",
    "co_purchases",
    "graph_nodes",
)
"""Tables in the order of the data. Where one of them holds no usable row, every later stage lacks data."""


def emptied_by(lake: Lake, upstream: Iterable[str]) -> str | None:
    """The first stage among ``upstream`` that left no row, with the reasons of the rows that it dropped.

    Args:
        upstream: names of the tables that the failed asset is derived from.

    Returns:
        For example ``videos kept 0 of 36 rows (36 × fewer than 100 words)``; None if every stage has rows.
    """
    tables = set(upstream)
    for stage in _STAGES:
        if stage not in tables or not lake.has(stage):
            continue
        judged = "kept" in load_tables()[stage].column_types
        rows, kept = lake.sql(
            f"SELECT count(*), count(*) FILTER ({'kept' if judged else 'true'}) FROM {stage}"
        ).fetchall()[0]
        if kept:
            continue
        if not rows:
            return f"{stage} has no rows"
        return f"{stage} kept 0 of {rows:,} rows ({_reasons(lake, stage)})"
    return None


def _reasons(lake: Lake, stage: str) -> str:
    query = f"SELECT reason, count(*) AS rows FROM {stage} GROUP BY ALL ORDER BY rows DESC, reason LIMIT 3"
    return ", ".join(f"{rows:,} × {reason}" for reason, rows in lake.sql(query).fetchall())
