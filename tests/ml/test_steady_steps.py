"""Steps of every training: they read nothing from the device, mix no devices, and compile once for all batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from ml.cluster_gcn import propagation
from ml.cluster_gcn.resident import ClusterSizes, ResidentGraph
from ml.distributed import gather
from ml.harness import Runtime, Trainer, _Training
from ml.hero.attention import Encoder, attend
from ml.hero.batch import packing_of
from ml.loading import mapped
from tests.ml.cluster_gcn.graphs import planted_communities
from tests.training import TRAININGS, embedding_task, step_of, training, without_dropout

aten = torch.ops.aten
READS = {
    aten._local_scalar_dense.default,
    aten.is_nonzero.default,
    aten.equal.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten._unique2.default,
    aten.unique_dim.default,
    aten.unique_consecutive.default,
    aten.bincount.default,
}
"""Operators for whose result the host waits until a GPU has finished its work."""
MASKED = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._unsafe_index.Tensor}


class Reads(TorchDispatchMode):
    """The operators that read from the device: results of unknown size, and tensors as numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        by_mask = func in MASKED and any(each is not None and each.dtype == torch.bool for each in args[1])
        counted = func is aten.repeat_interleave.Tensor and not (kwargs or {}).get("output_size")
        if func in READS or by_mask or counted:
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


def test_reads_are_counted() -> None:
    mask = torch.tensor([True, False])
    with Reads() as reads:
        assert float(torch.ones(1)) == len(torch.ones(2)[mask]) == len(mask.nonzero()) == 1
        assert len(torch.repeat_interleave(torch.tensor([1, 2]))) == 3
    assert len(reads.found) == 4


@pytest.mark.parametrize("name", TRAININGS)
def test_a_step_reads_nothing_from_the_device(name: str, tmp_path: Path) -> None:
    run = _Training(training(name, tmp_path), Trainer(Runtime(device="cpu")))
    for step in range(2):  # the optimiser makes its state in the first step
        parts = run.task.batches(step, 0, 1)
        with Reads() as reads:
            run._step(step, parts)
    assert reads.found == []


def test_a_batch_that_is_cut_on_the_device_has_the_same_loss_and_reads_nothing(tmp_path: Path) -> None:
    task, graph = training("Cluster-GCN", tmp_path), planted_communities()
    without_dropout(task.network)
    expected = {name: float(loss) for name, loss in step_of(task).items()}
    sizes = ClusterSizes(graph.adjacency, graph.clusters)
    task.batches = replace(task.batches, resident=sizes)  # type: ignore[attr-defined, type-var]
    task.network.edges = ResidentGraph(sizes, "self_loops", 0.0)
    part = task.batches(0, 0, 1)[0]
    with Reads() as reads:
        task.network(part)
    assert reads.found == []
    assert {name: float(loss) for name, loss in step_of(task).items()} == pytest.approx(expected, rel=1e-5)


def moved(module: nn.Module, move: Callable[[Tensor], Tensor]) -> None:
    """Replace the parameters and buffers of a module by others, of another kind of tensor."""
    for each in module.modules():
        for name, parameter in each._parameters.items():
            if parameter is not None:
                each._parameters[name] = nn.Parameter(move(parameter.detach()))
        for name, buffer in each._buffers.items():
            each._buffers[name] = None if buffer is None else move(buffer)


@pytest.mark.parametrize("name", TRAININGS)
def test_a_step_on_a_gpu_mixes_no_devices(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake tensors have a device and a shape and no data; operators on two devices raise an error."""
    # Without a driver torch makes no sparse tensor on a fake GPU; a dense one has the same device and shape.
    monkeypatch.setattr(propagation, "csr_of", lambda starts, columns, values, shape: values.new_zeros(shape))
    task = training(name, tmp_path)
    parts = task.batches(0, 0, 1)
    mode = FakeTensorMode()

    def on_gpu(tensor: Tensor) -> Tensor:
        fake = mode.from_tensor(tensor)
        with mode:
            return fake.to("cuda")

    moved(task.network, on_gpu)
    if getattr(task, "weights", None) is not None:
        task.weights = on_gpu(task.weights)  # type: ignore[attr-defined]
    part = mapped(parts[0], on_gpu)
    with mode:
        losses = task.losses(task.network(part), 0, gather)
    assert {loss.device.type for loss in losses.values()} == {"cuda"}


@pytest.mark.parametrize("name", [name for name in TRAININGS if "GCN" not in name])  # meta has no sparse products
def test_a_gradient_needs_no_data_on_the_host(name: str, tmp_path: Path) -> None:
    task = training(name, tmp_path)
    parts = mapped(task.batches(0, 0, 1), lambda tensor: tensor.to("meta"))
    moved(task.network, lambda tensor: tensor.to("meta"))
    task.losses(task.network(parts[0]), 0, gather)["loss"].backward()
    gradients = [each.grad for each in task.network.parameters() if each.grad is not None]
    assert gradients and all(gradient.device.type == "meta" for gradient in gradients)


def test_the_joint_embedding_compiles_once_for_fifty_batches() -> None:
    task = embedding_task()
    counter = CompileCounterWithBackend("eager")
    compiled = torch.compile(task.network, backend=counter, dynamic=True, fullgraph=True)  # a break is an error
    for step in range(50):
        (part,) = task.batches(step, 0, 1)
        rows, expected = compiled(part), task.network(part)
        torch.testing.assert_close(rows["text"], expected["text"])
    assert counter.frame_count == 1


def test_layers_of_hero_compile_once_for_fifty_batches() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)
    encoder = Encoder(2, 16, 2, dropout=0.0)
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(encoder, backend=counter, dynamic=True, fullgraph=True)
    for step in range(50):
        lengths = torch.randint(1, 30, (3 + step % 17,)).sort().values
        packing = packing_of(lengths.numpy())
        stream = torch.randn(int(lengths.sum()), 16)
        gradients = []
        for encode in (compiled, encoder):
            encoder.zero_grad()
            encode(stream, packing).square().sum().backward()
            gradients.append([each.grad.clone() for each in encoder.parameters() if each.grad is not None])
        torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-3)
    assert counter.frame_count <= 2


def test_the_operator_of_compiled_attention_has_the_gradient_of_its_dropout() -> None:
    torch.manual_seed(0)
    projected = torch.randn(14, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    lengths, seed = torch.tensor([2, 4, 4, 4]), torch.tensor([7])

    def attention(projected: Tensor, dropout: float = 0.3) -> Tensor:
        return torch.ops.howto.attention_by_length(projected, lengths, seed, dropout)

    torch.testing.assert_close(attention(projected, 0.0), attend(projected, packing_of(lengths.numpy()), 0.0))
    assert not torch.equal(attention(projected), attention(projected, 0.0))
    assert torch.autograd.gradcheck(attention, projected)
