"""The schema checks: what breaks a contract is named and counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import save_file

from assets.lake import Lake, load_tables
from assets.models.folder import MODEL_FILES
from orchestration.checks import broken_model_rules, broken_rules


def test_rows_that_break_a_contract_are_counted_by_rule(lake: Lake) -> None:
    edges = pl.DataFrame({"node_a": [0, 0, 5], "node_b": [1, 1, 2], "weight": [0.5, 0.5, 0.1]})
    lake.write("graph_edges", edges)
    assert broken_rules(lake, load_tables()["graph_edges"], None) == {
        "(node_a, node_b) is unique": 1,
        "(node_a < node_b)": 1,
    }
    lake.write("graph_edges", edges.head(1))
    assert broken_rules(lake, load_tables()["graph_edges"], None) == {}


def test_a_model_with_a_file_missing_or_nan_is_refused(tmp_path: Path) -> None:
    assert broken_model_rules(tmp_path) == {f"{name} is there": 1 for name in MODEL_FILES}
    for name in MODEL_FILES:
        (tmp_path / name).touch()
    save_file({"weight": np.array([1.0, np.nan], np.float32)}, tmp_path / "model.safetensors")
    assert broken_model_rules(tmp_path) == {"parameters are finite": 1}
