"""The study of speech recognition. It exists only where HOWTO_SPEECH_MODEL names a model."""

from pathlib import Path

import dagster as dg
import polars as pl

from assets.captions.speech_recognition import Recognition
from assets.models.metrics import rounded
from assets.progress import CountedProgress


@dg.asset(code_version="1", kinds={"polars"})
def speech_recognition_study(
    context: dg.AssetExecutionContext,
    captions: pl.LazyFrame,
    caption_fetches: pl.DataFrame,
    video_files: pl.DataFrame,
    recognition: dg.ResourceParam[Recognition],
    media_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """Comparison: the source's captions and speech recognition of the same videos by word error rate and shift."""
    from assets.captions.speech_recognition import recognise
    from assets.captions.studies.recognition import recognition_study, studied_videos

    studied = [(video, kind, media_root / uri) for video, kind, uri in studied_videos(caption_fetches, video_files)]
    own = captions.filter(pl.col("video_id").is_in([video for video, _, _ in studied])).collect()
    progress = CountedProgress(context.log.info, len(studied), "videos")
    study = recognition_study(studied, own, lambda path: recognise(path, recognition), progress.advance)
    of_all = study.select("substitutions", "deletions", "insertions").sum().sum_horizontal()[0]
    rate = {"word error rate": of_all / study["words"].sum() if study["words"].sum() else None}
    context.add_output_metadata({"model": recognition.model, **rounded(rate)})
    return study
