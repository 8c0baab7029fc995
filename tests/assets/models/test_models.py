"""What pages show of models: four significant digits, and the size of a model folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from assets.models.folder import model_size
from assets.models.metrics import format_metrics, rounded


def test_pages_show_four_digits_and_whole_numbers_in_full() -> None:
    shown = rounded({"recall": 1 / 3, "queries": 123456.0, "loss": 1e-7 / 3, "unknown": None, "indexed": True})
    assert shown == {"recall": 0.3333, "queries": 123456, "loss": 3.333e-08, "indexed": True}
    assert [type(shown[name]) for name in ("recall", "queries", "indexed")] == [float, int, bool]
    assert format_metrics({"loss": 2 / 3, "epoch": 2}) == "loss 0.6667, epoch 2"


def test_the_size_of_a_model_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": np.zeros((3, 4), np.float32), "bias": np.zeros((), np.float16)}, path)
    assert model_size(tmp_path) == (13, path.stat().st_size)
