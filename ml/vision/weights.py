"""Files of trained parameters: located or downloaded, verified by SHA-256, read without running code, matched by name.

See ``ml.vision.published`` for the networks that use them.
"""

from __future__ import annotations

import http.client
import pickle
import re
import shutil
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ml.files import file_hash, whole_file
from ml.vision.presets import Weights

TIMEOUT_S = 60.0
CHUNK = 1 << 20
NAMES_SHOWN = 5
_WRAPPERS = ("state_dict", "model_state", "blobs")
"""Keys of the parameters in files of training programs: Kinetics and MIL-NCE trainers, PySlowFast, Caffe2."""


class WeightsError(ValueError):
    """The weights of a network are not usable; the message names the network, the reason and what to do."""


def read_weights(network: str, weights: Weights | None, published: Weights) -> tuple[dict[str, Tensor], str]:
    """Parameters by name, and the SHA-256 of their file.

    Args:
        network: its name, for messages.
        weights: the file to use; None for the published one, if its SHA-256 is known.
        published: where the file is published.

    Raises:
        WeightsError: the file is missing, cannot be downloaded or read, or has another SHA-256.
    """
    if weights is None and published.sha256 is None:
        raise WeightsError(
            f"{network}: no weights given; published at {published.source}, whose SHA-256 is not known here. "
            "Give the path of that file, or its address with its SHA-256"
        )
    path, digest = _proven(network, weights or published, published)
    try:
        return _parameters(path), digest
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise WeightsError(f"{network}: {path} cannot be read as weights: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """One line; of torch's long one, which recommends to run the file's code, only what it amounts to."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is not a file of tensors alone"
    return str(error).partition("\n")[0]


def load_parameters(network: str, module: nn.Module, state: Mapping[str, Tensor], unused: Sequence[str] = ()) -> None:
    """Load a module's parameters by name; afterwards it is frozen and in evaluation mode.

    Args:
        network: its name, for messages.
        module: network whose every parameter and running statistic must be in ``state``.
        state: parameters by name. A prefix ``module.`` of every name, as from parallel training, is dropped.
        unused: prefixes of names in the file that the module does not need, such as a classifier's.

    Raises:
        WeightsError: names are missing or unexpected, or shapes differ; the message names them.
    """
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    wanted = {name: tensor for name, tensor in module.state_dict().items() if not _is_counter(name)}
    given = {name: tensor for name, tensor in state.items() if name in wanted or not _is_counter(name)}
    unexpected = [name for name in given if name not in wanted and not name.startswith(tuple(unused))]
    shapes = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in given and given[name].shape != tensor.shape
    ]
    problems = {"missing": [name for name in wanted if name not in given], "unexpected": unexpected, "shape of": shapes}
    if any(problems.values()):
        text = "; ".join(f"{kind} {_some(names)}" for kind, names in problems.items() if names)
        raise WeightsError(f"{network}: these are weights of another network or layout: {text}")
    module.load_state_dict({name: given[name] for name in wanted}, strict=False)
    module.requires_grad_(False).eval()


def _is_counter(name: str) -> bool:
    """Whether it is a batch counter of batch normalisation, which evaluation does not use and old checkpoints lack."""
    return name.endswith("num_batches_tracked")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _proven(network: str, weights: Weights, published: Weights) -> tuple[Path, str]:
    """The file, verified by the expected SHA-256, and its full SHA-256."""
    expected = None if weights.sha256 is None else weights.sha256.lower()
    if expected is not None and not re.fullmatch("[0-9a-f]{8,64}", expected):
        raise WeightsError(f"{network}: {weights.sha256!r} is not a SHA-256 nor its first 8 or more digits")
    if re.match("https?://", weights.source):
        if expected is None:
            raise WeightsError(f"{network}: weights from an address need a SHA-256: {weights.source}")
        path = _fetched(network, weights.source, expected)
    else:
        path = Path(weights.source).expanduser()
    if not path.is_file():
        known = "not known here" if published.sha256 is None else f"begins with {published.sha256}"
        raise WeightsError(
            f"{network}: no file {path}; get it from {published.source} (its SHA-256: {known}) or correct the path"
        )
    digest = file_hash(path)
    if expected is not None and not digest.startswith(expected):
        raise WeightsError(
            f"{network}: {path} has SHA-256 {digest}, expected {expected}; remove it or correct the hash"
        )
    return path, digest


def _fetched(network: str, address: str, expected: str) -> Path:
    """The file in torch's cache, downloaded to another name first, so that files in the cache are complete."""
    name = Path(address.split("?")[0])
    marked = name.name if expected[:8] in name.name else f"{name.stem}-{expected[:8]}{name.suffix}"
    path = Path(torch.hub.get_dir()) / "checkpoints" / marked
    if path.is_file():
        return path
    try:
        with whole_file(path) as partial:
            with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer, partial.open("wb") as file:
                shutil.copyfileobj(answer, file, CHUNK)
                length = answer.headers["Content-Length"]
                if length is not None and file.tell() != int(length):
                    raise WeightsError(f"{network}: {address} ended after {file.tell()} of {length} bytes; try again")
            digest = file_hash(partial)
            if not digest.startswith(expected):
                raise WeightsError(f"{network}: {address} has SHA-256 {digest}, expected {expected}")
    except (OSError, http.client.HTTPException) as error:
        raise WeightsError(
            f"{network}: {address} cannot be fetched ({error}); download it elsewhere and give its path"
        ) from error
    return path


def _parameters(path: Path) -> dict[str, Tensor]:
    """Tensors by name, without the wrappers of training programs."""
    if path.suffix == ".safetensors":
        return dict(load_file(path))
    if path.suffix == ".pkl":
        with path.open("rb") as file:
            content = _ArrayUnpickler(file, encoding="latin1").load()
    else:
        content = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__} instead of parameters by name")
    arrays = (np.ndarray, np.generic)
    tensors = {key: torch.as_tensor(each) if isinstance(each, arrays) else each for key, each in content.items()}
    others = [str(name) for name, each in tensors.items() if not isinstance(each, Tensor)]
    if others:
        raise ValueError(f"these are not arrays: {_some(others)}")
    return tensors


_ARRAY_MAKERS = {"_reconstruct": np.empty(0).__reduce__()[0], "scalar": np.float32(0).__reduce__()[0]}
"""Functions that numpy's pickles call to create arrays and scalars; their module changed between numpy 1 and 2."""


class _ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of numpy arrays, as Caffe2 wrote them, and raises an error for any other content."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name in _ARRAY_MAKERS:
            return _ARRAY_MAKERS[name]
        if (module, name) == ("_codecs", "encode"):
            return _bytes
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a file of arrays")


def _bytes(text: str, encoding: str) -> bytes:
    """Bytes as Python 3 pickles them for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in {encoding} are not allowed in a file of arrays")
    return text.encode("latin1")
