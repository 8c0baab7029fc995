"""Assets of the task list."""

from datetime import UTC, datetime

import dagster as dg
import polars as pl

from assets.lake import load_tables
from assets.sources.protocol import VideoSource
from assets.tasks import verbs
from assets.tasks.review import write_review
from assets.tasks.verbs import TaskRules


@dg.asset(code_version="1", kinds={"polars"}, deps=["video_source"])
def wikihow_articles(source: dg.ResourceParam[VideoSource]) -> pl.DataFrame:
    """How-to articles with their WikiHow categories, top level first."""
    now = datetime.now(UTC)
    rows = ((a.article_id, a.title, a.url, list(a.categories), source.name, now) for a in source.articles())
    return load_tables()["wikihow_articles"].frame(rows)


@dg.asset(code_version="3", kinds={"polars"})
def tasks(wikihow_articles: pl.DataFrame, task_rules: dg.ResourceParam[TaskRules]) -> pl.DataFrame:
    """All articles with the verdict of the task filter: kept, or dropped with a reason."""
    return verbs.verdicts(wikihow_articles, task_rules)


@dg.asset(code_version="2", kinds={"polars"})
def verb_decisions(
    context: dg.AssetExecutionContext, tasks: pl.DataFrame, task_rules: dg.ResourceParam[TaskRules]
) -> pl.DataFrame:
    """The decision on each primary verb. A review file lists undecided and dropped verbs for a person to decide."""
    decisions = verbs.verb_decisions(tasks, task_rules)
    if task_rules.review:
        undecided = write_review(task_rules.review, decisions)
        context.add_output_metadata(
            {"undecided verbs": undecided, "review file": dg.MetadataValue.path(str(task_rules.review))}
        )
    return decisions
