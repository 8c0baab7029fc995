"""Evaluation of the Cluster-GCN on held-out products."""

from pathlib import Path

import dagster as dg
import polars as pl

from assets.graph.arrays import graph_data
from assets.lake import Lake
from assets.models.evaluations import evaluation_rows, evaluations_part
from assets.models.metrics import rounded
from assets.sources.retail import RetailSource

SPLIT = "test"


@dg.asset(
    code_version="1",
    kinds={"pytorch", "scikitlearn"},
    pool="gpu",
    deps=["cluster_gcn"],
    metadata=evaluations_part("cluster_gcn"),
)
def cluster_gcn_evaluation(
    context: dg.AssetExecutionContext,
    graph_nodes: pl.DataFrame,
    graph_edges: pl.DataFrame,
    graph_node_features: pl.DataFrame,
    graph_clusters: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    retail: dg.ResourceParam[RetailSource],
    device: dg.ResourceParam[str],
    model_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """Accuracy and macro-F1 of the Cluster-GCN on held-out products, and of baselines that use no edges."""
    from assets.graph.evaluation.classification import held_out_classification

    graph = graph_data(graph_nodes, graph_edges, graph_node_features, graph_clusters)
    metrics = held_out_classification(model_root / "cluster_gcn", graph, SPLIT, device)
    context.add_output_metadata(rounded(metrics["cluster_gcn"]))
    benchmark = f"held-out products ({retail.name})"
    return evaluation_rows("cluster_gcn", benchmark, SPLIT, metrics, lake.snapshot())
