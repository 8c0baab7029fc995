"""Rewritten captions with their clips. The asset exists only where HOWTO_REWRITING_URL names a language model."""

from pathlib import Path

import dagster as dg
import polars as pl

from assets.captions.rewriting.options import RewritingOptions
from assets.features.options import FeatureOptions
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.joint_embedding.options import TextVideoOptions
from assets.joint_embedding.rewritten.options import MatchingOptions


@dg.asset(code_version="2", kinds={"pytorch"}, deps=["joint_embedding", "word_vectors"])
def rewritten_clips(
    context: dg.AssetExecutionContext,
    rewritten_captions: pl.DataFrame,
    feature_index: pl.DataFrame,
    text_video_index: pl.DataFrame,
    features: dg.ResourceParam[FeatureStore],
    feature_options: dg.ResourceParam[FeatureOptions],
    text_video_options: dg.ResourceParam[TextVideoOptions],
    rewriting_options: dg.ResourceParam[RewritingOptions],
    matching_options: dg.ResourceParam[MatchingOptions],
    model_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """Rewritten captions of one shard at the time where a text-video model finds them; poor matches are not kept."""
    from assets.joint_embedding.rewritten.matching import match_captions, matching_model
    from assets.joint_embedding.text_video import lake_model

    own = lake_model(text_video_options, feature_options, features, text_video_index, model_root)
    reader = own.rows or FeatureReader(feature_index, features, feature_options.streams)
    model = matching_model(own, matching_options.second_models, feature_options.device)
    clips = match_captions(
        rewritten_captions, reader, model, rewriting_options.min_similarity, matching_options.keep_share
    )
    shares = {f"similarity, quantile {share:g}": clips["score"].quantile(share) for share in (0.1, 0.25, 0.5, 0.75)}
    known = {name: round(value, 4) for name, value in shares.items() if value is not None}
    context.add_output_metadata(
        {"model": model.identity, "kept": int(clips["kept"].sum()), "captions": clips.height, **known}
    )
    return clips
