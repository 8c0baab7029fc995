"""The videos of HERO's benchmarks, from the lake or from published files. Does not import torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from assets.features.reader import FeatureReader
from assets.hero.clips import pooled_frames
from ml.hero.clip_store import Clip, Encode, tokenised
from ml.hero.data.features import FrameFeatures, LmdbFeatures, NpzFolders
from ml.hero.data.subtitles import Line, read_subtitles
from ml.hero.video import Video

SUBTITLES = "subtitles.jsonl"
FEATURES = "features"
VIDEOS_KEPT = 2000
"""Videos kept in memory: 0.9 MB each at 100 frames of 4,352 float16 numbers."""


@dataclass(frozen=True)
class LakeTables:
    """What the lake holds of its videos: rows of ``clips``, and the reader of the features."""

    clips: pl.DataFrame
    features: FeatureReader


class LakeVideos(Mapping[str, Video]):
    """Whole videos of the lake, each read when it is first needed."""

    def __init__(self, tables: LakeTables, interval_s: float, encode: Encode) -> None:
        self.features, self.interval_s, self.encode = tables.features, interval_s, encode
        self._lines = tables.clips.sort("start_s").partition_by("video_id", as_dict=True)
        self._read = lru_cache(VIDEOS_KEPT)(self._video)

    def __getitem__(self, video_id: str) -> Video:
        return self._read(video_id)

    def _video(self, video_id: str) -> Video:
        found = self.features.read(video_id)
        if found is None:
            raise KeyError(video_id)
        lines = self._lines.get((video_id,))
        spoken = [] if lines is None else [Line(*line) for line in lines.select("start_s", "end_s", "caption").rows()]
        return tokenised(Clip(video_id, pooled_frames(found, self.interval_s), self.interval_s, spoken), self.encode)

    def __iter__(self) -> Iterator[str]:
        return iter(self.features.video_ids)

    def __len__(self) -> int:
        return len(self.features.video_ids)


class PublishedVideos(Mapping[str, Video]):
    """Videos of published files: ``features`` (an LMDB, or one folder of npz files per stream), ``subtitles.jsonl``."""

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
