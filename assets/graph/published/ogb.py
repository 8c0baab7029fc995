"""Reader of OGB's raw CSV files (ogbn-products)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from assets.graph.published.graphs import (
    NOT_IN_A_SPLIT,
    Published,
    PublishedError,
    checked_features,
    published,
    symmetric_adjacency,
)
from ml.cluster_gcn.data import UNLABELLED

_OGB_FILES = ("edge", "node-feat", "node-label", "num-node-list")
_OGB_SPLITS = {"train": "train", "valid": "validation", "test": "test"}


def read_ogb(folder: Path, split: str | None = None) -> Published:
    """A graph in OGB's raw CSV layout: ``raw/{edge,node-feat,node-label,num-node-list}.csv.gz``, ``split/<split>/*``.

    Args:
        split: folder of the split, e.g. ``sales_ranking``; by default the only folder.

    Returns:
        A graph with labels ``int[N]`` from a label file of one column (empty or nan is unlabelled), or ``uint8[N, C]``
        from a wider one.

    Raises:
        PublishedError: a file is missing or contradicts another.
    """
    raw = {name: _csv(folder / "raw" / f"{name}.csv.gz") for name in _OGB_FILES}
    nodes = int(raw["num-node-list"].item(0, 0))
    where = folder / "raw"
    features = checked_features(raw["node-feat"].cast(pl.Float32).to_numpy(), nodes, where / "node-feat.csv.gz")
    labels, classes, unlabelled = _ogb_labels(raw["node-label"], nodes, where / "node-label.csv.gz")
    splits = _ogb_splits(folder / "split", split, nodes)
    splits[unlabelled] = NOT_IN_A_SPLIT
    ends = raw["edge"].cast(pl.Int64).to_numpy()
    if ends.shape[1] != 2 or ((ends < 0) | (ends >= nodes)).any():
        raise PublishedError(f"{where / 'edge.csv.gz'}: need two node numbers a line, from 0 to {nodes - 1}")
    adjacency, odd = symmetric_adjacency(ends, nodes)
    return published(adjacency, features, labels, splits, classes, {"nodes without a label": len(unlabelled), **odd})


def _csv(path: Path) -> pl.DataFrame:
    if not path.exists():
        raise PublishedError(f"{path}: no such file")
    try:
        return pl.read_csv(path, has_header=False, infer_schema_length=None, null_values=["nan", "NaN"])
    except pl.exceptions.PolarsError as error:
        raise PublishedError(f"{path}: not readable as CSV ({str(error).strip().partition(chr(10))[0]})") from error


def _ogb_labels(labels: pl.DataFrame, nodes: int, path: Path) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    if len(labels) != nodes:
        raise PublishedError(f"{path}: {len(labels)} rows; need one for each of {nodes} nodes")
    if labels.width == 1:
        values = labels.to_series().cast(pl.Int64)
        names = values.drop_nulls().unique().sort()
        numbers = values.replace_strict(names, pl.int_range(len(names), eager=True), default=UNLABELLED)
        return (
            numbers.cast(pl.Int64).to_numpy(writable=True),
            tuple(map(str, names)),
            np.flatnonzero(values.is_null().to_numpy()),
        )
    unlabelled = np.flatnonzero(labels.select(pl.any_horizontal(pl.all().is_null())).to_series().to_numpy())
    matrix = labels.fill_null(0).to_numpy()
    if not np.isin(matrix, (0, 1)).all():
        raise PublishedError(f"{path}: several columns of labels must hold 0 and 1 only")
    return matrix.astype(np.uint8), tuple(map(str, range(labels.width))), unlabelled


def _ogb_splits(folder: Path, name: str | None, nodes: int) -> np.ndarray:
    names = sorted(path.name for path in folder.glob("*") if path.is_dir())
    if name is None and len(names) == 1:
        name = names[0]
    if name not in names:
        raise PublishedError(f"{folder}: no split {name or 'chosen'}; the folder holds {', '.join(names) or 'none'}")
    splits = np.full(nodes, NOT_IN_A_SPLIT, dtype="<U10")
    for stem, split in _OGB_SPLITS.items():
        path = folder / name / f"{stem}.csv.gz"
        members = _csv(path).to_series().to_numpy()
        if ((members < 0) | (members >= nodes)).any():
            raise PublishedError(f"{path}: node numbers must be 0 to {nodes - 1}")
        if (splits[members] != NOT_IN_A_SPLIT).any():
            raise PublishedError(f"{path}: a node is in two splits")
        splits[members] = split
    return splits
