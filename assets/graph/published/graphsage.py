"""Reader of GraphSAGE's files (PPI, Reddit, Amazon2M)."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from assets.graph.published.graphs import (
    NOT_IN_A_SPLIT,
    Published,
    PublishedError,
    checked_features,
    published,
    symmetric_adjacency,
)
from ml.cluster_gcn.data import UNLABELLED

LinkEnds = Literal["positions", "ids"]
"""What the ends of links in G.json are: positions in its list of nodes, or node ids."""

_GRAPHSAGE_FILES = ("G.json", "feats.npy", "class_map.json", "id_map.json")


def read_graphsage(prefix: Path, links: LinkEnds | None = None) -> Published:
    """A graph in GraphSAGE's four files ``<prefix>-G.json``, ``-feats.npy``, ``-class_map.json``, ``-id_map.json``.

    G.json is in networkx's node-link format and is parsed as a stream. networkx 1, which wrote the published files,
    stores the ends of links as positions in the list of nodes; networkx 2 and later store node ids. If the files leave
    this open, ``links`` must say it. The id map gives the row of each node in the arrays.

    Returns:
        A graph with labels ``int[N]``, or ``uint8[N, C]`` of 0 and 1 if the class map holds lists. A node without
        flags for validation and testing, or without a label, is in no split; a node that the id map lacks is left out
        with its links.

    Raises:
        PublishedError: a file is missing or contradicts another; the message names the node or the link.
    """
    paths = {name: prefix.with_name(f"{prefix.name}-{name}") for name in _GRAPHSAGE_FILES}
    missing = [path.name for path in paths.values() if not path.exists()]
    if missing:
        raise PublishedError(f"{prefix.parent}: no {', '.join(missing)}")
    rows = _rows(paths["id_map.json"])
    features = checked_features(np.load(paths["feats.npy"]), len(rows), paths["feats.npy"])
    labels, classes, unlabelled = _class_map(paths["class_map.json"], rows)
    ids, splits, notes = _nodes(paths["G.json"], rows)
    splits[unlabelled] = NOT_IN_A_SPLIT
    ends, left_out = _links(paths["G.json"], ids, rows, links)
    adjacency, odd = symmetric_adjacency(ends, len(rows))
    notes |= {"nodes without a label": len(unlabelled), "links of nodes that the id map lacks": left_out, **odd}
    return published(adjacency, features, labels, splits, classes, notes)


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
    """The ids in the order of the file, the split of each row, and counts of irregular nodes."""
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


def _links(path: Path, ids: Sequence[Any], rows: Mapping[str, int], given: LinkEnds | None) -> tuple[np.ndarray, int]:
    """``ends[links, 2]`` as rows, and how many links have an end that the id map lacks."""
    row_of_position = np.array([rows.get(str(node), -1) for node in ids], dtype=np.int64)
    position_of_id = {node: position for position, node in enumerate(ids)}
    kind = given or _inferred_ends(path, ids)
    positions = array("i")
    for number, link in enumerate(_items(path, "links")):
        for end in (link["source"], link["target"]):
            position = position_of_id.get(end, -1) if kind == "ids" else end
            if not isinstance(position, int) or not 0 <= position < len(ids):
                raise PublishedError(f"{path}: link {number} has the end {end}, which is no node")
            positions.append(position)
    ends = (
        row_of_position[np.frombuffer(positions, dtype=np.int32)].reshape(-1, 2) if positions else np.empty((0, 2), int)
    )
    known = (ends >= 0).all(axis=1)
    return ends[known], int((~known).sum())


def _inferred_ends(path: Path, ids: Sequence[Any]) -> LinkEnds:
    """Whether the ends of links are positions or ids, inferred from the first link and the ids.

    Raises:
        PublishedError: the files allow both.
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
    """The objects of one list of a JSON file; ijson, if installed, reads them one by one in constant memory."""
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
