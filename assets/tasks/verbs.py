"""The task filter of HowTo100M section 3.1: top category, then the primary verb of the title.

Belongs here: finding the verb and the verdict on it. The reviewed list of verbs that name nothing one can film is
``abstract_verbs.txt``; a person may edit it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl

_WORD = re.compile(r"[a-z][a-z'-]*")


@cache
def abstract_verbs() -> frozenset[str]:
    """Verbs that name no visible, physical action."""
    text = (Path(__file__).parent / "abstract_verbs.txt").read_text(encoding="utf-8")
    return frozenset(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))


def primary_verb(title: str) -> str | None:
    """The verb that a how-to title starts with ("Paint a Chair" → "paint"); "how to" before it is passed over."""
    words = _WORD.findall(title.lower())
    if words[:2] == ["how", "to"]:
        words = words[2:]
    return words[0] if words else None


@dataclass(frozen=True)
class TaskRules:
    """Top categories that are kept, and the category of an article that names none."""

    categories: tuple[str, ...]
    uncategorised: str


def verdicts(articles: pl.DataFrame, rules: TaskRules) -> pl.DataFrame:
    """Every article as a task with ``kept`` and ``reason`` (the first rule that it fails).

    Args:
        articles: article_id, title, categories, source.
        rules: what is kept.
    """
    first, second = (pl.col("categories").list.get(i, null_on_oob=True) for i in (0, 1))
    tasks = articles.select(
        pl.col("article_id").alias("task_id"),
        "title",
        first.fill_null(rules.uncategorised).alias("category_1"),
        second.alias("category_2"),
        pl.col("title").map_elements(primary_verb, return_dtype=pl.String).alias("verb"),
        "source",
    )
    reason = (
        pl.when(~pl.col("category_1").is_in(rules.categories))
        .then(pl.format("category {} is not kept", "category_1"))
        .when(pl.col("verb").is_null())
        .then(pl.lit("title has no verb"))
        .when(pl.col("verb").is_in(list(abstract_verbs())))
        .then(pl.format("verb {} is not physical", "verb"))
    )
    return tasks.with_columns(reason=reason).with_columns(kept=pl.col("reason").is_null())
