"""Training and evaluation of a Cluster-GCN, compared with PyG's operator, and at the size of Amazon2M.

All methods train the same network on the same clusters of the same unweighted co-purchase graph, each in a process of
its own, so that peaks of memory are separate. PyG gets its batches from our code, because its own loader needs a
library without wheels.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
import torch
from scipy import sparse
from torch import Tensor, nn

from assets.graph.co_purchases import co_purchases
from assets.sources.retail import CompleteJourney
from ml.cluster_gcn import partition as partition_module
from ml.cluster_gcn.batches import ClusterBatches
from ml.cluster_gcn.evaluation import full_graph_scores
from ml.cluster_gcn.model import ClusterGCN
from ml.cluster_gcn.partition import PARTITIONERS, Partitioner, partition
from ml.memory_counters import added_memory, resident_mib
from ml.sparse import csr_tensor
from tests.benchmarks.results import Table

FEATURES, HIDDEN, CLASSES, LAYERS, CLUSTERS, PER_BATCH, EPOCHS = 100, 128, 20, 3, 50, 5, 3
AMAZON2M = {"nodes": 2_449_029, "edges": 61_859_140, "features": 100, "classes": 47, "clusters": 15_000}
"""arXiv 1905.07953, table 3 and the settings of its experiments."""
LARGEST_SHARE = float(os.environ.get("BENCH_SHARE", "0.1"))

PEERS = ("PyG, edge_index", "PyG, CSR", "ours")


@dataclass(frozen=True)
class Measured:
    """Medians of seconds, and MiB in addition to the memory that the process used before."""

    epoch_s: float
    batches_s: float
    training_mib: float
    evaluation_s: float
    evaluation_mib: float


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Graphs of all pairs in at least one and at least two baskets, with their METIS clusters."""
    transactions = duckdb.connect().from_arrow(CompleteJourney().transactions().collect().to_arrow())
    pairs = co_purchases(transactions, 1, 10_000).pl()
    stored = {}
    for least in (1, 2):
        adjacency = _adjacency(pairs.filter(pl.col("baskets") >= least))
        path = tmp_path_factory.mktemp("graph") / f"{least}.npz"
        clusters = partition(adjacency, CLUSTERS, seed=0)
        csr = {name: getattr(adjacency, name) for name in ("data", "indices", "indptr")}
        np.savez(path, clusters=clusters, **csr)
        stored[f"≥ {least}"] = path
    return stored


def test_an_epoch_and_an_evaluation_and_pyg(graphs: dict[str, Path], table: Callable[..., Table]) -> None:
    pytest.importorskip("torch_geometric")
    trained = ("epoch s", "relative to ours", "share of batch construction", "training MiB")
    scored = ("evaluation s", "evaluation relative to ours", "evaluation MiB")
    measured = table("Cluster-GCN and PyG", "baskets of an edge, and method", *trained, *scored)
    for name, path in graphs.items():
        # On the larger graph the messages of one layer of the default operator need 12 GB.
        evaluated = name == "≥ 2"
        results = {peer: _apart(_measure, peer, path, evaluated) for peer in PEERS}
        ours = results["ours"]
        for peer, it in results.items():
            training = (it.epoch_s, it.epoch_s / ours.epoch_s, it.batches_s / it.epoch_s, it.training_mib)
            evaluation = (it.evaluation_s, it.evaluation_s / ours.evaluation_s, it.evaluation_mib)
            measured.add(f"{name}, {peer}", *training, *(evaluation if evaluated else (None, None, None)))


def test_the_size_of_amazon2m(table: Callable[..., Table]) -> None:
    """Synthetic: most edges are within neighbourhoods of 160 nodes. ``BENCH_SHARE=1`` is the whole size."""
    columns = ("nodes", "edges", "clusters", "METIS s", "edge cut", "epoch s", "evaluation s", "peak GiB")
    measured = table("Cluster-GCN up to the size of Amazon2M", "share", *columns)
    for share in (share for share in (0.01, 0.1, 1.0) if share <= LARGEST_SHARE):
        measured.add(f"{share:.0%}", *_apart(_amazon2m, share))


def test_partitioners(table: Callable[..., Table]) -> None:
    """On the graphs of ``test_the_size_of_amazon2m``. Memory is that above the graph.

    KaMinPar runs on one thread, as in the pipeline, and on two, which do not always repeat a result.
    """
    columns = (
        "nodes",
        "edges",
        "clusters",
        "s",
        "CPU s",
        "relative to METIS",
        "MiB",
        "edge cut",
        "clusters left empty",
    )
    measured = table("Partitioners up to the size of Amazon2M", "share, and partitioner", *columns)
    for share in (share for share in (0.01, 0.1, 1.0) if share <= LARGEST_SHARE):
        metis_s = 0.0
        for partitioner, threads in (("metis", 1), ("kaminpar", 1), ("kaminpar", 2)):
            nodes, edges, clusters, seconds, *quality = _apart(_partitioned, share, partitioner, threads)
            metis_s = metis_s or seconds
            name = f"{share:.0%}, {PARTITIONERS[partitioner]}{' on 2 threads' if threads == 2 else ''}"
            measured.add(name, nodes, edges, clusters, seconds, quality[0], seconds / metis_s, *quality[1:])


def _partitioned(share: float, partitioner: Partitioner, threads: int) -> tuple[float, ...]:
    nodes, edges = int(AMAZON2M["nodes"] * share), int(AMAZON2M["edges"] * share)
    adjacency = _neighbourhoods(nodes, edges)
    count = max(int(AMAZON2M["clusters"] * share), 10)
    partition_module.KAMINPAR_THREADS = threads
    started, cpu_started = time.perf_counter(), time.process_time()
    clusters, mib = added_memory(lambda: partition(adjacency, count, 0, partitioner), "cpu")
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu_started
    empty = count - clusters.max() - 1
    return nodes, adjacency.nnz // 2, count, seconds, cpu_s, mib, _edge_cut(adjacency, clusters), empty


def _edge_cut(adjacency: sparse.csr_array, clusters: np.ndarray) -> float:
    rows = np.repeat(np.arange(len(clusters), dtype=np.int32), np.diff(adjacency.indptr))
    return float(np.mean(clusters[rows] != clusters[adjacency.indices]))


def _apart(work: Callable, *args: object):  # type: ignore[no-untyped-def, type-arg]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, *args).result()


def _measure(peer: str, path: Path, evaluated: bool) -> Measured:
    torch.manual_seed(0)
    stored = np.load(path)
    clusters = stored["clusters"]
    nodes = len(clusters)
    adjacency = sparse.csr_array((stored["data"], stored["indices"], stored["indptr"]), shape=(nodes, nodes))
    features = torch.randn(nodes, FEATURES)
    labels = torch.randint(CLASSES, (nodes,))
    # The first training loads libraries; their memory is not part of the measurement.
    some = slice(0, 500)
    _trained(peer, adjacency[some, some], clusters[some], features[some], labels[some])
    before = resident_mib()
    model, epochs, building = _trained(peer, adjacency, clusters, features, labels)
    training_mib = resident_mib("VmHWM") - before
    seconds, mib = _evaluated(peer, model, adjacency, features) if evaluated else (float("nan"), float("nan"))
    return Measured(statistics.median(epochs), statistics.median(building), training_mib, seconds, mib)


def _trained(
    peer: str, adjacency: sparse.csr_array, clusters: np.ndarray, features: Tensor, labels: Tensor
) -> tuple[nn.Module, list[float], list[float]]:
    """A network after a few epochs, the seconds per epoch, and the seconds of batch construction per epoch."""
    batches = ClusterBatches(adjacency, clusters, PER_BATCH)
    model, scores_of = _network(peer, adjacency, features)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    epochs, building = [], []
    for epoch in range(EPOCHS):
        started, built = time.perf_counter(), 0.0
        made = batches.one_pass(epoch)
        while True:
            began = time.perf_counter()
            batch = next(made, None)
            built += time.perf_counter() - began
            if batch is None:
                break
            chosen = torch.from_numpy(batch.nodes)
            loss = nn.functional.cross_entropy(scores_of(batch.adjacency, chosen), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        epochs.append(time.perf_counter() - started)
        building.append(built)
    return model, epochs, building


def _network(
    peer: str, adjacency: sparse.csr_array, features: Tensor
) -> tuple[nn.Module, Callable[[sparse.csr_array, Tensor], Tensor]]:
    """A network, and its scores of a batch."""
    if peer == "ours":
        model = ClusterGCN(FEATURES, HIDDEN, CLASSES, LAYERS)
        propagated = model.propagation(adjacency)(features)
        return model, lambda part, nodes: model(model.propagation(part), features[nodes], propagated[nodes])
    theirs = _PyG()
    form = _edge_index if peer == "PyG, edge_index" else _csr
    return theirs, lambda part, nodes: theirs(features[nodes], form(part))


def _evaluated(peer: str, model: nn.Module, adjacency: sparse.csr_array, features: Tensor) -> tuple[float, float]:
    model.eval()
    before = resident_mib()
    # Reset the peak of resident memory, which would otherwise be that of training.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        with torch.inference_mode():
            if isinstance(model, ClusterGCN):
                full_graph_scores(model, adjacency, features, 1 << 16)
            else:
                model(features, _edge_index(adjacency) if peer == "PyG, edge_index" else _csr(adjacency))
        taken.append(time.perf_counter() - started)
    return statistics.median(taken), resident_mib("VmHWM") - before


class _PyG(nn.Module):
    """The same network of PyG's operator."""

    def __init__(self) -> None:
        from torch_geometric.nn import ClusterGCNConv

        super().__init__()
        widths = [FEATURES, *[HIDDEN] * (LAYERS - 1), CLASSES]
        self.convolutions = nn.ModuleList(ClusterGCNConv(a, b, bias=False) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths[1:-1])

    def forward(self, hidden: Tensor, edges: Tensor) -> Tensor:
        for convolution, norm in zip(self.convolutions, self.norms, strict=False):
            hidden = nn.functional.dropout(torch.relu(norm(convolution(hidden, edges))), 0.2, self.training)
        scores: Tensor = self.convolutions[-1](hidden, edges)
        return scores


def _edge_index(adjacency: sparse.csr_array) -> Tensor:
    edges = adjacency.tocoo()
    return torch.from_numpy(np.stack([edges.row, edges.col]).astype(np.int64))


def _csr(adjacency: sparse.csr_array) -> Tensor:
    tensor = csr_tensor(adjacency)
    long = (tensor.crow_indices().long(), tensor.col_indices().long())
    return torch.sparse_csr_tensor(*long, tensor.values(), size=adjacency.shape, check_invariants=False)


def _amazon2m(share: float) -> tuple[float, ...]:
    nodes, edges = int(AMAZON2M["nodes"] * share), int(AMAZON2M["edges"] * share)
    adjacency = _neighbourhoods(nodes, edges)
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(nodes, AMAZON2M["features"], generator=generator)
    labels = torch.randint(AMAZON2M["classes"], (nodes,), generator=generator)
    started = time.perf_counter()
    count = max(int(AMAZON2M["clusters"] * share), 10)
    clusters = partition(adjacency, count, seed=0)
    clustered = time.perf_counter()
    cut = _edge_cut(adjacency, clusters)

    model = ClusterGCN(features.shape[1], 400, AMAZON2M["classes"], layers=4)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    began = time.perf_counter()
    propagated = model.propagation(adjacency)(features)
    for batch in ClusterBatches(adjacency, clusters, per_batch=10).one_pass():
        chosen = torch.from_numpy(batch.nodes)
        scores = model(model.propagation(batch.adjacency), features[chosen], propagated[chosen])
        loss = nn.functional.cross_entropy(scores, labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    del propagated
    trained = time.perf_counter()
    scores = full_graph_scores(model, adjacency, features, 1 << 16)
    evaluated = time.perf_counter()
    assert bool(scores.isfinite().all())
    times = (trained - began, evaluated - trained, resident_mib("VmHWM") / 1024)
    return nodes, adjacency.nnz // 2, count, clustered - started, cut, *times


def _neighbourhoods(nodes: int, edges: int, within: float = 0.7, size: int = 160) -> sparse.csr_array:
    """A synthetic graph with shuffled nodes; a share of its edges is within neighbourhoods of ``size`` nodes."""
    generator = np.random.default_rng(0)
    order = generator.permutation(nodes).astype(np.int64)
    # Loops and repeated pairs are removed below, so sample more edges.
    drawn = edges + edges // 4
    a = generator.integers(nodes, size=drawn)
    near = (a // size) * size + generator.integers(size, size=drawn)
    b = np.where(generator.random(drawn) < within, near, generator.integers(nodes, size=drawn))
    pairs = np.unique((np.minimum(a, b) * nodes + np.maximum(a, b))[(a != b) & (b < nodes)])
    del a, b, near
    pairs = np.sort(generator.choice(pairs, edges, replace=False, shuffle=False))
    a, b = (order[ends].astype(np.int32) for ends in (pairs // nodes, pairs % nodes))
    del pairs
    ends = np.concatenate([a, b]), np.concatenate([b, a])
    return sparse.csr_array((np.ones(2 * edges, np.float32), ends), shape=(nodes, nodes))


def _adjacency(pairs: pl.DataFrame) -> sparse.csr_array:
    products = pl.concat([pairs["product_a"], pairs["product_b"]]).unique().sort()
    kind = pl.Enum(products)
    a, b = (pairs[column].cast(kind).to_physical().to_numpy().astype(np.int32) for column in ("product_a", "product_b"))
    half = sparse.csr_array((np.ones(len(pairs), np.float32), (a, b)), shape=(len(products), len(products)))
    return sparse.csr_array(half + half.T)
