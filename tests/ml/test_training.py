"""Model folders are whole at every moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ml.training import pick_device, read_model_folder, seed_everything, write_model_folder


def write(path: Path, value: float) -> None:
    state = {"weight": torch.full((2, 3), value).T}  # not contiguous
    write_model_folder(path, state, {"dim": 3}, {"R@1": value}, [{"epoch": 1}, {"epoch": 2}], {"snapshot": 7})


def test_a_model_is_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "models" / "joint_embedding"
    with pytest.raises(FileNotFoundError, match="train it first"):
        read_model_folder(path)
    write(path, 1.0)
    write(path, 2.0)
    model = read_model_folder(path)
    assert torch.equal(model.state["weight"], torch.full((3, 2), 2.0))
    assert (model.config, model.metrics, model.inputs) == ({"dim": 3}, {"R@1": 2.0}, {"snapshot": 7})
    assert model.history == [{"epoch": 1}, {"epoch": 2}]
    assert [each.name for each in path.parent.iterdir()] == ["joint_embedding"]


def test_an_interruption_at_any_rename_leaves_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, rename = tmp_path / "model", Path.rename
    write(path, 1.0)
    for survives in range(2):

        def dies(self: Path, target: Path, left: list[int] = [survives]) -> Path:  # noqa: B006
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", dies)
        with pytest.raises(KeyboardInterrupt):
            write(path, 2.0)
        monkeypatch.setattr(Path, "rename", rename)
        assert read_model_folder(path).metrics == {"R@1": 1.0}
    write(path, 3.0)
    assert read_model_folder(path).metrics == {"R@1": 3.0}
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


def test_a_seed_starts_all_generators() -> None:
    def draw() -> tuple[float, float]:
        seed_everything(5)
        return float(np.random.rand()), float(torch.rand(1))

    assert draw() == draw()


def test_devices() -> None:
    assert pick_device("auto").type in ("cpu", "cuda", "mps")
    assert pick_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="device 'tpu': not on this machine; available are cpu"):
        pick_device("tpu")


@pytest.mark.parametrize("name", ["config.json", "metrics.json", "inputs.json", "training.jsonl", "model.safetensors"])
def test_a_damaged_file_of_a_model_is_named(tmp_path: Path, name: str) -> None:
    write_model_folder(tmp_path / "model", {"w": torch.ones(2)}, {"a": 1}, {"b": 2.0}, [{"epoch": 1}], {})
    (tmp_path / "model" / name).write_bytes(b'{"cut": [1, 2')
    with pytest.raises(ValueError, match=rf"model/{name}\b"):
        read_model_folder(tmp_path / "model")
