"""Masked language modelling (MLM, HERO section 3.2): words of subtitles, from the other words and their frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ml.distributed import AllGather, Rows, mean_over_processes
from ml.hero.batch import BEGIN, AlignedVideo, HeroBatch, Passage, Vocabulary, collate
from ml.hero.model import Hero

SHARE = 0.15
MASKED, RANDOM = 0.8, 0.1
"""Shares of the chosen tokens that become ``<mask>`` and a random token; the others stay unchanged."""


class MaskedWords(NamedTuple):
    """``chosen[n]`` are the rows of tokens to predict; their original tokens are ``words[n]``."""

    batch: HeroBatch
    chosen: Tensor
    words: Tensor


def draw(
    videos: Sequence[AlignedVideo], generators: Sequence[np.random.Generator], vocabulary: Vocabulary
) -> MaskedWords:
    """Choose tokens of every passage that has text, at least one."""
    chosen: list[int] = []
    words: list[int] = []
    hidden_videos = []
    seen = 0
    for video, rng in zip(videos, generators, strict=True):
        passages = []
        for passage in video.passages:
            places = _choose(len(passage.tokens), rng)
            chosen += [seen + 1 + place for place in places]
            words += [passage.tokens[place] for place in places]
            passages.append(_replaced(passage, places, rng, vocabulary))
            seen += 1 + len(passage.tokens)
        hidden_videos.append(replace(video, passages=tuple(passages)))
    return MaskedWords(collate(hidden_videos, lead=BEGIN), torch.tensor(chosen, dtype=torch.int64), torch.tensor(words))


def _choose(tokens: int, rng: np.random.Generator) -> list[int]:
    picked: list[int] = np.flatnonzero(rng.random(tokens) < SHARE).tolist()
    return picked or [0][:tokens]


def _replaced(passage: Passage, places: list[int], rng: np.random.Generator, vocabulary: Vocabulary) -> Passage:
    tokens = list(passage.tokens)
    for place, dice in zip(places, rng.random(len(places)).tolist(), strict=True):
        if dice < MASKED:
            tokens[place] = vocabulary.mask
        elif dice < MASKED + RANDOM:
            tokens[place] = int(rng.integers(vocabulary.first, vocabulary.last + 1))
    return Passage(passage.frames, tuple(tokens))


def rows(model: Hero, drawn: MaskedWords) -> Rows:
    """The cross entropy of each chosen token ``losses[n]``."""
    _, text = model.cross_modal(drawn.batch)
    logits = model.language(text[drawn.chosen])
    return {"losses": functional.cross_entropy(logits.float(), drawn.words.long(), reduction="none")}


def loss(given: Rows, all_gather: AllGather) -> Tensor:
    """Mean over the chosen tokens."""
    return mean_over_processes(given["losses"], all_gather)
