"""The joint text–video embedding (HowTo100M section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional

from ml.joint_embedding.bags import Bags
from ml.pretrained import Pretrained


class GatedEmbedding(nn.Module):
    """``y = W1 x + b1``, ``z = y ∘ σ(W2 y + b2)``, ``f(x) = z / ‖z‖``: ``[n, in] -> [n, out]``.

    Without ``unit_length`` it is z, as in MIL-NCE.
    """

    def __init__(self, in_dim: int, out_dim: int, unit_length: bool = True) -> None:
        super().__init__()
        self.unit_length = unit_length
        self.project = nn.Linear(in_dim, out_dim)
        self.gate = nn.Linear(out_dim, out_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(x)
        z = y * torch.sigmoid(self.gate(y))
        return functional.normalize(z, dim=-1) if self.unit_length else z


class SentenceEncoder(nn.Module):
    """Maximum over the words of ``ReLU(W w + b)``: ``words[n, words, word_dim] -> [n, sentence_dim]``.

    Slots without a word are zero vectors. As in the published model they contribute ReLU(b) to the maximum;
    ``mask_padding`` leaves them out, which changes the scores of published weights.
    """

    def __init__(self, word_dim: int, sentence_dim: int, mask_padding: bool = False) -> None:
        super().__init__()
        self.word = nn.Linear(word_dim, sentence_dim)
        self.mask_padding = mask_padding

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        hidden = functional.relu(self.word(words))  # [n, words, sentence_dim]
        if self.mask_padding:
            # Hidden values are at least 0, so zeros never exceed those of a word.
            hidden = hidden * words.any(-1, keepdim=True)
        return hidden.amax(1)

    def of_bags(self, captions: Bags, table: torch.Tensor) -> torch.Tensor:
        """The same for captions of the words of ``table[1 + words, word_dim]``: ``[captions, sentence_dim]``.

        Most words of a batch occur many times, so each distinct word is multiplied once.
        """
        hidden = functional.relu(self.word(table[captions.distinct]))
        if self.mask_padding:
            hidden = hidden * (captions.distinct > 0)[:, None]
        # The maximum is taken in float32 at least: embedding_bag has no kernel for bfloat16 on the CPU.
        hidden = hidden.to(torch.promote_types(torch.float32, hidden.dtype))
        maximum: torch.Tensor = _Maximum.apply(hidden, captions.slots, captions.begin)
        return maximum


class _Maximum(torch.autograd.Function):
    """The maximum over the rows of each bag: ``rows[n, dim], slots[words], begin[bags] -> [bags, dim]``.

    As ``torch.nn.functional.embedding_bag(mode="max")``, to the bit. Its own gradient adds columns one at a time on a
    CPU, which takes as long as the maximum.
    """

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, slots: torch.Tensor, begin: torch.Tensor) -> torch.Tensor:
        maximum, _, _, ctx.chosen = torch.embedding_bag(rows, slots, begin, mode=_MAXIMUM)
        ctx.rows = len(rows)
        return maximum

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        at_rows = gradient.new_zeros(ctx.rows, gradient.shape[1])
        return (at_rows.scatter_add_(0, ctx.chosen, gradient) if len(gradient) else at_rows), None, None


_MAXIMUM = 2
"""The mode of ``torch.embedding_bag``."""


class JointEmbedding(Pretrained):
    """Clips and captions on one unit sphere; their score is the cosine ``s(v, c) = ⟨f(v), g(c)⟩`` (eq. 1 to 3).

    Args:
        video_dim: numbers of a clip vector.
        word_dim: numbers of a word vector.
        embedding_dim: numbers of an embedding.
        sentence_dim: width of the word layer; None for ``embedding_dim``.
        mask_padding: see ``SentenceEncoder``.
        unit_length: see ``GatedEmbedding``.
    """

    def __init__(
        self,
        video_dim: int = 4096,
        word_dim: int = 300,
        embedding_dim: int = 4096,
        sentence_dim: int | None = None,
        mask_padding: bool = False,
        unit_length: bool = True,
    ) -> None:
        super().__init__()
        self.sizes = {
            "video_dim": video_dim,
            "word_dim": word_dim,
            "embedding_dim": embedding_dim,
            "sentence_dim": sentence_dim,
            "mask_padding": mask_padding,
            "unit_length": unit_length,
        }
        sentence_dim = sentence_dim or embedding_dim
        self.video = GatedEmbedding(video_dim, embedding_dim, unit_length)
        self.sentence = SentenceEncoder(word_dim, sentence_dim, mask_padding)
        self.text = GatedEmbedding(sentence_dim, embedding_dim, unit_length)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**config["model"])

    def stored_config(self) -> dict[str, Any]:
        return {"model": self.sizes}

    def encode_video(self, video: torch.Tensor) -> torch.Tensor:
        """``video[clips, video_dim] -> [clips, embedding_dim]``, of length 1."""
        return self.video(video)

    def encode_text(self, words: torch.Tensor) -> torch.Tensor:
        """``words[captions, words, word_dim] -> [captions, embedding_dim]``, of length 1."""
        return self.text(self.sentence(words))

    def encode_bags(self, captions: Bags, table: torch.Tensor) -> torch.Tensor:
        """The same for captions of the words of ``table[1 + words, word_dim]``, faster (``bags``)."""
        return self.text(self.sentence.of_bags(captions, table))

    def forward(self, video: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """``scores[text, video]`` of all captions with all clips."""
        return self.encode_text(words) @ self.encode_video(video).T
