"""The shard of a video. Partitions of assets are shards, never single videos."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from assets.options import Options, Variable


@dataclass(frozen=True)
class Sharding(Options):
    """``count`` shards; the CRC-32 of a video id, modulo the count, is its shard."""

    group: ClassVar = "Videos"

    count: Annotated[int, Variable("shards"), Field(ge=1, le=100_000, description="shards of videos")] = 4

    @property
    def keys(self) -> list[str]:
        return [f"shard-{index:04d}" for index in range(self.count)]

    def shard_of(self, video_id: str) -> str:
        return f"shard-{zlib.crc32(video_id.encode()) % self.count:04d}"

    def members(self, video_ids: Iterable[str], shard: str) -> list[str]:
        """The videos of one shard, sorted."""
        return sorted(video_id for video_id in video_ids if self.shard_of(video_id) == shard)
