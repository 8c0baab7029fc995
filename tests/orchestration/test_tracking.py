"""Trained models as runs of MLflow: its own database, and its own server on this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import torch

from assets.models.folder import model_version
from ml.training import write_model_folder
from orchestration.tracking import MlflowClient, TrackingError, log_models

INPUTS = {
    "lake_snapshot": 57,
    "code_version": "3-37eacec4",
    "run_id": "70c5fc1e",
    "arrays": {"pairs/shard-0000": 2},
    "settings": {"HOWTO_SEED": "7"},
    "models": {"word_vectors": {"version": "abc", "inputs": {"lake_snapshot": 57}}},
}


def write_model(root: Path, weight: float = 1.0) -> Path:
    config = {
        "model": {"dim": 8, "norm ä": None},
        "words": [f"word{number}" for number in range(2000)],
        "classes": ["a"],
    }
    epochs = [{"epoch": step, "loss": 1 / step, "R@1": 0.1, "note": "text"} for step in range(1, 1200)]
    metrics = {"epoch": 1199, "validation_R@10": 0.5, "diverged": float("inf")}
    write_model_folder(root / "joint_embedding", {"w": torch.full((3,), weight)}, config, metrics, epochs, INPUTS)
    return root


def check_that_runs_are_complete(address: str, root: Path, files: Path) -> None:
    logged = dict(log_models(address, "lake ä", root, root.parent, ["joint_embedding"]))
    assert dict(log_models(address, "lake ä", root, root.parent, ["joint_embedding"])) == {"joint_embedding": None}
    client = MlflowClient(tracking_uri=address)
    run = client.get_run(str(logged["joint_embedding"]))
    assert run.info.status == "FINISHED"
    assert run.data.tags["howto.snapshot"] == "57" and run.data.tags["howto.input.word_vectors"] == "abc"
    assert run.data.tags["howto.version"] == model_version(root / "joint_embedding")
    params = {"model.dim": "8", "model.norm _": "null", "classes": '["a"]', "HOWTO_SEED": "7"}
    assert run.data.params == params, "lists that are longer than a parameter may be are only in the file"
    assert run.data.metrics["validation_R_10"] == 0.5 and "diverged" not in run.data.metrics
    assert len(client.get_metric_history(run.info.run_id, "training.loss")) == 1199
    assert run.inputs.dataset_inputs[0].dataset.digest == "57"
    names = {each.path for each in client.list_artifacts(run.info.run_id)}
    assert names == {"config.json", "inputs.json", "metrics.json", "model.safetensors", "training.jsonl"}
    fetched = Path(client.download_artifacts(run.info.run_id, "model.safetensors", str(files)))
    assert fetched.read_bytes() == (root / "joint_embedding" / "model.safetensors").read_bytes()


def test_a_database_has_each_version_of_a_model_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, address = write_model(tmp_path / "models"), f"sqlite:///{tmp_path}/mlflow.db"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with monkeypatch.context() as broken, pytest.raises(TrackingError, match="disk is full"):
        broken.setattr(MlflowClient, "log_artifact", refuse)
        list(log_models(address, "lake ä", root, tmp_path, ["joint_embedding"]))
    check_that_runs_are_complete(address, root, tmp_path / "elsewhere")
    write_model(root, weight=2.0)
    (second,) = log_models(address, "lake ä", root, tmp_path, ["joint_embedding"])
    assert second[1] is not None
    assert not (tmp_path / "elsewhere" / "mlruns").exists()


def refuse(*_: object) -> None:
    raise OSError("disk is full")


def test_an_address_that_cannot_be_used_is_explained_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database")
    for address, reason in (
        ("postgresql://me:hunter2hunter2@host/db", "must begin with http://, https:// or sqlite:///"),
        (f"sqlite:///{tmp_path}/text", "file is not a database"),
        (f"http://me:hunter2hunter2@127.0.0.1:{free_port()}", "refused"),
    ):
        with pytest.raises(TrackingError, match=reason) as refused:
            list(log_models(address, "lake", tmp_path, tmp_path, ["joint_embedding"]))
        assert "hunter2" not in str(refused.value)


def free_port() -> int:
    with socket.socket() as open_socket:
        open_socket.bind(("127.0.0.1", 0))
        return int(open_socket.getsockname()[1])


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """MLflow's own server, which keeps files itself."""
    address = f"http://127.0.0.1:{free_port()}"
    port = address.rpartition(":")[2]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder / "kept")]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(240):
                try:
                    if httpx.get(f"{address}/health").is_success:
                        break
                except httpx.TransportError:
                    time.sleep(0.5)
            yield address
        finally:
            server.terminate()


@pytest.mark.campaign
def test_a_server_has_each_version_of_a_model_once(tmp_path: Path) -> None:
    with mlflow_server(tmp_path) as address:
        check_that_runs_are_complete(address, write_model(tmp_path / "models"), tmp_path)
        assert list((tmp_path / "kept").rglob("model.safetensors"))
