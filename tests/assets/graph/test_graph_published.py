"""Published graphs, written here in their files and read back."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.graph.published import Published, PublishedError, read
from assets.graph.published.graphs import NOT_IN_A_SPLIT
from ml.cluster_gcn.data import UNLABELLED
from orchestration.cli import main

SPLITS = ("train", "validation", "test")


class Example:
    """A random graph, as dense arrays that can be compared by eye."""

    def __init__(self, seed: int, nodes: int = 30, classes: int = 3, multi_label: bool = False) -> None:
        rng = np.random.default_rng(seed)
        upper = np.triu(rng.random((nodes, nodes)) < 0.2, k=1)
        upper[0, 1] = True
        self.adjacency = (upper | upper.T).astype(np.float32)
        self.features = rng.normal(size=(nodes, 4)).astype(np.float32)
        self.labels = rng.integers(0, 2, (nodes, classes)) if multi_label else np.arange(nodes) % classes
        self.splits = rng.permuted(np.array([SPLITS[index % 3] for index in range(nodes)]))
        self.order = rng.permutation(nodes)

    @property
    def links(self) -> np.ndarray:
        return np.argwhere(np.triu(self.adjacency))

    def write_graphsage(self, folder: Path, links: str = "positions", **changes: object) -> Path:
        """The four files; G.json lists the nodes in ``order``, by ids like ``n7`` that are not their rows."""
        folder.mkdir(exist_ok=True)
        position = {int(row): place for place, row in enumerate(self.order)}
        end = position.__getitem__ if links == "positions" else "n{}".format
        graph = {
            "directed": False,
            "graph": {"name": "disjoint_union( , )"},
            "nodes": [
                {"id": f"n{row}", "val": self.splits[row] == "validation", "test": self.splits[row] == "test"}
                for row in self.order.tolist()
            ],
            "links": [{"source": end(a), "target": end(b), "train_removed": False} for a, b in self.links.tolist()],
            "multigraph": False,
        }
        files = {
            "G": graph,
            "id_map": {f"n{row}": row for row in range(len(self.splits))},
            "class_map": {f"n{row}": label for row, label in enumerate(self.labels.tolist())},
        } | changes
        for name, content in files.items():
            (folder / f"toy-{name}.json").write_text(json.dumps(content, default=bool))
        np.save(folder / "toy-feats.npy", self.features)
        return folder

    def write_ogb(self, folder: Path) -> Path:
        def put(name: str, rows: np.ndarray) -> None:
            path = folder / f"{name}.csv.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            text = "\n".join(",".join(map(str, np.atleast_1d(row))) for row in rows.tolist())
            path.write_bytes(gzip.compress(f"{text}\n".encode()))

        put("raw/edge", self.links)
        put("raw/node-feat", self.features)
        put("raw/node-label", self.labels)
        put("raw/num-node-list", np.array([len(self.splits)]))
        for stem, split in zip(("train", "valid", "test"), SPLITS, strict=True):
            put(f"split/sales_ranking/{stem}", np.flatnonzero(self.splits == split))
        return folder

    def is_in(self, found: Published) -> bool:
        graph = found.graph
        return (
            np.array_equal(graph.adjacency.toarray(), self.adjacency)
            and np.allclose(graph.features, self.features)
            and np.array_equal(graph.labels, self.labels)
            and np.array_equal(graph.splits, self.splits)
        )


WRITERS: dict[str, Callable[[Example, Path], Path]] = {
    "positions": Example.write_graphsage,
    "ids": lambda example, folder: example.write_graphsage(folder, links="ids"),
    "ogb": Example.write_ogb,
}


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1000), st.integers(3, 12), st.booleans(), st.sampled_from(sorted(WRITERS)))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, seed: int, nodes: int, multi_label: bool, layout: str
) -> None:
    example = Example(seed, nodes, multi_label=multi_label)
    found = read(WRITERS[layout](example, tmp_path_factory.mktemp("graph")))
    assert example.is_in(found)
    assert found.graph.labels.dtype == (np.uint8 if multi_label else np.int64)
    assert found.graph.classes == ("0", "1", "2")


def test_json_is_read_alike_without_ijson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = Example(1)
    monkeypatch.setitem(__import__("sys").modules, "ijson", None)
    assert example.is_in(read(example.write_graphsage(tmp_path)))


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    nodes = [{"id": index, "val": False, "test": index == 1} for index in range(4)] + [
        {"id": 9, "val": True},
        {"id": 5},
    ]
    ends = [(0, 1), (1, 0), (2, 2), (1, 2), (3, 4), (0, 5)]
    changes = {
        "G": {"nodes": nodes, "links": [{"source": a, "target": b} for a, b in ends]},
        "id_map": {"0": 3, "1": 2, "2": 1, "3": 0, "5": 4},
        "class_map": {"0": 7, "1": 5, "2": 7, "5": 7},
    }
    example = Example(0, nodes=5)
    with pytest.raises(PublishedError, match=r"toy-G.json: the ends .* may be node ids or positions.*--links"):
        read(example.write_graphsage(tmp_path, **changes))
    found = read(tmp_path, links="positions")
    assert {note: count for note, count in found.notes.items() if count} == {
        "nodes that the id map lacks": 1,
        "nodes without val and test flags": 1,
        "nodes without a label": 1,
        "nodes in no split": 2,
        "links of nodes that the id map lacks": 1,
        "loops": 1,
        "repeated links": 1,
    }
    assert found.graph.labels.tolist() == [UNLABELLED, 1, 0, 1, 1] and found.graph.classes == ("5", "7")
    assert found.graph.splits.tolist() == [NOT_IN_A_SPLIT, "train", "test", "train", NOT_IN_A_SPLIT]
    assert found.graph.adjacency.toarray().nonzero()[0].tolist() == [1, 2, 2, 3, 3, 4]
    assert "loops: 1" in list(found.lines())


def test_classes_that_training_never_sees_are_named(tmp_path: Path) -> None:
    example = Example(0)
    example.labels[example.splits == "train"] = 0
    message = list(read(example.write_ogb(tmp_path)).lines())
    assert "held-out nodes have classes that no training node has: 1, 2" in message


def link(source: object, target: object) -> dict[str, object]:
    nodes = [{"id": f"n{index}", "val": False, "test": False} for index in range(30)]
    return {"G": {"nodes": nodes, "links": [{"source": source, "target": target}]}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (link("n0", "n99"), r"toy-G.json: link 0 has the end n99, which is no node"),
        (link(0, 30), r"toy-G.json: link 0 has the end 30, which is no node"),
        ({"id_map": {"n0": 0, "n1": 0}}, r"toy-id_map.json: the rows of its 2 nodes must be 0 to 1, each once"),
        ({"id_map": {"n0": 0}, "class_map": {"n0": 1}}, r"toy-feats.npy: shape \(30, 4\); need one row for each of 1"),
        ({"class_map": {"n0": 1, "x": 1}}, r"toy-class_map.json: node x is not in the id map"),
        ({"class_map": {"n0": [1, 0], "n1": [1]}}, r"class_map.json: .*differing sizes: node n0 has 2, node n1 has 1"),
        ({"class_map": {"n0": [1, 0], "n1": 3}}, r"class_map.json: .*node n0 has 2, node n1 has one number"),
        ({"class_map": {"n0": [1, 2]}}, r"toy-class_map.json: lists of labels must hold 0 and 1 only"),
        ({"G": {"nodes": [{"id": "n0", "val": True, "test": True}]}}, r"node n0 is both for validation and for test"),
        ({"G": {"nodes": [{"id": "n0"}, {"id": "n0"}]}}, r"toy-G.json: several nodes have one id"),
    ],
)
def test_wrong_graphsage_files_are_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(PublishedError, match=message):
        read(Example(0).write_graphsage(tmp_path, **changes))


def test_missing_files_and_features_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    with pytest.raises(PublishedError, match=r"need one <name>-G.json .* or raw/edge.csv.gz .*; found neither"):
        read(tmp_path)
    example = Example(0)
    example.features[7, 2] = np.nan
    for write, named in ((example.write_graphsage, "toy-feats.npy"), (example.write_ogb, "node-feat.csv.gz")):
        folder = write(tmp_path / named)
        with pytest.raises(PublishedError, match=rf"{named}: 1 values are NaN or infinite, first in row 7, column 2"):
            read(folder)
    (tmp_path / "toy-feats.npy" / "toy-class_map.json").unlink()
    with pytest.raises(PublishedError, match=r"no toy-class_map.json"):
        read(tmp_path / "toy-feats.npy")
    (tmp_path / "node-feat.csv.gz" / "raw" / "node-label.csv.gz").unlink()
    with pytest.raises(PublishedError, match=r"node-label.csv.gz: no such file"):
        read(tmp_path / "node-feat.csv.gz")
    for name in ("toy-class_map.json", "toy-G.json"):
        folder = Example(0).write_graphsage(tmp_path / name)
        (folder / name).write_text("{")
        with pytest.raises(PublishedError, match=rf"{name}: not readable as JSON"):
            read(folder)


def test_wrong_ogb_files_are_named(tmp_path: Path) -> None:
    folder = Example(0).write_ogb(tmp_path)
    (folder / "split" / "another").mkdir()
    with pytest.raises(PublishedError, match=r"no split chosen; the folder holds another, sales_ranking"):
        read(folder)
    train = folder / "split" / "sales_ranking" / "train.csv.gz"
    train.write_bytes(gzip.compress(b"0\n30\n"))
    with pytest.raises(PublishedError, match=r"train.csv.gz: node numbers must be 0 to 29"):
        read(folder, split="sales_ranking")
    (folder / "raw" / "edge.csv.gz").write_bytes(gzip.compress(b"0,30\n"))
    train.write_bytes(gzip.compress(b"0\n"))
    with pytest.raises(PublishedError, match=r"a node is in two splits|edge.csv.gz: need two node numbers"):
        read(folder, split="sales_ranking")


def test_the_command_prints_what_it_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", str(Example(0, multi_label=True).write_graphsage(tmp_path))]) == 0
    printed = capsys.readouterr().out
    assert (
        "30 nodes, " in printed
        and "3 classes, multi-label" in printed
        and "test 10, train 10, validation 10" in printed
    )
    (tmp_path / "empty").mkdir()
    assert main(["graph", str(tmp_path / "empty")]) == 2
    assert "neither" in capsys.readouterr().err


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_published_graph_is_trained_by_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], multi_label: bool
) -> None:
    folder = Example(0, nodes=60, multi_label=multi_label).write_graphsage(tmp_path)
    preset = "ppi" if multi_label else "reddit"
    assert main(["graph", str(folder), "--preset", preset, "--epochs", "2", "--clusters", "4"]) == 0
    printed = capsys.readouterr().out
    assert "epoch 2" in printed and "test micro-F1 0." in printed
    assert main(["graph", str(folder), "--preset", "cora"]) == 2
    assert re.match(r"--preset cora: must be one of .*ppi", capsys.readouterr().err)
