"""Graphs whose spectra are known, and random ones."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from scipy import sparse


def path(nodes: int) -> sparse.csr_array:
    ones = np.ones(nodes - 1)
    return sparse.csr_array(sparse.diags_array([ones, ones], offsets=[-1, 1], shape=(nodes, nodes)))


def cycle(nodes: int) -> sparse.csr_array:
    step = sparse.csr_array((np.ones(nodes), (np.arange(nodes), (np.arange(nodes) + 1) % nodes)), shape=(nodes, nodes))
    return sparse.csr_array(step + step.T)


def complete(nodes: int) -> sparse.csr_array:
    return sparse.csr_array(np.ones((nodes, nodes)) - np.eye(nodes))


def star(nodes: int) -> sparse.csr_array:
    leaves = np.arange(1, nodes)
    spokes = sparse.csr_array((np.ones(nodes - 1), (np.zeros(nodes - 1, int), leaves)), shape=(nodes, nodes))
    return sparse.csr_array(spokes + spokes.T)


def random_graph(nodes: int, seed: int, density: float = 0.3) -> sparse.csr_array:
    """Symmetric with weights in (0, 1); a low density leaves it disconnected, with isolated nodes."""
    generator = np.random.default_rng(seed)
    half = np.triu(generator.random((nodes, nodes)) * (generator.random((nodes, nodes)) < density), k=1)
    return sparse.csr_array(half + half.T)


def communities(
    nodes: int, parts: int, seed: int, inside: float, between: float
) -> tuple[sparse.csr_array, np.ndarray]:
    """A planted partition, and the part of each node; its expected degree is ``inside`` + ``between``."""
    generator = np.random.default_rng(seed)
    part = np.arange(nodes) * parts // nodes
    size = nodes // parts
    count = int(nodes * inside / 2)
    first = generator.integers(nodes, size=count)
    second = np.minimum(part[first] * size + generator.integers(size, size=count), nodes - 1)
    anywhere = generator.integers(nodes, size=(2, int(nodes * between / 2)))
    a, b = np.concatenate([first, anywhere[0]]), np.concatenate([second, anywhere[1]])
    apart = a != b
    edges = sparse.csr_array((np.ones(apart.sum()), (a[apart], b[apart])), shape=(nodes, nodes))
    return sparse.csr_array(edges + edges.T), part


graphs = st.builds(random_graph, st.integers(1, 24), st.integers(0, 1000), st.sampled_from([0.0, 0.05, 0.2, 0.6]))
"""Also disconnected ones, with isolated nodes, or without any edge."""
