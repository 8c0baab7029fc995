"""Graphs in the files that they are published in: GraphSAGE's (PPI, Reddit, Amazon2M) and OGB's CSV (ogbn-products).

``python -m assets.graph.published <folder> --preset ppi`` reads one, trains a Cluster-GCN by the published preset and
scores it. Belongs here: reading, and telling what is wrong with a file. Does not belong here: the retail graph, models.
"""

from __future__ import annotations

import argparse
import json
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from scipy import sparse

from assets.graph.clusters import clusters_of, edge_cut
from assets.graph.edges import GraphError
from ml.cluster_gcn.data import UNLABELLED, GraphData

LinkEnds = Literal["positions", "ids"]

NOT_IN_A_SPLIT = "none"
"""Split of a node that no file gives one."""


class PublishedError(ValueError):
    """A published graph cannot be used; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class Published:
    """A graph that was read, and ``notes``: what was left out of it or looks odd, each with its count.

    ``graph.clusters`` is one cluster of all nodes: a partition is made for training.
    """

    graph: GraphData
    notes: dict[str, int] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """What was read, for people."""
        graph = self.graph
        kind = "multi-label" if graph.multi_label else "single-label"
        yield f"{len(graph.splits):,} nodes, {graph.adjacency.nnz // 2:,} edges, {graph.features.shape[1]:,} features"
        yield f"{len(graph.classes):,} classes, {kind}"
        yield ", ".join(f"{name} {int((graph.splits == name).sum()):,}" for name in sorted(set(graph.splits)))
        yield from (f"{note}: {count:,}" for note, count in self.notes.items() if count)
        if unseen := graph.not_learnable():
            yield f"held-out nodes have classes that no training node has: {', '.join(unseen)}"


def read(folder: Path, links: LinkEnds | None = None, split: str | None = None) -> Published:
    """The published graph of a folder, in whichever of the two layouts it is.

    Raises:
        PublishedError: neither layout is there, or a file of it is wrong.
    """
    if (folder / "raw" / "edge.csv.gz").exists():
        return read_ogb(folder, split)
    prefixes = sorted(path.name.removesuffix("-G.json") for path in folder.glob("*-G.json"))
    if len(prefixes) != 1:
        raise PublishedError(
            f"{folder}: need one <name>-G.json (GraphSAGE's layout) or raw/edge.csv.gz (OGB's); found"
            f" {', '.join(f'{name}-G.json' for name in prefixes) or 'neither'}"
        )
    return read_graphsage(folder / prefixes[0], links)


def read_graphsage(prefix: Path, links: LinkEnds | None = None) -> Published:
    """A graph in GraphSAGE's four files ``<prefix>-G.json``, ``-feats.npy``, ``-class_map.json``, ``-id_map.json``.

    G.json is networkx's node-link form, read piece by piece. The ends of its links are positions among its nodes where
    networkx 1 wrote it (as it did the published files) and node ids where networkx 2 or later did; where the files
    leave that open, ``links`` must say it. A node's row in the arrays is what the id map says.

    Returns:
        Labels ``int[N]``, or ``uint8[N, C]`` of 0 and 1 where the class map has lists. A node without flags
        for validation and testing, or without a label, is in no split; one that the id map lacks is left out with its
        links.

    Raises:
        PublishedError: a file is missing or at odds with the others; the message names the node or the link.
    """
    paths = {name: prefix.with_name(f"{prefix.name}-{name}") for name in _GRAPHSAGE_FILES}
    missing = [path.name for path in paths.values() if not path.exists()]
    if missing:
        raise PublishedError(f"{prefix.parent}: no {', '.join(missing)}")
    rows = _rows(paths["id_map.json"])
    features = _features(np.load(paths["feats.npy"]), len(rows), paths["feats.npy"])
    labels, classes, unlabelled = _class_map(paths["class_map.json"], rows)
    ids, splits, notes = _nodes(paths["G.json"], rows)
    splits[unlabelled] = NOT_IN_A_SPLIT
    ends, left_out = _links(paths["G.json"], ids, rows, links)
    adjacency, odd = _adjacency(ends, len(rows))
    notes |= {"nodes without a label": len(unlabelled), "links of nodes that the id map lacks": left_out, **odd}
    return _published(adjacency, features, labels, splits, classes, notes)


def read_ogb(folder: Path, split: str | None = None) -> Published:
    """A graph in OGB's raw CSV layout: ``raw/{edge,node-feat,node-label,num-node-list}.csv.gz``, ``split/<split>/*``.

    Args:
        split: folder of the split, e.g. ``sales_ranking``; by default the only one there is.

    Returns:
        Labels ``int[N]`` of a one-column label file (empty or nan is unlabelled), ``uint8[N, C]`` of a wider one.

    Raises:
        PublishedError: a file is missing or at odds with the others.
    """
    raw = {name: _csv(folder / "raw" / f"{name}.csv.gz") for name in _OGB_FILES}
    nodes = int(raw["num-node-list"].item(0, 0))
    where = folder / "raw"
    features = _features(raw["node-feat"].cast(pl.Float32).to_numpy(), nodes, where / "node-feat.csv.gz")
    labels, classes, unlabelled = _ogb_labels(raw["node-label"], nodes, where / "node-label.csv.gz")
    splits = _ogb_splits(folder / "split", split, nodes)
    splits[unlabelled] = NOT_IN_A_SPLIT
    ends = raw["edge"].cast(pl.Int64).to_numpy()
    if ends.shape[1] != 2 or ((ends < 0) | (ends >= nodes)).any():
        raise PublishedError(f"{where / 'edge.csv.gz'}: need two node numbers a line, from 0 to {nodes - 1}")
    adjacency, odd = _adjacency(ends, nodes)
    return _published(adjacency, features, labels, splits, classes, {"nodes without a label": len(unlabelled), **odd})


_GRAPHSAGE_FILES = ("G.json", "feats.npy", "class_map.json", "id_map.json")
_OGB_FILES = ("edge", "node-feat", "node-label", "num-node-list")
_OGB_SPLITS = {"train": "train", "valid": "validation", "test": "test"}


def _published(
    adjacency: sparse.csr_array,
    features: np.ndarray,
    labels: np.ndarray,
    splits: np.ndarray,
    classes: tuple[str, ...],
    notes: dict[str, int],
) -> Published:
    graph = GraphData(adjacency, features, labels, splits, np.zeros(len(splits), np.int64), classes)
    notes["nodes in no split"] = int((splits == NOT_IN_A_SPLIT).sum())
    return Published(graph, notes)


def _features(features: np.ndarray, nodes: int, path: Path) -> np.ndarray:
    if features.ndim != 2 or len(features) != nodes:
        raise PublishedError(f"{path}: shape {features.shape}; need one row for each of {nodes} nodes")
    broken = ~np.isfinite(features)
    if broken.any():
        row, column = np.argwhere(broken)[0]
        raise PublishedError(
            f"{path}: {int(broken.sum())} values are NaN or infinite, first in row {row}, column {column}"
        )
    return np.ascontiguousarray(features, dtype=np.float32)


def _adjacency(ends: np.ndarray, nodes: int) -> tuple[sparse.csr_array, dict[str, int]]:
    """Symmetric 0/1 float32 ``[N, N]`` without loops of ``ends[links, 2]``; loops and links told again are counted."""
    proper = ends[ends[:, 0] != ends[:, 1]].astype(np.int32)
    ones = np.ones(2 * len(proper), np.float32)
    one_way, other_way = proper[:, 0], proper[:, 1]
    joined = (np.concatenate([one_way, other_way]), np.concatenate([other_way, one_way]))
    matrix = sparse.csr_array(sparse.coo_array((ones, joined), shape=(nodes, nodes)))
    matrix.data[:] = 1
    return matrix, {"loops": len(ends) - len(proper), "links told more than once": len(proper) - matrix.nnz // 2}


# -- GraphSAGE's files ------------------------------------------------------------------------------------------


def _rows(path: Path) -> dict[str, int]:
    """Node id → row of the arrays."""
    rows = {str(node): int(row) for node, row in _json(path).items()}
    if sorted(rows.values()) != list(range(len(rows))):
        raise PublishedError(f"{path}: the rows of its {len(rows)} nodes must be 0 to {len(rows) - 1}, each once")
    return rows


def _class_map(path: Path, rows: Mapping[str, int]) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Labels by row, the classes, and the rows that have no label."""
    given = _json(path)
    foreign = next((node for node in given if node not in rows), None)
    if foreign is not None:
        raise PublishedError(f"{path}: node {foreign} is not in the id map")
    if not given:
        raise PublishedError(f"{path}: no node has a label")
    placed = np.array([rows[node] for node in given])
    unlabelled = np.setdiff1d(np.arange(len(rows)), placed)
    sizes = {node: len(label) if isinstance(label, list) else 0 for node, label in given.items()}
    size = next(iter(sizes.values()))
    other = next((node for node, length in sizes.items() if length != size), None)
    if other is not None:
        first = next(iter(sizes))
        raise PublishedError(
            f"{path}: labels of differing sizes: node {first} has {size or 'one number'}, node {other} has"
            f" {sizes[other] or 'one number'}"
        )
    values = np.array(list(given.values()))
    if size:
        if not np.isin(values, (0, 1)).all():
            raise PublishedError(f"{path}: lists of labels must hold 0 and 1 only")
        labels = np.zeros((len(rows), size), np.uint8)
        labels[placed] = values
        return labels, tuple(map(str, range(size))), unlabelled
    names, numbers = np.unique(values, return_inverse=True)
    single = np.full(len(rows), UNLABELLED, np.int64)
    single[placed] = numbers
    return single, tuple(map(str, names)), unlabelled


def _nodes(path: Path, rows: Mapping[str, int]) -> tuple[list[Any], np.ndarray, dict[str, int]]:
    """The ids in the order of the file, the split of each row, and counts of what is not as it should be."""
    ids: list[Any] = []
    splits = np.full(len(rows), NOT_IN_A_SPLIT, dtype="<U10")
    lacking = unmarked = 0
    for node in _items(path, "nodes"):
        ids.append(node["id"])
        row = rows.get(str(node["id"]))
        if row is None:
            lacking += 1
        elif "val" not in node or "test" not in node:
            unmarked += 1
        elif node["val"] and node["test"]:
            raise PublishedError(f"{path}: node {node['id']} is both for validation and for testing")
        else:
            splits[row] = "validation" if node["val"] else "test" if node["test"] else "train"
    if len({str(node) for node in ids}) != len(ids):
        raise PublishedError(f"{path}: several nodes have one id")
    counts = {"nodes that the id map lacks": lacking, "nodes without val and test flags": unmarked}
    return ids, splits, counts


def _links(path: Path, ids: Sequence[Any], rows: Mapping[str, int], written: LinkEnds | None) -> tuple[np.ndarray, int]:
    """``ends[links, 2]`` as rows, and how many links have an end that the id map lacks."""
    row_of_position = np.array([rows.get(str(node), -1) for node in ids], dtype=np.int64)
    position_of_id = {node: position for position, node in enumerate(ids)}
    written = written or _written(path, ids)
    positions = array("i")
    for number, link in enumerate(_items(path, "links")):
        for end in (link["source"], link["target"]):
            position = position_of_id.get(end, -1) if written == "ids" else end
            if not isinstance(position, int) or not 0 <= position < len(ids):
                raise PublishedError(f"{path}: link {number} has the end {end}, which is no node")
            positions.append(position)
    ends = (
        row_of_position[np.frombuffer(positions, dtype=np.int32)].reshape(-1, 2) if positions else np.empty((0, 2), int)
    )
    known = (ends >= 0).all(axis=1)
    return ends[known], int((~known).sum())


def _written(path: Path, ids: Sequence[Any]) -> LinkEnds:
    """Whether the ends of links are positions or ids, as the first link and the ids show.

    Raises:
        PublishedError: they may be either.
    """
    first = next(_items(path, "links"), None)
    if first is None or all(position == node for position, node in enumerate(ids)):
        return "positions"
    if not isinstance(first["source"], int):
        return "ids"
    if any(isinstance(node, int) for node in ids):
        raise PublishedError(
            f"{path}: the ends of its links may be node ids or positions among the nodes; say which with --links"
        )
    return "positions"


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise PublishedError(f"{path}: not readable as JSON ({error})") from error


def _items(path: Path, name: str) -> Iterator[dict[str, Any]]:
    """The objects of one list of a JSON file; with ijson one by one, so that gigabytes of JSON need no more memory."""
    try:
        import ijson
    except ModuleNotFoundError:
        yield from _json(path).get(name, [])
        return
    try:
        with path.open("rb") as file:
            yield from ijson.items(file, f"{name}.item", use_float=True)
    except ijson.JSONError as error:
        raise PublishedError(f"{path}: not readable as JSON ({error})") from error


# -- OGB's files ------------------------------------------------------------------------------------------------


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
    there = sorted(path.name for path in folder.glob("*") if path.is_dir())
    if name is None and len(there) == 1:
        name = there[0]
    if name not in there:
        raise PublishedError(f"{folder}: no split {name or 'chosen'}; there is {', '.join(there) or 'none'}")
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


# -- the command line --------------------------------------------------------------------------------------------------


def train_by_preset(published: Published, preset: str, tell: Callable[[str], None], **changes: Any) -> dict[str, float]:
    """Partition, train and score by a published preset of ``ml.cluster_gcn.presets``; ``changes`` override its fields.

    Returns:
        Micro-F1 of the validation and of the test nodes, from all edges of the whole graph.

    Raises:
        PublishedError: there is no such preset.
    """
    from ml.cluster_gcn.presets import PRESETS
    from ml.cluster_gcn.train import predict, train
    from ml.metrics.classification import micro_f1

    if preset not in PRESETS:
        raise PublishedError(f"--preset {preset}: must be one of {', '.join(PRESETS)}")
    config = replace(PRESETS[preset], **changes)
    graph = published.graph
    seen = np.flatnonzero(graph.splits == "train") if config.inductive else None
    graph = replace(graph, clusters=clusters_of(graph.adjacency, config.clusters, config.seed, seen))
    tell(f"{config.clusters} clusters; edges between them: {edge_cut(graph.adjacency, graph.clusters):.1%}")
    model, _ = train(graph, config, progress=lambda row: tell(_line(row)))
    scores = predict(model, graph, config)
    told = scores > 0 if graph.multi_label else scores.argmax(axis=1)
    held_out = {split: graph.nodes(split) for split in ("validation", "test")}
    return {split: micro_f1(graph.labels[nodes], told[nodes]) for split, nodes in held_out.items() if len(nodes)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read a folder, tell what is in it, and train and score if a preset is named."""
    parser = argparse.ArgumentParser(prog="python -m assets.graph.published", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="with <name>-G.json and its companions, or with raw/ and split/")
    parser.add_argument("--links", choices=get_args(LinkEnds), help="what the ends of links in G.json are")
    parser.add_argument("--split", help="folder below split/ (OGB); by default the only one")
    parser.add_argument("--preset", help="published settings to train with: ppi, reddit, amazon2m, ...")
    parser.add_argument("--epochs", type=int, help="instead of the preset's")
    parser.add_argument("--clusters", type=int, help="instead of the preset's")
    parser.add_argument("--seed", type=int)
    given = parser.parse_args(arguments)
    try:
        published = read(given.folder, given.links, given.split)
        print(*published.lines(), sep="\n", flush=True)
        if given.preset:
            asked = {name: getattr(given, name) for name in ("epochs", "clusters", "seed")}
            changes = {name: value for name, value in asked.items() if value is not None}
            for split, score in train_by_preset(published, given.preset, _print, **changes).items():
                _print(f"{split} micro-F1 {score:.4f}")
    except (PublishedError, GraphError) as error:
        sys.exit(str(error))


def _line(row: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in row.items())


def _print(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
