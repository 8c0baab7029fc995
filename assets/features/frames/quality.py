"""What is measured of each clip's picture and speech, and the limits that a user may set on it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import duckdb
import polars as pl

from assets.features.frames.options import ClipLimits
from assets.lake import load_tables
from ml.text.tokens import tokenize
from sql import statement

LEAST_WORDS = 5
"""Words below which no language is identified."""


def clip_quality(
    clips: pl.DataFrame, shots: pl.DataFrame, statistics: pl.DataFrame, repeats: pl.DataFrame, limits: ClipLimits
) -> pl.DataFrame:
    """The columns of ``clip_quality``.

    Args:
        clips: rows of ``clips``; shots: of ``shots``; statistics: of ``frame_statistics``; repeats: of
            ``visual_duplicates``.
    """
    connection = duckdb.connect()
    for name, frame in {"clips": clips, "shots": shots, "frame_statistics": statistics}.items():
        connection.register(name, frame.to_arrow())
    measured = connection.sql(statement("frames/clips")).pl()
    measured = measured.with_columns(_languages(measured["text"]))
    measured = measured.join(repeats.select("video_id", "duplicate_of"), on="video_id", how="left")
    reason = pl.coalesce(pl.lit(None, pl.String), *_reasons(limits))
    judged = measured.with_columns(reason=reason).with_columns(kept=pl.col("reason").is_null())
    return judged.select(*load_tables()["clip_quality"].column_types)


def _languages(texts: pl.Series) -> list[pl.Series]:
    found = [_language(text) for text in texts]
    return [
        pl.Series("spoken_language", [language for language, _ in found], pl.String),
        pl.Series("spoken_language_probability", [probability for _, probability in found], pl.Float64),
    ]


@cache
def _identifier() -> Any:
    # Takes a tenth of a second to load, so not when the definitions load.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _language(text: str) -> tuple[str | None, float | None]:
    if len(tokenize(text)) < LEAST_WORDS:
        return None, None
    language, probability = _identifier().classify(text)
    return str(language), float(probability)


def _reasons(limits: ClipLimits) -> Iterator[pl.Expr]:
    """Why a clip is dropped, or NULL, by each limit that is set."""
    bounds = (
        ("cuts", limits.max_cuts, 1, "more than {:g} cuts"),
        ("motion", limits.min_motion, -1, "motion below {:g}"),
        ("brightness", limits.min_brightness, -1, "brightness below {:g}"),
        ("brightness", limits.max_brightness, 1, "brightness above {:g}"),
        ("sharpness", limits.min_sharpness, -1, "sharpness below {:g}"),
        ("words_per_s", limits.max_words_per_s, 1, "more than {:g} words per second"),
    )
    for column, limit, sign, reason in bounds:
        if limit is not None:
            fails = pl.col(column) > limit if sign > 0 else pl.col(column) < limit
            yield pl.when(fails).then(pl.lit(reason.format(limit)))
    if limits.languages:
        other = ~pl.col("spoken_language").is_in(list(limits.languages))
        yield pl.when(other).then(pl.format("language: {}", "spoken_language"))
    if limits.drop_visual_duplicates:
        yield pl.when(pl.col("duplicate_of").is_not_null()).then(pl.format("shows what {} shows", "duplicate_of"))
