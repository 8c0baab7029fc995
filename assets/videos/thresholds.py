"""What the filters of videos would keep at other thresholds, from what is stored; nothing is requested or written."""

from __future__ import annotations

import polars as pl

from assets.lake import Lake
from assets.lake.difference import SCHEMA, compare
from assets.videos.filters import Limits, candidate_verdicts, video_verdicts

INPUTS = ("search_results", "tasks", "evaluation_videos", "caption_fetches", "video_metadata", "video_duplicates")


def limit_differences(lake: Lake, limits: Limits) -> pl.DataFrame:
    """How ``candidate_videos`` and ``videos`` would differ, as rows of ``assets.lake.difference.SCHEMA``.

    Captions that were not fetched for a dropped candidate are unknown, so a newly kept one waits for them.

    Raises:
        LakeError: a table does not exist yet.
    """
    results, tasks, evaluation, fetches, metadata, duplicates = (lake.read(name).pl() for name in INPUTS)
    candidates = candidate_verdicts(results, tasks, evaluation, limits)
    made = {"candidate_videos": candidates, "videos": video_verdicts(candidates, fetches, metadata, duplicates, limits)}
    found = [pl.DataFrame(schema=SCHEMA)]
    for table, frame in made.items():
        lake.read(table)  # that it is missing is reported by name
        lake.connection.register("at_other_limits", frame.to_arrow())
        names = ["video_id", "task_id", "kept", "reason"]
        was, now = (f"SELECT {', '.join(names)} FROM {rows}" for rows in (table, "at_other_limits"))
        differing = compare(lake.connection, table, f"{was} EXCEPT {now}", f"{now} EXCEPT {was}", names)
        lake.connection.unregister("at_other_limits")
        found.append(differing)
    return pl.concat(found)
