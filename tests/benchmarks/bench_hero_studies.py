"""HERO's ablations on synthetic videos: pre-training tasks, encoders and corpora, and the time of all of them.

The default is a tenth of the videos and steps of the asset ``hero_studies``, which shows the time but trains too little
to compare the variants; ``BENCH_SHARE=1`` is all of them.
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
    began = time.monotonic()
    found = compare(("tasks", "architecture", "corpus"), [0], effort, "cpu", print)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    named = found.with_columns(pl.format("{}: {}", "benchmark", "metric").alias("benchmark and metric"))
    for (subject,), rows in named.group_by("subject", maintain_order=True):
        values = rows.pivot("method", index="benchmark and metric", values="value")
        title = f"HERO ablation: {subject}, {effort.videos} videos, {sum(steps.values()):,} steps of pre-training"
        measured = table(title, *values.columns)
        for row in values.iter_rows():
            measured.add(*row)
    taken = table("HERO ablations: time", "ablations", "wall minutes", "CPU minutes")
    taken.add("all", (time.monotonic() - began) / 60, (used.ru_utime + used.ru_stime) / 60)
