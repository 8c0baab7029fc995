"""Small inputs for tests: settings of a small synthetic lake, and transactions with a known structure."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl

from orchestration.settings import Settings, load_settings

DEPARTMENTS = ("GROCERY", "PRODUCE", "DRUG")


def write_transactions(folder: Path, products_each: int = 40, baskets: int = 900, seed: int = 0) -> dict[str, Path]:
    """Write transactions in which products of one department are bought together, and the table of products."""
    rng = np.random.default_rng(seed)
    product_ids = [f"p{i:03d}" for i in range(products_each * len(DEPARTMENTS))]
    lines = []
    for basket in range(baskets):
        department = basket % len(DEPARTMENTS)
        own = rng.choice(products_each, size=5, replace=False) + department * products_each
        other = rng.choice(len(product_ids), size=1)
        lines.extend((f"b{basket}", product_ids[i], f"h{basket % 50}", "s1", 1, 2.5) for i in {*own, *other})
    columns = ["basket_id", "product_id", "household_id", "store_id", "quantity", "sales_value"]
    transactions = pl.DataFrame(lines, schema=columns, orient="row")
    transactions = transactions.with_columns(transaction_timestamp=pl.lit("2026-03-04 10:00:00"))
    products = pl.DataFrame(
        {
            "product_id": product_ids,
            "manufacturer_id": [f"m{i % 7}" for i in range(len(product_ids))],
            "department": [DEPARTMENTS[i // products_each] for i in range(len(product_ids))],
            "brand": ["National" if i % 3 else "Private" for i in range(len(product_ids))],
            "product_category": ["c"] * len(product_ids),
            "product_type": ["t"] * len(product_ids),
            "package_size": [f"{i % 5} OZ" for i in range(len(product_ids))],
        }
    )
    paths = {"transactions": folder / "transactions.csv", "products": folder / "products.parquet"}
    transactions.write_csv(paths["transactions"])
    products.write_parquet(paths["products"])
    return paths


def instance_in(folder: Path) -> dg.DagsterInstance:
    """A Dagster instance whose records are in a folder, as those of a lake are. It captures no logs."""
    nothing = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
    records = {"module": "orchestration.records", "class": "Records", "config": {"base_dir": str(folder)}}
    overrides = {"compute_logs": nothing, "storage": {"custom": records}}
    return dg.DagsterInstance.local_temp(str(folder), overrides=overrides)


def small_settings(root: Path, /, **overrides: object) -> Settings:
    """Settings of a lake that takes seconds to make: six synthetic tasks of two videos each, small models.

    Transactions are written into ``root``, unless they are given.
    """
    root.mkdir(parents=True, exist_ok=True)
    values: dict[str, object] = {
        "lake": root / "lake",
        "synthetic_tasks": 6,
        "synthetic_videos_per_task": 2,
        "shards": 2,
        "embedding_dim": 32,
        "word_dim": 50,
        "embedding_epochs": 3,
        "embedding_videos_per_batch": 4,
        "embedding_pairs_per_video": 4,
        "hero_steps": 8,
        "hero_batch": 4,
        "hero_fine_tuning_steps": 4,
        "gcn_clusters": 4,
        "gcn_clusters_per_batch": 2,
        "gcn_hidden_dim": 16,
        "gcn_epochs": 10,
        **({} if "transactions" in overrides else write_transactions(root)),
        **overrides,
    }
    return load_settings(**values)
