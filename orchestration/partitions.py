"""The two partition dimensions: top category of a task, and shard of a video."""

from __future__ import annotations

import dagster as dg

from orchestration.settings import Settings


def partitions_by_column(settings: Settings) -> dict[str, dg.StaticPartitionsDefinition]:
    """CATEGORY and SHARD, by the column that carries them in a partitioned table."""
    return {
        "category_1": dg.StaticPartitionsDefinition(list(settings.task_rules.categories)),
        "shard": dg.StaticPartitionsDefinition(settings.sharding.keys),
    }
