"""Tensors that say they are on a GPU and are computed on the CPU: validation and search run on a machine without a GPU.

Unlike fake tensors, these have data, so that code which reads its results runs to its end. As on a GPU, an operator
with tensors of two devices is an error, and so is reading a tensor as a NumPy array.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from ml.hero.attention import Packing, attend

GPU = torch.device("cuda", 0)
aten = torch.ops.aten
MIXING = {aten.copy_.default, aten.index.Tensor, aten.index_put.default, aten.index_put_.default}
"""Operators that accept tensors of two devices."""
READS = {"item", "tolist", "equal", "is_nonzero", "__float__", "__int__", "__bool__", "__index__"}
"""Functions whose result is a value of the host."""


class OnGpu(Tensor):
    """A tensor of a GPU that does not exist; ``held`` has its data."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnGpu:
        made: OnGpu = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            held.size(),
            strides=held.stride() if held.layout == torch.strided else None,
            dtype=held.dtype,
            device="cpu",  # as torch's own code sees it, which would look for a driver
        )
        made.held = held
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return GPU

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in MIXING:
            _require_one_device(func, (args, kwargs))
        if func is aten._efficient_attention_forward.default:
            return _attention(*_held(args))
        found = func(*_held(args), **_held(kwargs or {}))
        if func._schema.is_mutable:
            return args[0]
        return on_gpu(found)


def _require_one_device(func: Any, values: Any) -> None:
    given = [each for each in tree_leaves(values) if isinstance(each, Tensor) and each.dim()]
    if len({type(each) is OnGpu for each in given}) > 1:
        raise RuntimeError(f"{func}: tensors on {GPU} and on the CPU")


def _held(values: Any) -> Any:
    return tree_map(lambda each: each.held if isinstance(each, OnGpu) else each, values)


def on_gpu(values: Any) -> Any:
    """Tensors of the CPU, in any nesting, as tensors of the GPU."""
    return tree_map(lambda each: OnGpu(each) if isinstance(each, Tensor) and type(each) is not OnGpu else each, values)


def _attention(queries: Tensor, keys: Tensor, values: Tensor, bias: None, ends: Tensor, *rest: Any) -> Any:
    """The kernel of ``ml.hero.attention``, by its form for the CPU."""
    projected = torch.stack([queries[0], keys[0], values[0]], 1)
    lengths = ends.diff().long()
    attended = attend(projected, Packing(lengths, int(lengths.max())), 0.0)
    none = OnGpu(torch.zeros(0))
    return OnGpu(attended.unflatten(1, queries.shape[2:])[None]), none, none, none, 0, 0


class _Moves(TorchFunctionMode):
    """Moves tensors between the CPU and the GPU, and makes them where the code asks for."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        first = args[0] if args else None
        if name in READS:
            return func(*_held(args), **kwargs)
        if name in ("numpy", "__array__") and isinstance(first, OnGpu):
            raise TypeError("a tensor of a GPU has no NumPy array")
        if name == "cpu":
            return _held(first)
        places = [each for each in (*args[1:], kwargs.get("device")) if isinstance(each, torch.device | str)]
        if name == "to" and places:
            kwargs.pop("device", None)
            rest = [each for each in args[1:] if not isinstance(each, torch.device | str)]
            moved = _held(first) if torch.device(places[0]).type == "cpu" else on_gpu(first)
            return func(moved, *rest, **kwargs) if rest or kwargs.keys() - {"non_blocking"} else moved
        made = "device" in kwargs and torch.device(kwargs["device"] or "cpu").type == "cuda"
        like = isinstance(first, OnGpu) and name.startswith("new_") and "device" not in kwargs
        whole = isinstance(first, OnGpu) and name == "embedding_bag"  # it makes tensors within
        if made or like or whole or (name == "sparse_csr_tensor" and isinstance(args[2], OnGpu)):
            _require_one_device(func, (args, kwargs))
            kwargs.pop("device", None)
            return on_gpu(func(*_held(args), **_held(kwargs)))
        return func(*args, **kwargs)


@contextmanager
def pretended_gpu(*modules: nn.Module) -> Iterator[None]:
    """In this context there is a GPU, and these modules are on it."""
    for module in modules:
        for each in module.modules():
            for name, parameter in each._parameters.items():
                if parameter is not None:
                    each._parameters[name] = nn.Parameter(on_gpu(parameter.detach()), parameter.requires_grad)
            for name, buffer in each._buffers.items():
                each._buffers[name] = on_gpu(buffer)
    # Inference mode would need its own kind of wrapped tensor; what it saves does not matter here.
    with mock.patch.object(torch._C, "_InferenceMode", lambda mode: torch.no_grad()), _Moves():
        yield
