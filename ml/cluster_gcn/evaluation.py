"""Exact scores of a Cluster-GCN from all edges of a graph, in bounded memory. See ``ml.metrics.classification``."""

from __future__ import annotations

from typing import cast

import torch
from scipy import sparse
from torch import Tensor

from ml.cluster_gcn.model import ClusterGCN, Layer
from ml.cluster_gcn.propagation import Propagation


@torch.inference_mode()
def full_graph_scores(model: ClusterGCN, adjacency: sparse.csr_array, inputs: Tensor, block_rows: int) -> Tensor:
    """Scores ``[N, classes]`` without clusters and without sampling, layer by layer in blocks of rows.

    Memory holds a layer's input and output and the edges of one block. A layer with a smaller output multiplies by its
    weight first, P (X W) = (P X) W, and also holds X W.

    Args:
        adjacency: ``[N, N]``, on the CPU; inputs: ``X[N, F]``, standardised, on the model's device.
        block_rows: nodes whose edges are processed at a time.
    """
    model.eval()
    first, propagation = model.first_propagation(adjacency), model.propagation(adjacency)
    hidden = inputs
    for index in range(len(model.layers)):
        hidden = _layer(model, index, propagation if index else first, hidden, block_rows)
    return hidden


def _layer(model: ClusterGCN, index: int, propagation: Propagation, hidden: Tensor, block_rows: int) -> Tensor:
    layer = cast(Layer, model.layers[index])
    around, _ = layer.weights
    narrows = layer.out_dim < layer.in_dim
    source = hidden @ around if narrows else hidden
    output = hidden.new_empty(len(hidden), layer.out_dim)
    for start in range(0, len(hidden), block_rows):
        stop = min(start + block_rows, len(hidden))
        rows = propagation.rows(source, start, stop)
        own = hidden[start:stop]
        output[start:stop] = model.activated(index, layer.combined(rows if narrows else rows @ around, own), own)
    return output
