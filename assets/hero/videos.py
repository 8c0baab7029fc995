"""Where the videos of HERO's benchmarks come from: the lake, or published files. Free of torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from assets.features.store import FeatureStore
from assets.hero.clips import pooled_frames, streams_of
from ml.hero.clip_store import Clip, Encode, tokenised
from ml.hero.data.features import FrameFeatures, LmdbFeatures, NpzFolders
from ml.hero.data.subtitles import Line, read_subtitles
from ml.hero.video import Video

SUBTITLES = "subtitles.jsonl"
FEATURES = "features"
VIDEOS_KEPT = 2000
"""Videos in memory; at 100 frames of 4,352 numbers 0.9 MB each."""


@dataclass(frozen=True)
class LakeTables:
    """What the lake knows of its videos: rows of ``clips`` and ``feature_index``, and the arrays of some streams."""

    clips: pl.DataFrame
    feature_index: pl.DataFrame
    features: FeatureStore
    streams: tuple[str, ...]


class LakeVideos(Mapping[str, Video]):
    """Whole videos of the lake, read when they are first asked for."""

    def __init__(self, tables: LakeTables, interval_s: float, encode: Encode) -> None:
        self.tables, self.interval_s, self.encode = tables, interval_s, encode
        self._lines = tables.clips.sort("start_s").partition_by("video_id", as_dict=True)
        good = tables.feature_index.filter(pl.col("rows") > 0, pl.col("stream").is_in(tables.streams))
        whole = good.group_by("video_id").len().filter(pl.col("len") == len(tables.streams))["video_id"]
        self._read = lru_cache(VIDEOS_KEPT)(self._video)
        self._index = good.filter(pl.col("video_id").is_in(whole.to_list())).partition_by("video_id", as_dict=True)

    def __getitem__(self, video_id: str) -> Video:
        return self._read(video_id)

    def _video(self, video_id: str) -> Video:
        index = self._index[(video_id,)]
        found = streams_of(video_id, index, self.tables.features, self.tables.streams, str(index["shard"][0]))
        assert not isinstance(found, str)
        lines = self._lines.get((video_id,))
        spoken = [] if lines is None else [Line(*line) for line in lines.select("start_s", "end_s", "caption").rows()]
        return tokenised(Clip(video_id, pooled_frames(found, self.interval_s), self.interval_s, spoken), self.encode)

    def __iter__(self) -> Iterator[str]:
        return (str(video_id) for (video_id,) in self._index)

    def __len__(self) -> int:
        return len(self._index)


class PublishedVideos(Mapping[str, Video]):
    """Videos of published files: ``features`` (LMDB, or folders of npz side by side) and ``subtitles.jsonl``."""

    def __init__(self, folder: Path, interval_s: float, encode: Encode) -> None:
        root = folder / FEATURES
        folders = sorted(path for path in root.iterdir() if path.is_dir()) or [root]
        self.rows: FrameFeatures = LmdbFeatures(root) if (root / "data.mdb").exists() else NpzFolders(folders)
        self.interval_s, self.encode = interval_s, encode
        said = folder / SUBTITLES
        self.lines = read_subtitles(said) if said.exists() else {}
        self._ids = set(self.rows.video_ids)

    def __getitem__(self, video_id: str) -> Video:
        if video_id not in self._ids:
            raise KeyError(video_id)
        features = self.rows.rows(video_id).astype("float16")
        return tokenised(Clip(video_id, features, self.interval_s, self.lines.get(video_id, [])), self.encode)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)
