"""Assets of the task list."""

from datetime import UTC, datetime

import dagster as dg
import polars as pl

from assets.lake import load_tables
from assets.sources.assets import video_source
from assets.sources.protocol import VideoSource
from assets.tasks.verbs import TaskRules, verdicts


@dg.asset(group_name="tasks", code_version="1", kinds={"polars"}, deps=[video_source])
def wikihow_articles(source: dg.ResourceParam[VideoSource]) -> pl.DataFrame:
    """How-to articles with their WikiHow categories, top level first."""
    now = datetime.now(UTC)
    rows = ((a.article_id, a.title, a.url, list(a.categories), source.name, now) for a in source.articles())
    return load_tables()["wikihow_articles"].frame(rows)


@dg.asset(group_name="tasks", code_version="1", kinds={"polars"})
def tasks(wikihow_articles: pl.DataFrame, task_rules: dg.ResourceParam[TaskRules]) -> pl.DataFrame:
    """Articles whose category is kept and whose primary verb is physical; the others stay with their reason."""
    return verdicts(wikihow_articles, task_rules)
