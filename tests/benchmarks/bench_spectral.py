"""Graph filters and modes compared with PyGSP and SciPy, on co-purchases of simulated baskets and on larger graphs."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import duckdb
import numpy as np
import polars as pl
import pytest
import torch
from scipy import sparse
from scipy.sparse.linalg import eigsh, lobpcg

from assets.graph.co_purchases import co_purchases
from assets.sources.retail import CompleteJourney
from ml.memory_counters import resident_mib
from ml.spectral import Laplacian, filter_exactly, filter_signal, fourier_basis, heat, laplacian
from tests.benchmarks.results import Table

ORDER, SIGNALS, SCALE, MODES = 30, 10, 5.0, 20
NODES_OF_MILLIONS, EDGES_OF_MILLIONS = 2_449_029, 61_859_140
"""The size of Amazon2M (arXiv 1905.07953, table 3)."""


@pytest.fixture(scope="module")
def graphs() -> dict[str, sparse.csr_array]:
    """Pairs in at least one and at least two baskets, weighted by the baskets."""
    transactions = duckdb.connect().from_arrow(CompleteJourney().transactions().collect().to_arrow())
    pairs = co_purchases(transactions, 1, 10_000).pl()
    return {f"≥ {least}": _adjacency(pairs.filter(pl.col("baskets") >= least)) for least in (2, 1)}


def test_chebyshev_filter_pygsp_and_scipy(graphs: dict[str, sparse.csr_array], table: Callable[..., Table]) -> None:
    pygsp = pytest.importorskip("pygsp")
    columns = ("baskets of an edge, and method", "wall s", "CPU s", "PyGSP relative to it", "error")
    measured = table(f"Heat filter of order {ORDER}, {SIGNALS} signals", *columns)
    for name, adjacency in graphs.items():
        signals = np.random.default_rng(0).normal(size=(adjacency.shape[0], SIGNALS))
        ours = laplacian(adjacency)
        graph = pygsp.graphs.Graph(sparse.csr_matrix(adjacency), lap_type="normalized")
        graph.estimate_lmax("bounds")
        theirs = pygsp.filters.Heat(graph, scale=SCALE * graph.lmax)
        work: dict[str, Callable[[], np.ndarray]] = {
            "PyGSP": lambda filters=theirs, x=signals: filters.filter(x, order=ORDER),
            "scipy float64": lambda made=ours, x=signals: _scipy_filter(made.symmetric, x),
            "ours float64": lambda made=ours, x=signals: filter_signal(
                made, heat(SCALE), x, ORDER, dtype=torch.float64
            ),
            "ours float32": lambda made=ours, x=signals: filter_signal(made, heat(SCALE), x, ORDER),
        }
        reference = work["ours float64"]()
        peer = None
        for method, run in work.items():
            wall, cpu = _seconds(run)
            peer = peer or wall
            error = np.abs(run() - reference).max() / np.abs(reference).max()
            measured.add(f"{name}, {method}", wall, cpu, peer / wall, error)


def test_exact_filter_and_pygsp(graphs: dict[str, sparse.csr_array], table: Callable[..., Table]) -> None:
    pygsp = pytest.importorskip("pygsp")
    nodes = np.argsort(-graphs["≥ 2"].sum(axis=1))[:2000]
    adjacency = sparse.csr_array(graphs["≥ 2"][nodes][:, nodes])
    signals = np.random.default_rng(0).normal(size=(len(nodes), SIGNALS))

    def theirs() -> np.ndarray:
        graph = pygsp.graphs.Graph(sparse.csr_matrix(adjacency), lap_type="normalized")
        graph.estimate_lmax("bounds")
        return pygsp.filters.Heat(graph, scale=SCALE * graph.lmax).filter(signals, method="exact")

    ours = laplacian(adjacency)
    (mine, _), (peer, _) = _seconds(lambda: filter_exactly(ours, heat(SCALE), signals)), _seconds(theirs)
    measured = table("Exact heat filter, 2,000 nodes", "method", "wall s", "relative to ours")
    measured.add("ours", mine, 1)
    measured.add("PyGSP", peer, peer / mine)


@pytest.mark.filterwarnings("ignore:Exited")
def test_first_modes_and_scipy(graphs: dict[str, sparse.csr_array], table: Callable[..., Table]) -> None:
    adjacency = _largest_component(graphs["≥ 2"])
    symmetric, combinatorial = laplacian(adjacency), laplacian(adjacency, "combinatorial")
    work = {
        "symmetric, ours": lambda: _ours(symmetric),
        "symmetric, ARPACK": lambda: _arpack(symmetric.symmetric),
        "combinatorial, ours": lambda: _ours(combinatorial),
        "combinatorial, LOBPCG with Jacobi": lambda: _jacobi_lobpcg(combinatorial.symmetric),
    }
    title = f"First {MODES} modes, pairs in at least 2 baskets"
    measured = table(title, "Laplacian and method", "wall s", "CPU s", "residual", f"eigenvalue {MODES}")
    for method, run in work.items():
        started, cpu = time.perf_counter(), time.process_time()
        residual, last = run()
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        measured.add(method, wall, cpu, residual, last)


def test_a_filter_over_millions_of_nodes(table: Callable[..., Table]) -> None:
    """Synthetic graphs with random edges and the numbers of nodes and edges of Amazon2M: time and memory by size."""
    columns = ("share", "nodes", "entries", "Laplacian s", "filter s", "input GB", "GB before", "peak GB")
    measured = table("Heat filter on random graphs up to the size of Amazon2M", *columns)
    for share in (0.01, 0.1, 1.0):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            measured.add(f"{share:.0%}", *pool.submit(_filter_synthetic, share).result())


def _filter_synthetic(share: float) -> tuple[float, ...]:
    nodes, edges = int(NODES_OF_MILLIONS * share), int(EDGES_OF_MILLIONS * share)
    ends = np.random.default_rng(0).integers(nodes, size=(2, edges), dtype=np.int32)
    half = sparse.csr_array((np.ones(edges, np.float32), (ends[0], ends[1])), shape=(nodes, nodes))
    del ends
    adjacency = sparse.csr_array(half + half.T)
    del half
    signals = np.random.default_rng(1).normal(size=(nodes, SIGNALS)).astype(np.float32)
    before = _peak_gigabytes()
    started = time.perf_counter()
    made = laplacian(adjacency)
    built = time.perf_counter()
    filtered = filter_signal(made, heat(SCALE), signals, ORDER)
    done = time.perf_counter()
    assert np.isfinite(filtered).all()
    size = (adjacency.data.nbytes + adjacency.indices.nbytes + adjacency.indptr.nbytes) / 1e9
    return nodes, adjacency.nnz, built - started, done - built, size, before, _peak_gigabytes()


def _peak_gigabytes() -> float:
    return resident_mib("VmHWM") * 2**20 / 1e9


def _adjacency(pairs: pl.DataFrame) -> sparse.csr_array:
    products = pl.concat([pairs["product_a"], pairs["product_b"]]).unique().sort()
    kind = pl.Enum(products)
    a, b = (pairs[column].cast(kind).to_physical().to_numpy().astype(np.int32) for column in ("product_a", "product_b"))
    weights = pairs["baskets"].to_numpy().astype(np.float32)
    shape = (len(products), len(products))
    half = sparse.csr_array((weights, (a, b)), shape=shape)
    return sparse.csr_array(half + half.T)


def _largest_component(adjacency: sparse.csr_array) -> sparse.csr_array:
    _, component = sparse.csgraph.connected_components(adjacency, directed=False)
    nodes = np.flatnonzero(component == np.bincount(component).argmax())
    return sparse.csr_array(adjacency[nodes][:, nodes])


def _scipy_filter(matrix: sparse.csr_array, signals: np.ndarray) -> np.ndarray:
    coefficients = np.polynomial.chebyshev.chebinterpolate(lambda x: np.exp(-SCALE * (x + 1)), ORDER)
    shifted = matrix - sparse.eye_array(matrix.shape[0], format="csr")
    previous, current = signals, shifted @ signals
    filtered = coefficients[0] * previous + coefficients[1] * current
    for coefficient in coefficients[2:]:
        previous, current = current, 2 * (shifted @ current) - previous
        filtered += coefficient * current
    return filtered


def _ours(made: Laplacian) -> tuple[float, float]:
    basis = fourier_basis(made, MODES)
    return basis.residuals.max(), basis.frequencies[-1]


def _arpack(matrix: sparse.csr_array) -> tuple[float, float]:
    shifted = sparse.csr_array(2 * sparse.eye_array(matrix.shape[0]) - matrix)
    values, vectors = eigsh(shifted, MODES, which="LA", ncv=60, tol=1e-8, v0=np.ones(matrix.shape[0]))
    return np.linalg.norm(matrix @ vectors - vectors * (2 - values), axis=0).max(), (2 - values).max()


def _jacobi_lobpcg(matrix: sparse.csr_array) -> tuple[float, float]:
    nodes = matrix.shape[0]
    values, vectors = lobpcg(
        matrix,
        np.random.default_rng(0).normal(size=(nodes, MODES - 1)),
        M=sparse.csr_array(sparse.diags_array(1 / matrix.diagonal())),
        Y=np.ones((nodes, 1)),
        largest=False,
        tol=1e-7,
        maxiter=100,
    )
    return np.linalg.norm(matrix @ vectors - vectors * values, axis=0).max(), values.max()


def _seconds(work: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """Medians of wall and CPU seconds."""
    taken = []
    for _ in range(times):
        started, cpu = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - started, time.process_time() - cpu))
    walls, cpus = zip(*taken, strict=True)
    return statistics.median(walls), statistics.median(cpus)
