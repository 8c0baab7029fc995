"""The protocol of text-video models, and the joint embedding as one. See ``ml.text_video`` for the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.joint_embedding.bags import bags
from ml.joint_embedding.clip_vectors import clip_vectors
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pairs import Stream
from ml.loading import on_device
from ml.text.tokens import tokenize
from ml.text.word_vectors import WordVectors, pad
from ml.training import device_of


class TextVideoModel(Protocol):
    """Texts and clips in one space. The score of a text with a clip is the dot product of their vectors.

    ``identity`` names the model and begins the hash of its weights; ``dimension`` is the length of its vectors.
    """

    identity: str
    dimension: int

    def known_words(self, text: str) -> list[str]:
        """The words of a text that the model has a vector for."""
        ...

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``vectors[texts, dimension]``; a text without a known word has the vector that the published code gives."""
        ...

    def encode_clips(
        self, streams: Sequence[Stream], start_s: NDArray[np.float64], end_s: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """``vectors[clips, dimension]`` of clips of one video, and which clips have no feature row and so zeros."""
        ...


class JointTextVideo:
    """A ``TextVideoModel`` of a joint embedding and the word vectors that it was trained with.

    Clips are the maximum over the rows of each stream, as in HowTo100M (section 4.1). ``tokens`` splits a text.
    """

    def __init__(
        self,
        model: JointEmbedding,
        words: WordVectors,
        identity: str = "joint_embedding",
        tokens: Callable[[str], list[str]] = tokenize,
    ) -> None:
        self.model, self.words, self.identity, self.tokens = model.eval(), words, identity, tokens
        self.dimension = model.video.project.out_features

    def known_words(self, text: str) -> list[str]:
        return [word for word in self.tokens(text) if word in self.words.rows]

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        ids = pad(self.words.ids(texts, tokens=self.tokens))
        vectors: NDArray[np.float32] = encode_captions(self.model, self.words, ids).cpu().numpy()
        return vectors

    @torch.inference_mode()
    def encode_clips(
        self, streams: Sequence[Stream], start_s: NDArray[np.float64], end_s: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        pooled = [clip_vectors(stream.features, start_s, end_s, stream.rate_hz) for stream in streams]
        device = self.model.video.project.weight.device
        inputs = torch.from_numpy(np.concatenate([vectors for vectors, _ in pooled], 1)).to(device)
        vectors: NDArray[np.float32] = self.model.encode_video(inputs).cpu().numpy()
        empty: NDArray[np.bool_] = np.any(np.stack([each for _, each in pooled]), axis=0)
        vectors[empty] = 0
        return vectors, empty


class MeanOfModels:
    """Two models of the same feature rows as one, whose score is the mean of both scores.

    Both vectors are joined, each divided by the square root of two. A word is known if both models know it.
    """

    def __init__(self, first: TextVideoModel, second: TextVideoModel) -> None:
        self.models = first, second
        self.identity = f"mean of {first.identity} and {second.identity}"
        self.dimension = first.dimension + second.dimension

    def known_words(self, text: str) -> list[str]:
        first, second = (each.known_words(text) for each in self.models)
        return [word for word in first if word in second]

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.concatenate([each.encode_text(texts) for each in self.models], 1) * np.float32(0.5**0.5)

    def encode_clips(
        self, streams: Sequence[Stream], start_s: NDArray[np.float64], end_s: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        (first, empty), (second, also_empty) = (each.encode_clips(streams, start_s, end_s) for each in self.models)
        vectors = np.concatenate([first, second], 1) * np.float32(0.5**0.5)
        return vectors, empty | also_empty


def encode_captions(model: JointEmbedding, words: WordVectors, ids: NDArray[np.int64]) -> Tensor:
    """Embeddings of ``ids[captions, words]``, 0 for no word, on the model's device, which gets these words only."""
    captions = bags(ids)
    table = torch.from_numpy(words.padded[captions.distinct.numpy()])
    own = captions._replace(distinct=torch.arange(len(table)))
    return model.encode_bags(*on_device((own, table), device_of(model)))
