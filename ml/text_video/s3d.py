"""S3D of MIL-NCE with its text tower (arXiv 1912.06430), from the authors' two files.

See ``ml.vision.s3d`` for the video network and the two layouts of its first convolution.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.joint_embedding.clip_features import load_plain
from ml.reading import read_array
from ml.text_video.model import Tower
from ml.vision.presets import Options, Weights
from ml.vision.registry import load_backbone
from ml.vision.s3d import S3D, has_space_to_depth
from ml.vision.weights import WeightsError, load_parameters, read_weights

DICTIONARY = "s3d_dict.npy"
"""The words of the text tower, next to the file of weights."""
MAX_WORDS = 30
"""Words of a text in the published evaluation; further zeros after the last word change nothing."""
WINDOWS = 10
"""Windows per clip in the commands of the authors' README."""
_MARGIN_S = 0.4
_TOKEN = re.compile(r"[\w']+")


class S3DTextVideo(Tower):
    """Rows of S3D through its layer ``fc``, and the maximum over words of a two-layer text tower.

    Vectors are not scaled to unit length. The authors' S3D_HowTo100M, whose first convolution takes 2x2x2 neighbours as
    channels, lower-cases texts; their training program MIL-NCE_HowTo100M, with the other one, does not.

    Args:
        weights: the file of parameters; None for the published one.
        dictionary: the file of words; None for ``s3d_dict.npy`` next to a file of weights.

    Raises:
        WeightsError: the weights cannot be used, or the dictionary is missing or has more words than the text tower.
    """

    def __init__(self, options: Options, weights: Weights | None = None, dictionary: Path | None = None) -> None:
        state, digest = read_weights("s3d", weights, S3D.published)
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
        network = load_backbone("s3d", options, weights)
        self.text, self.fc = TextTower.of(state), _projection(state)
        for name, part in (("text_module.", self.text), ("fc.", self.fc)):
            load_parameters("s3d", part, {k.removeprefix(name): v for k, v in state.items() if k.startswith(name)})
        self.lower_case = has_space_to_depth(state)
        super().__init__(f"s3d@{digest[:8]}", network, self.fc.out_features, WINDOWS)
        self.words = _dictionary(weights, dictionary, self.text.word_embd.num_embeddings - 1)

    def known_words(self, text: str) -> list[str]:
        tokens = _TOKEN.findall(text.lower() if self.lower_case else text)
        return [token for token in tokens if token in self.words]

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        ids = np.zeros((len(texts), MAX_WORDS), np.int64)
        for row, text in enumerate(texts):
            own = [self.words[word] for word in self.known_words(text)][:MAX_WORDS]
            ids[row, : len(own)] = own
        vectors: NDArray[np.float32] = self.text(torch.from_numpy(ids)).numpy()
        return vectors

    @torch.inference_mode()
    def project(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = self.fc(torch.from_numpy(rows)).numpy()
        return vectors

    def window_starts(self, start_s: float, end_s: float) -> NDArray[np.float64]:
        """Evenly spaced, the last one 0.4 s before it would end with the clip (``youcook_loader.py``)."""
        length = float(1 / S3D.fixed_sampling.row_rate)
        return np.linspace(start_s, max(start_s, end_s - length - _MARGIN_S), self.windows)


class TextTower(nn.Module):
    """``ids[texts, words]`` to ``[texts, out]``: linear, ReLU, maximum over all slots of words, linear."""

    def __init__(self, words: int, word_dim: int, hidden: int, out: int) -> None:
        super().__init__()
        self.word_embd = nn.Embedding(words, word_dim)
        self.fc1 = nn.Linear(word_dim, hidden)
        self.fc2 = nn.Linear(hidden, out)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> TextTower:
        """A tower of the sizes of a checkpoint."""
        names = [f"text_module.{name}.weight" for name in ("word_embd", "fc1", "fc2")]
        if absent := [name for name in names if name not in state or state[name].dim() != 2]:
            raise WeightsError(f"s3d: no matrix {', '.join(absent)} in the weights; the text tower is missing")
        words, word_dim = state[names[0]].shape
        return cls(words, word_dim, state[names[1]].shape[0], state[names[2]].shape[0])

    def forward(self, ids: Tensor) -> Tensor:
        hidden = self.fc1(self.word_embd(ids)).relu()
        vectors: Tensor = self.fc2(hidden.amax(1))
        return vectors


def _projection(state: Mapping[str, Tensor]) -> nn.Linear:
    if "fc.weight" not in state or state["fc.weight"].dim() != 2:
        raise WeightsError("s3d: no matrix fc.weight in the weights; the projection to the joint space is missing")
    out, width = state["fc.weight"].shape
    return nn.Linear(width, out)


def read_words(path: Path) -> list[str]:
    """The words of a ``.npy`` file: an array of texts, or of objects that are texts. Pickled code is refused.

    Raises:
        ValueError: the file holds no array of texts.
    """
    try:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            _, _, dtype = np.lib.format.read_array_header_1_0(file)
            array = load_plain(path, file) if dtype.hasobject else read_array(path)
    except ValueError as error:
        raise ValueError(f"{path}: not a .npy file of words: {error}") from error
    listed: list[str] = array.tolist() if isinstance(array, np.ndarray) and array.ndim == 1 else []
    if not listed or not all(isinstance(word, str) for word in listed):
        raise ValueError(f"{path}: not an array of words")
    return listed


def _dictionary(weights: Weights | None, given: Path | None, most: int) -> dict[str, int]:
    """The number of each word, from 1."""
    path = given or Path(weights.source if weights else ".").expanduser().with_name(DICTIONARY)
    if not path.is_file():
        raise WeightsError(f"s3d: no file {path}; put the authors' {DICTIONARY} next to the weights")
    try:
        words = read_words(path)
    except ValueError as error:
        raise WeightsError(f"s3d: {error}") from error
    if len(words) > most:
        raise WeightsError(f"s3d: {path} has {len(words)} words, but the text tower has vectors of {most}")
    return {word: number for number, word in enumerate(words, 1)}
