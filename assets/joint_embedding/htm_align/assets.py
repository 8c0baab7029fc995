"""Evaluation of the joint embedding on HTM-Align. It exists only where HOWTO_HTM_ALIGN names the benchmark."""

from pathlib import Path

import dagster as dg
import polars as pl

from assets.features.options import FeatureOptions
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.joint_embedding.htm_align.options import HtmAlignOptions
from assets.joint_embedding.options import TextVideoOptions
from assets.lake import Lake
from assets.models.evaluations import evaluation_rows, evaluations_part
from assets.models.metrics import rounded

MODEL = "joint_embedding_htm_align"


@dg.asset(
    code_version="2", kinds={"pytorch"}, deps=["joint_embedding", "word_vectors"], metadata=evaluations_part(MODEL)
)
def htm_align_evaluation(
    context: dg.AssetExecutionContext,
    feature_index: pl.DataFrame,
    text_video_index: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    features: dg.ResourceParam[FeatureStore],
    feature_options: dg.ResourceParam[FeatureOptions],
    text_video_options: dg.ResourceParam[TextVideoOptions],
    htm_align_options: dg.ResourceParam[HtmAlignOptions],
    model_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """HTM-Align: share of sentences whose best second shows them (R@1), and whether any second does (ROC-AUC)."""
    from assets.joint_embedding.htm_align.evaluation import WINDOWED, evaluate_htm_align
    from assets.joint_embedding.text_video import lake_model

    folder = htm_align_options.folder
    assert folder is not None
    own = lake_model(text_video_options, feature_options, features, text_video_index, model_root)
    rates = {stream: float(feature_options.row_rate(stream)) for stream in feature_options.streams}
    reader = own.rows or FeatureReader(feature_index, features, feature_options.streams)
    found = evaluate_htm_align(folder, own.model, reader, rates)
    for video_id, reason in found.left_out.items():
        context.log.warning(f"{video_id} is left out: {reason}")
    measured = found.videos - len(found.left_out)
    # A score over fewer videos than published must not look like the published one.
    benchmark = "HTM-Align" if not found.left_out else f"HTM-Align, {measured} of {found.videos} videos"
    scores = rounded(found.metrics[f"{own.model.identity}, {WINDOWED}"])
    context.add_output_metadata({"model": own.model.identity, "videos": measured, **scores})
    return evaluation_rows(MODEL, benchmark, "test", found.metrics, lake.snapshot())
