"""Files of weights: proven, fetched once, read without running what is in them, and refused by name."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ml.vision.presets import Weights
from ml.vision.registry import load_backbone
from ml.vision.weights import WeightsError, load_parameters, read_weights

PUBLISHED = Weights("https://example.org/net.pth")


def small_network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def state() -> dict[str, Tensor]:
    return small_network().state_dict()


@pytest.fixture
def file(tmp_path: Path, state: dict[str, Tensor]) -> Path:
    torch.save(state, tmp_path / "net.pth")
    return tmp_path / "net.pth"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves files of a folder, says they are longer by ``missing`` bytes, and counts requests."""

    folder: Path
    missing = 0
    requests = 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        path = self.server.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) + self.server.missing))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not news."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "cache"))
    with Server(("127.0.0.1", 0), Handler) as running:
        running.folder = tmp_path
        Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


def test_a_path_with_or_without_its_sha256(file: Path, state: dict[str, Tensor]) -> None:
    for expected in (None, sha256(file), sha256(file)[:8].upper()):
        read, digest = read_weights("net", Weights(str(file), expected), PUBLISHED)
        assert same(read, state) and digest == sha256(file)


def test_an_address_is_fetched_once(server: Server, file: Path, state: dict[str, Tensor], tmp_path: Path) -> None:
    weights = Weights(f"http://127.0.0.1:{server.server_port}/net.pth", sha256(file))
    for _ in range(2):
        assert same(read_weights("net", weights, PUBLISHED)[0], state)
    assert server.requests == 1
    (kept,) = (tmp_path / "cache" / "checkpoints").iterdir()
    assert kept.name == f"net-{sha256(file)[:8]}.pth"


def test_a_failed_download_leaves_nothing(server: Server, file: Path, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(
        WeightsError, match=r"net: .*none.pth cannot be fetched \(HTTP Error 404: Not Found\); download"
    ):
        read_weights("net", Weights(f"{address}/none.pth", "0" * 64), PUBLISHED)
    with pytest.raises(WeightsError, match=f"net: .*net.pth has SHA-256 {sha256(file)}, expected {'0' * 64}"):
        read_weights("net", Weights(f"{address}/net.pth", "0" * 64), PUBLISHED)
    server.missing = 10
    size = file.stat().st_size
    with pytest.raises(WeightsError, match=f"ended after {size} of {size + 10} bytes; try again"):
        read_weights("net", Weights(f"{address}/net.pth", sha256(file)), PUBLISHED)
    assert not list((tmp_path / "cache" / "checkpoints").iterdir())


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (None, "no weights given; published at https://example.org/net.pth, whose SHA-256 is not known here"),
        (Weights("missing.pth"), r"no file missing.pth; get it from https://example.org/net.pth \(its SHA-256: not"),
        (Weights("https://example.org/net.pth"), "weights from an address need a SHA-256: https://example.org/net.pth"),
        (Weights("net.pth", "nonsense"), "'nonsense' is not a SHA-256"),
    ],
)
def test_errors_of_missing_weights_name_their_source(weights: Weights | None, reason: str) -> None:
    with pytest.raises(WeightsError, match=f"^net: {reason}"):
        read_weights("net", weights, PUBLISHED)


def test_no_network_runs_without_weights() -> None:
    """Networks whose file has no known SHA-256 name the address; none starts with random numbers."""
    for name in ("resnext101_3d", "slowfast_r50_1.5s", "s3d"):
        with pytest.raises(WeightsError, match=f"^{name}: no weights given; published at https://.*SHA-256"):
            load_backbone(name)


def test_another_sha256_is_an_error(file: Path) -> None:
    with pytest.raises(
        WeightsError, match=rf"net: .*net.pth has SHA-256 {sha256(file)}, expected 1234567890; remove it"
    ):
        read_weights("net", Weights(str(file), "1234567890"), PUBLISHED)


def test_parameters_are_found_in_wrappers_of_training_programs(tmp_path: Path, state: dict[str, Tensor]) -> None:
    """The Kinetics trainer, PySlowFast, safetensors, and Caffe2's pickles of arrays."""
    prefixed = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"epoch": 3, "arch": "net", "state_dict": prefixed}, tmp_path / "kinetics.pth")
    torch.save({"model_state": state, "cfg": "MODEL: {}"}, tmp_path / "pyslowfast.pyth")
    save_file(state, tmp_path / "net.safetensors")
    blobs = {name: tensor.numpy() for name, tensor in state.items()}
    (tmp_path / "python2.pkl").write_bytes(pickle.dumps({"blobs": blobs, "cfg": "text"}, protocol=2))
    (tmp_path / "python3.pkl").write_bytes(pickle.dumps({"blobs": blobs}, protocol=4))
    assert same(read_weights("net", Weights(str(tmp_path / "kinetics.pth")), PUBLISHED)[0], prefixed)
    for name in ("pyslowfast.pyth", "net.safetensors", "python2.pkl", "python3.pkl"):
        assert same(read_weights("net", Weights(str(tmp_path / name)), PUBLISHED)[0], state)
    network = small_network()
    load_parameters("net", network, prefixed)
    assert same(network.state_dict(), state) and not network.training


class Touch:
    """Unpickled without care, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("suffix", ["pth", "pkl", "safetensors"])
def test_files_that_run_code_or_are_damaged_are_errors(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"net.{suffix}"
    code = pickle.dumps({"blobs": {"w": Touch(tmp_path / "touched")}}, protocol=2)
    for content in (code, b"not weights", b"", pickle.dumps([1, 2], protocol=2)):
        file.write_bytes(content)
        with pytest.raises(WeightsError, match=f"net: {file} cannot be read as weights"):
            read_weights("net", Weights(str(file)), PUBLISHED)
    assert not (tmp_path / "touched").exists()
    pickle.loads(code)
    assert (tmp_path / "touched").exists()


def test_weights_of_another_network_are_an_error(state: dict[str, Tensor]) -> None:
    wrong = {**state, "0.weight": torch.zeros(4, 3, 2, 2), "fc.weight": torch.zeros(1), "text.bias": torch.zeros(1)}
    del wrong["1.running_var"]
    del wrong["1.num_batches_tracked"]
    with pytest.raises(WeightsError) as refused:
        load_parameters("net", small_network(), wrong, unused=("fc.",))
    assert str(refused.value) == (
        "net: these are weights of another network or layout: missing 1.running_var; unexpected text.bias; "
        "shape of 0.weight (4, 3, 2, 2) instead of (4, 3, 1, 1)"
    )
    with pytest.raises(WeightsError, match=r"missing 0.weight, 0.bias, 1.weight, 1.bias, 1.running_mean and 1 more"):
        load_parameters("net", small_network(), {})


def test_arrays_of_all_kinds_become_tensors(tmp_path: Path) -> None:
    blobs = {"w": np.arange(4, dtype=np.float32), "lr": np.float32(0.5)}
    (tmp_path / "net.pkl").write_bytes(pickle.dumps({"blobs": blobs}, protocol=2))
    read, _ = read_weights("net", Weights(str(tmp_path / "net.pkl")), PUBLISHED)
    assert read["w"].tolist() == [0, 1, 2, 3] and read["lr"].item() == 0.5
