"""Comparison of caption tracks. It exists only where HOWTO_CAPTION_RELEASES names follow-up releases."""

from pathlib import Path

import dagster as dg
import polars as pl

from assets.features.options import FeatureOptions
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.joint_embedding.options import TextVideoOptions
from assets.pictures import markdown

SPLIT = "test"


@dg.asset(code_version="2", kinds={"pytorch"}, deps=["joint_embedding", "word_vectors"])
def caption_track_study(
    context: dg.AssetExecutionContext,
    release_captions: pl.LazyFrame,
    clips: pl.LazyFrame,
    videos: pl.LazyFrame,
    training_manifest: pl.DataFrame,
    feature_index: pl.DataFrame,
    text_video_index: pl.DataFrame,
    features: dg.ResourceParam[FeatureStore],
    feature_options: dg.ResourceParam[FeatureOptions],
    text_video_options: dg.ResourceParam[TextVideoOptions],
    model_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """Comparison: caption tracks of the same held-out videos by words, time, and retrieval with the text-video model.

    The joint embedding is trained on the lake's own clips, which favours that track.
    """
    from assets.joint_embedding.caption_tracks.comparison import (
        OWN,
        compare_tracks,
        release_clips,
        studied_videos,
        tracks_figure,
    )
    from assets.joint_embedding.text_video import lake_model

    studied = studied_videos(training_manifest, SPLIT)
    of_these = pl.col("video_id").is_in(studied)
    durations = videos.filter(of_these).select("video_id", "duration_s").collect()
    tracks = {OWN: clips.filter(of_these).collect()}
    tracks |= release_clips(release_captions.filter(of_these).collect(), durations)
    own = lake_model(text_video_options, feature_options, features, text_video_index, model_root)
    reader = own.rows or FeatureReader(feature_index, features, feature_options.streams)
    study = compare_tracks(tracks, durations, reader, own.model)
    context.add_output_metadata(
        {"model": own.model.identity, "plot": dg.MetadataValue.md(markdown(tracks_figure(study), "caption tracks"))}
    )
    return study
