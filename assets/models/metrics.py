"""Metrics for people: log lines and asset pages show four significant digits. Tables store every digit."""

from __future__ import annotations

from collections.abc import Mapping


def format_metrics(metrics: Mapping[str, float]) -> str:
    """A log line: ``loss 0.1235, recall 0.4``."""
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def rounded(metrics: Mapping[str, float | None]) -> dict[str, float]:
    """The known values: whole numbers as integers, others to four significant digits."""
    return {name: _rounded(value) for name, value in metrics.items() if value is not None}


def _rounded(value: float) -> float:
    if isinstance(value, bool):
        return value
    return int(value) if float(value).is_integer() else float(f"{value:.4g}")
