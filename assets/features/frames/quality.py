"""What is measured of each clip's picture and speech, and the limits that a user may set on it."""

from __future__ import annotations

from functools import cache
from typing import Any

import duckdb
import polars as pl

from assets.features.frames.options import BENCHMARK_LEAKS, ClipLimits
from assets.lake import Lake, load_tables
from ml.text.tokens import tokenize
from sql import literal, statement

LEAST_WORDS = 5
"""Words below which no language is identified."""
SHOWS_EVALUATION = "shows an evaluation video of a benchmark"
"""Reason of clips of a leak."""


def clip_quality(
    clips: pl.DataFrame,
    shots: pl.DataFrame,
    statistics: pl.DataFrame,
    repeats: pl.DataFrame,
    leaks: pl.DataFrame,
    limits: ClipLimits,
) -> pl.DataFrame:
    """The columns of ``clip_quality``.

    Args:
        clips: rows of ``clips``; shots: of ``shots``; statistics: of ``frame_statistics``; repeats: of
            ``visual_duplicates``; leaks: of ``benchmark_leaks``.
    """
    connection = duckdb.connect()
    for name, frame in {"clips": clips, "shots": shots, "frame_statistics": statistics}.items():
        connection.register(name, frame.to_arrow())
    measured = connection.sql(statement("frames/clips")).pl()
    measured = measured.with_columns(_languages(measured["text"]))
    measured = measured.join(repeats.select("video_id", "duplicate_of"), on="video_id", how="left")
    for name, frame in {"measured": measured, BENCHMARK_LEAKS: leaks}.items():
        connection.register(name, frame.to_arrow())
    reasons = f"SELECT *, {reason_sql(limits)} AS reason FROM measured"
    judged = connection.sql(f"SELECT *, reason IS NULL AS kept FROM ({reasons})").pl()
    return judged.select(*load_tables()["clip_quality"].column_types)


def _languages(texts: pl.Series) -> list[pl.Series]:
    found = [_language(text) for text in texts]
    return [
        pl.Series("spoken_language", [language for language, _ in found], pl.String),
        pl.Series("spoken_language_probability", [probability for _, probability in found], pl.Float64),
    ]


def known_leaks(lake: Lake, limits: ClipLimits) -> pl.DataFrame:
    """The rows of ``benchmark_leaks``; none where there are no raw videos of benchmarks."""
    return lake.read(BENCHMARK_LEAKS).pl() if limits.benchmarks else load_tables()[BENCHMARK_LEAKS].frame([])


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


def reason_sql(limits: ClipLimits) -> str:
    """Why a clip is dropped by the limits that are set, or NULL, as SQL over the measures and ``duplicate_of``.

    Where there are raw videos of benchmarks, it reads the table of leaks.
    """
    bounds = (
        ("cuts", limits.max_cuts, ">", "more than {:g} cuts"),
        ("motion", limits.min_motion, "<", "motion below {:g}"),
        ("brightness", limits.min_brightness, "<", "brightness below {:g}"),
        ("brightness", limits.max_brightness, ">", "brightness above {:g}"),
        ("sharpness", limits.min_sharpness, "<", "sharpness below {:g}"),
        ("words_per_s", limits.max_words_per_s, ">", "more than {:g} words per second"),
    )
    leaked = f"WHEN video_id IN (SELECT video_id FROM {BENCHMARK_LEAKS}) THEN '{SHOWS_EVALUATION}'"
    cases = [leaked] if limits.benchmarks and limits.drop_benchmark_leaks else []
    cases += [
        f"WHEN {column} {fails} {limit!r} THEN {literal(reason.format(limit))}"
        for column, limit, fails, reason in bounds
        if limit is not None
    ]
    if limits.languages:
        allowed = ", ".join(map(literal, limits.languages))
        cases.append(f"WHEN spoken_language NOT IN ({allowed}) THEN 'language: ' || spoken_language")
    if limits.drop_visual_duplicates:
        cases.append("WHEN duplicate_of IS NOT NULL THEN 'shows what ' || duplicate_of || ' shows'")
    return f"CASE {' '.join(cases)} END" if cases else "CAST(NULL AS VARCHAR)"
