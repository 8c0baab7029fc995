"""HERO's studies on the synthetic world: what each pre-training task, each encoder and each corpus brings.

The table is what is asked for; nothing is compared with the clock but the whole, which is told at the end.
"""

from __future__ import annotations

import os
import resource
import time
from dataclasses import replace

import polars as pl

from assets.hero.studies.comparisons import Effort, compare


def test_what_pre_training_brings() -> None:
    share = float(os.environ.get("BENCH_SHARE", "1"))
    whole = Effort()
    steps = {task: max(10, round(share * count)) for task, count in whole.steps.items()}
    effort = replace(whole, videos=max(40, round(share * whole.videos)), steps=steps)
    began = time.monotonic()
    found = compare(("tasks", "architecture", "corpus"), [0], effort, "cpu", print)
    table = found.with_columns(pl.format("{}: {}", "benchmark", "metric").alias("measured"))
    with pl.Config(tbl_rows=-1, fmt_str_lengths=60, tbl_cols=-1):
        for (subject,), rows in table.group_by("subject", maintain_order=True):
            print(f"\n{subject}", rows.pivot("method", index="measured", values="value"))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    minutes = [seconds / 60 for seconds in (time.monotonic() - began, used.ru_utime + used.ru_stime)]
    print("{:.1f} minutes, {:.1f} of processors' time".format(*minutes))
