"""Checks of the data beyond its contracts: one per file of ``sql/checks``, and one of the clip vectors.

Each file defines what is measured and its limit. A failed check of severity error stops the assets downstream, so that
no model is trained on broken data.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import dagster as dg
import numpy as np
import polars as pl

from assets.lake import Lake
from ml.joint_embedding.pair_store import PairStore
from sql import statements

SAMPLED_VECTORS = 1000
MOST_ZERO_VECTORS = 0.05
LEAST_SPREAD = 0.01
"""Of unit vectors about their mean, root mean square; vectors of a broken network are nearly equal."""

_HEADER = re.compile(
    r"\A(?P<description>(?:-- .*\n)+)"
    r"-- asset: (?P<asset>\w+), severity: (?P<severity>warn|error)(?:, where there is: (?P<needs>\w+))?\n"
)


@dataclass(frozen=True)
class QualityCheck:
    """A query for one row: ``value``, ``passed`` and, if the file explains a failure, ``explanation``.

    All are NULL where there is nothing to measure yet. ``needs`` is an asset without which there is no such check.
    """

    name: str
    asset: str
    severity: dg.AssetCheckSeverity
    description: str
    query: str
    needs: str | None = None


def read_check(name: str, text: str) -> QualityCheck:
    """A check from the name of its file and its text.

    Raises:
        ValueError: the file does not begin with a description and ``-- asset: …, severity: warn`` or ``error``.
    """
    header = _HEADER.match(text)
    if header is None:
        raise ValueError(
            f"sql/checks/{name}.sql: must begin with what it measures, then -- asset: NAME, severity: warn or error"
        )
    severity = dg.AssetCheckSeverity[header["severity"].upper()]
    description = " ".join(line.removeprefix("-- ") for line in header["description"].splitlines())
    return QualityCheck(name, header["asset"], severity, description, text[header.end() :], header["needs"])


def measure(check: QualityCheck, lake: Lake) -> dg.AssetCheckResult:
    """The check's value on the lake as it is now."""
    value, passed, *explanation = lake.sql(check.query).fetchall()[0]
    measured = "nothing to measure" if value is None else f"{value:.4g}"
    because = f"; {explanation[0]}" if explanation and passed is False else ""
    return dg.AssetCheckResult(
        passed=passed is None or passed,
        severity=check.severity,
        description=f"{check.name}: {measured}{because}",
        metadata={} if value is None else {"value": float(value)},
    )


def quality_checks(assets: Collection[dg.AssetKey]) -> Iterator[dg.AssetChecksDefinition]:
    """The checks of ``sql/checks`` that these assets can have, and that of the vectors."""
    for name, text in statements("checks").items():
        check = read_check(name, text)
        if check.needs is None or dg.AssetKey(check.needs) in assets:
            yield _of_file(check)
    yield clip_vectors_differ


def _of_file(check: QualityCheck) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=check.asset,
        name=check.name,
        description=check.description,
        blocking=check.severity is dg.AssetCheckSeverity.ERROR,
    )
    def measured(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
        return measure(check, lake)

    return measured


@dg.asset_check(asset="training_manifest", blocking=True)
def clip_vectors_differ(lake: dg.ResourceParam[Lake], pairs: dg.ResourceParam[PairStore]) -> dg.AssetCheckResult:
    """Clip vectors drawn at random are not zero and not all alike: a broken network makes such vectors."""
    vectors = draw_vectors(lake.read("training_manifest").pl(), pairs)
    if not len(vectors):
        return dg.AssetCheckResult(passed=True, description="nothing to measure")
    lengths = np.linalg.norm(vectors, axis=1)
    zero = float(np.mean(lengths == 0))
    unit = vectors / np.where(lengths > 0, lengths, 1)[:, None]
    spread = float(np.sqrt(np.mean(np.sum((unit - unit.mean(0)) ** 2, axis=1))))
    return dg.AssetCheckResult(
        passed=zero <= MOST_ZERO_VECTORS and (spread >= LEAST_SPREAD or len(vectors) == 1),
        description=f"of {len(vectors)} clip vectors {zero:.1%} are zero; spread {spread:.3f}",
        metadata={"zero": zero, "spread": spread, "median length": float(np.median(lengths))},
    )


def draw_vectors(manifest: pl.DataFrame, pairs: PairStore, seed: int = 0) -> np.ndarray:
    """Up to ``SAMPLED_VECTORS`` clip vectors ``[n, dim]`` float32, as many of each shard."""
    shards = sorted(set(manifest["shard"]))
    generator = np.random.default_rng(seed)
    drawn = []
    for shard in shards:
        stored = pairs.open(shard)
        count = min(stored.count_rows(), -(-SAMPLED_VECTORS // len(shards)))
        rows = np.sort(generator.choice(stored.count_rows(), count, replace=False))
        if not count:
            continue
        column = stored.take(rows.tolist(), columns=["vector"]).combine_chunks()["vector"].chunk(0)
        drawn.append(column.flatten().to_numpy(zero_copy_only=False).reshape(count, -1).astype(np.float32))
    return np.concatenate(drawn) if drawn else np.empty((0, 0), np.float32)
