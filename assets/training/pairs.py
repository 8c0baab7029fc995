"""Clip–caption pairs of the lake's videos, as the joint embedding learns from them.

Belongs here: joining the tables with the feature arrays. How pairs are grown and drawn is ``ml.joint_embedding``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from assets.features.store import FeatureStore
from assets.lake import Lake

if TYPE_CHECKING:
    from ml.joint_embedding.sampling import InMemory
    from ml.text.word_vectors import WordVectors


def captions_of(lake: Lake, manifest: pl.DataFrame) -> pl.DataFrame:
    """Clips of the manifest's videos in the order of time: video_id, start_s, end_s, caption_clean."""
    clips = lake.read("clips").pl(lazy=True).select("video_id", "clip_index", "start_s", "end_s", "caption_clean")
    wanted = manifest.lazy().select("video_id")
    return clips.join(wanted, on="video_id", how="semi").sort("video_id", "clip_index").collect()


@dataclass(frozen=True)
class LakePairs:
    """Where pairs come from: clips in the lake, feature arrays of one stream, and a folder of word vectors."""

    lake: Lake
    features: FeatureStore
    stream: str
    word_vectors: Path

    def words(self) -> WordVectors:
        """The word vectors of the corpus."""
        from ml.text.word_vectors import WordVectors
        from ml.training import read_model_folder

        model = read_model_folder(self.word_vectors)
        return WordVectors(model.config["words"], model.state["vectors"].numpy())

    def read(self, manifest: pl.DataFrame, words: WordVectors) -> InMemory:
        """All pairs of the manifest's videos that can be learned from, videos by shard and id.

        Args:
            manifest: rows of ``training_manifest``, of one split.
            words: vectors whose rows the captions' words become.
        """
        from ml.joint_embedding.sampling import InMemory, Stream, video_pairs

        clips = captions_of(self.lake, manifest).partition_by("video_id", as_dict=True)
        videos = []
        for (shard,), rows in sorted(self._places(manifest).partition_by("shard", as_dict=True).items()):
            array = self.features.array(self.stream, str(shard))
            for video_id, _, first_row, count, rate_hz in rows.iter_rows():
                own = clips[(video_id,)]
                streams = [Stream(array.rows(first_row, count)[1], rate_hz)]
                ids = words.ids(own["caption_clean"].to_list(), max_words=None)
                videos.append(video_pairs(streams, own["start_s"].to_numpy(), own["end_s"].to_numpy(), ids))
        return InMemory(videos)

    def versions(self, manifest: pl.DataFrame) -> dict[str, int | None]:
        """Lance version of each shard's array."""
        shards = manifest["shard"].unique().sort()
        return {shard: self.features.array(self.stream, shard).version() for shard in shards}

    def _places(self, manifest: pl.DataFrame) -> pl.DataFrame:
        index = self.lake.read("feature_index").pl(lazy=True)
        return (
            index.filter(pl.col("stream") == self.stream, pl.col("status") == "ok")
            .select("video_id", "shard", "first_row", "rows", "rate_hz")
            .join(manifest.lazy().select("video_id"), on="video_id", how="semi")
            .sort("video_id")
            .collect()
        )
