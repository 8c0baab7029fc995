"""Which product is bought together next: pairs of later baskets, ranked from the baskets before. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import duckdb
import numpy as np
import polars as pl
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import sparse

from assets.graph.arrays import adjacency, feature_matrix
from assets.graph.co_purchases import co_purchases
from assets.graph.edges import GraphError, edges
from assets.graph.features import node_features
from assets.graph.nodes import graph_edges
from assets.graph.options import GraphOptions
from assets.lake import load_tables
from ml.link_prediction.baskets import Baskets, Pairs
from ml.link_prediction.model import LinkConfig, predictor_scores, train_link_predictor
from ml.link_prediction.ranking import Scores, item_cosine, metrics, popularity, target_ranks
from ml.training import pick_device

GRAPH_SHARE, HISTORY_SHARE = 0.6, 0.8
"""Shares of the baskets, by day: before the first the graph of the training, before the second all that is known."""
QUERIES = 5_000
"""Pairs of later baskets that are ranked."""
POPULARITY, COSINE, GRAPH = "popularity", "item-item cosine", "graph embedding"


@dataclass(frozen=True)
class Timeline:
    """Basket lines of known products in three periods, and the products that occur before the test.

    ``lines`` has basket, product (numbers), purchased_on and period: 0 graph, 1 training, 2 test.
    """

    lines: pl.DataFrame
    products: pl.DataFrame
    tested_from: date

    def baskets(self, *periods: int) -> Baskets:
        """The baskets of some periods; products that are unknown before the test are not in them."""
        lines = self.lines.filter(pl.col("period").is_in(periods)).drop_nulls("product")
        numbers = lines["basket"].rank("dense").cast(pl.Int64) - 1
        return Baskets.of(numbers.to_numpy(), lines["product"].to_numpy(), len(self.products))


def timeline(transactions: pl.DataFrame, max_basket_items: int) -> Timeline:
    """Split baskets by day, so that no day is in two periods.

    Args:
        transactions: rows of ``retail_baskets``.

    Raises:
        GraphError: too few days have purchases to make three periods.
    """
    kept = transactions.filter("kept").drop_nulls(["basket_id", "product_id", "purchased_on"])
    lines = kept.select("basket_id", "product_id", pl.col("purchased_on").min().over("basket_id")).unique()
    lines = lines.filter(pl.len().over("basket_id") <= max_basket_items)
    days = lines.unique("basket_id")["purchased_on"].sort()
    borders: list[date] = [days[int(share * len(days))] for share in (0, GRAPH_SHARE, HISTORY_SHARE) if len(days)]
    if len(set(borders)) < 3:
        raise GraphError(
            f"link prediction needs baskets of three periods, but the baskets are of {days.n_unique()} days;"
            " give transactions with dates over a longer time"
        )
    period = pl.sum_horizontal(*(pl.col("purchased_on") >= border for border in borders[1:])).cast(pl.Int64)
    lines = lines.with_columns(period=period)
    known = lines.filter(pl.col("period") < 2)["product_id"].unique().sort()
    products = known.to_frame().select(node_id=pl.int_range(pl.len(), dtype=pl.Int64), product_id="product_id")
    numbered = lines.join(products, on="product_id", how="left").select(
        "basket_id", "product_id", "period", "purchased_on", product="node_id"
    )
    basket = pl.col("basket_id").rank("dense").cast(pl.Int64)
    return Timeline(numbered.sort("basket_id", "product_id").with_columns(basket=basket), products, borders[2])


def link_prediction_study(
    transactions: pl.DataFrame,
    products: pl.DataFrame,
    options: GraphOptions,
    seeds: Sequence[int],
    config: LinkConfig,
    device: str = "cpu",
    progress: Callable[[str], None] = print,
) -> pl.DataFrame:
    """Rows of ``link_prediction_study``: each method on the same pairs of the test period.

    Raises:
        GraphError: the transactions do not make three periods, or the first has no edges.
    """
    time = timeline(transactions, options.max_basket_items)
    history, test = time.baskets(0, 1), time.baskets(2)
    pairs = test.drawn_pairs(QUERIES, np.random.default_rng(options.seed))
    repeated = _bought_together(history, pairs)
    features = _features(time, transactions, products, options)
    before, now = (_graph(time, periods, options) for periods in ((0,), (0, 1)))

    def trained(seed: int) -> Scores:
        chosen, following = replace(config, seed=seed), time.baskets(1)
        model = train_link_predictor(features, before, following, chosen, pick_device(device))
        return predictor_scores(model, features, now, history)

    rows: list[tuple[object, ...]] = []
    for method, scores_of, tried in (
        (POPULARITY, lambda _: popularity(history), seeds[:1]),
        (COSINE, lambda _: item_cosine(history), seeds[:1]),
        (GRAPH, trained, seeds),
    ):
        for seed in tried:
            ranks = target_ranks(scores_of(seed), pairs)
            for name, which in (("all", np.ones(len(pairs), bool)), ("repeated", repeated), ("new", ~repeated)):
                if which.any():
                    found = metrics(ranks, which)
                    rows.append(
                        (method, name, seed, int(which.sum()), *found.values(), len(time.products), time.tested_from)
                    )
            progress(
                f"{method}, seed {seed}: hit rate at 10 {metrics(ranks, repeated | ~repeated)['hit_rate_at_10']:.3f}"
            )
    return load_tables()["link_prediction_study"].frame(rows)


def _bought_together(history: Baskets, pairs: Pairs) -> NDArray[np.bool_]:
    """Whether a basket of the history has both products of each pair."""
    both = history.by_product[pairs[:, 0]].multiply(history.by_product[pairs[:, 1]])
    found: NDArray[np.bool_] = np.asarray(both.sum(axis=1)) > 0
    return found


def _graph(time: Timeline, periods: tuple[int, ...], options: GraphOptions) -> sparse.csr_array:
    """Adjacency of the co-purchase graph of some periods, made as the graph of the lake is."""
    lines = time.lines.filter(pl.col("period").is_in(periods)).select("basket_id", "product_id", kept=pl.lit(True))
    relation = duckdb.connect().from_arrow(lines.to_arrow())
    pairs = co_purchases(relation, options.min_baskets, options.max_basket_items)
    return adjacency(time.products, graph_edges(edges(pairs, options.construction), time.products))


def _features(
    time: Timeline, transactions: pl.DataFrame, products: pl.DataFrame, options: GraphOptions
) -> sparse.csr_array:
    """Features ``[products, F]`` from the time before the training pairs, each scaled to a mean square of 1.

    Department and category may describe a product here: they are not what is predicted.
    """
    before = time.lines.filter(pl.col("period") == 0)["basket_id"].unique()
    earlier = transactions.filter(pl.col("basket_id").is_in(before.implode()))
    named = node_features(time.products, products, earlier, "product_type", options.manufacturer)
    matrix = sparse.csr_array(feature_matrix(time.products, named)[0])
    size = np.sqrt(np.asarray(matrix.multiply(matrix).mean(axis=0)))
    scale = np.divide(1, size, out=np.zeros_like(size), where=size > 0)
    # Rare features would otherwise be large; a value counts for at most what it is in a tenth of the products.
    return sparse.csr_array(matrix * np.minimum(scale, 10.0)[None, :]).astype(np.float32)


def figure(study: pl.DataFrame) -> Figure:
    """A panel per metric: a group of bars per kind of pairs, one bar per method; lines show the seeds' range."""
    drawn = Figure(figsize=(12, 3.6), dpi=80, layout="constrained")
    names = ("hit_rate_at_10", "hit_rate_at_50", "mrr")
    kinds = study["pairs"].unique(maintain_order=True).to_list()
    methods = study["method"].unique(maintain_order=True).to_list()
    for axes, name in zip(drawn.subplots(1, len(names)), names, strict=True):
        for place, method in enumerate(methods):
            rows = study.filter(pl.col("method") == method)
            of_kind = rows.group_by("pairs").agg(pl.col(name).mean(), low=pl.col(name).min(), high=pl.col(name).max())
            found = {kind: values for kind, *values in of_kind.iter_rows()}
            at = [kinds.index(kind) + place * 0.27 for kind in found]
            means = [mean for mean, _, _ in found.values()]
            spread = [[max(m - low, 0) for m, low, _ in found.values()], [max(h - m, 0) for m, _, h in found.values()]]
            axes.bar(at, means, 0.25, yerr=spread, label=method)
        axes.set_xticks([number + 0.27 for number in range(len(kinds))], [f"{kind} pairs" for kind in kinds])
        axes.set_title(name.replace("_", " "))
        axes.grid(alpha=0.3, axis="y")
    drawn.legend(*drawn.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return drawn
