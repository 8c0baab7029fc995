"""HERO's ablations on synthetic videos: pre-training tasks, encoders and corpora, and the time of all of them.

The default is a tenth of the videos and steps of the asset ``hero_studies``, which shows the time but trains too little
to compare the variants. ``BENCH_SHARE=1`` is all of them, with their scores.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import replace

import polars as pl

from assets.hero.studies.comparisons import Effort, compare
from tests.benchmarks.results import Table


def test_ablations(table: Callable[..., Table]) -> None:
    share = float(os.environ.get("BENCH_SHARE", "0.1"))
    whole = Effort()
    steps = {task: max(10, round(share * count)) for task, count in whole.steps.items()}
    effort = replace(
        whole,
        videos=max(40, round(share * whole.videos)),
        steps=steps,
        retrieval_steps=round(share * whole.retrieval_steps),
        question_steps=round(share * whole.question_steps),
    )
    began, before = time.monotonic(), _cpu_s_of_children()
    found = compare(("tasks", "architecture", "corpus"), [0], effort, "cpu", print)
    if share >= 1:
        add_scores(found, table)
    title = f"HERO ablations: {effort.videos} videos, {sum(steps.values()):,} steps of pre-training"
    taken = table(title, "ablations", "wall minutes", "CPU minutes")
    taken.add("all", (time.monotonic() - began) / 60, (_cpu_s_of_children() - before) / 60)


def _cpu_s_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def add_scores(found: pl.DataFrame, table: Callable[..., Table]) -> None:
    """A table of scores per subject, with a column per variant."""
    named = found.with_columns(pl.format("{}: {}", "benchmark", "metric").alias("benchmark and metric"))
    for (subject,), rows in named.group_by("subject", maintain_order=True):
        values = rows.pivot("method", index="benchmark and metric", values="value")
        measured = table(f"HERO ablation: {subject}", *values.columns)
        for row in values.iter_rows():
            measured.add(*row)
