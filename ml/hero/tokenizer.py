"""Text to byte-level BPE tokens, with RoBERTa's published vocabulary or one trained on a corpus."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from ml.files import content_hash
from ml.hero.batch import BEGIN, END, PADDING, Vocabulary
from ml.hero.data.subtitles import plain
from ml.training import read_model_folder, write_model_folder

MASK = "<mask>"
FIRST_SPECIAL = {"<s>": BEGIN, "<pad>": PADDING, "</s>": END, "<unk>": 3}
LAST_TEXT = "<|endoftext|>"
"""In the published vocabulary, the last token that a word may be replaced by; names of padding come behind it."""


@dataclass(frozen=True)
class HeroTokenizer:
    """Byte-level BPE with RoBERTa's special tokens."""

    bpe: Tokenizer

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, without special ones. HTML entities are decoded; a text all in capitals is lower-cased."""
        ids: list[int] = self.bpe.encode(plain(text), add_special_tokens=False).ids
        return ids

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens; special ones are left out."""
        return str(self.bpe.decode(list(tokens), skip_special_tokens=True)).strip()

    def __len__(self) -> int:
        return int(self.bpe.get_vocab_size())

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokens that masked language modelling replaces words by."""
        ids = self.bpe.get_vocab()
        return Vocabulary(ids[MASK], ids.get(".", len(FIRST_SPECIAL)), ids.get(LAST_TEXT, ids[MASK] - 1))

    @cached_property
    def identity(self) -> str:
        """A hash of what ``encode`` depends on."""
        return content_hash(self.bpe.to_str())

    def write(self, folder: Path, inputs: Mapping[str, Any]) -> None:
        """Write it as a model folder without parameters (``ml.training``)."""
        metrics = {"tokens": len(self)}
        write_model_folder(folder, {}, {"bpe": json.loads(self.bpe.to_str())}, metrics, [], inputs)


def load_tokenizer(folder: Path) -> HeroTokenizer:
    """What ``HeroTokenizer.write`` wrote."""
    return HeroTokenizer(Tokenizer.from_str(json.dumps(read_model_folder(folder).config["bpe"])))


def published(vocabulary: Path, merges: Path) -> HeroTokenizer:
    """The tokenizer of RoBERTa's ``vocab.json`` and ``merges.txt``.

    Raises:
        ValueError: a special token is missing, or has another id than in RoBERTa's vocabulary.
    """
    bpe = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    for token, expected in FIRST_SPECIAL.items():
        if bpe.token_to_id(token) != expected:
            raise ValueError(f"{vocabulary}: {token} is {bpe.token_to_id(token)}, in RoBERTa's vocabulary {expected}")
    if bpe.token_to_id(MASK) is None:
        raise ValueError(f"{vocabulary}: has no {MASK}; RoBERTa's vocabulary has it as its last token")
    return HeroTokenizer(_finished(bpe, begins_with_space=False))


def trained(texts: Iterable[str], size: int) -> HeroTokenizer:
    """A vocabulary of at most ``size`` tokens from texts; the same texts in the same order give the same one."""
    bpe = _finished(Tokenizer(models.BPE()), begins_with_space=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size - 1, special_tokens=list(FIRST_SPECIAL), initial_alphabet=sorted(alphabet), show_progress=False
    )
    bpe.train_from_iterator(map(plain, texts), trainer)
    return HeroTokenizer(_finished(bpe, begins_with_space=True))


def _finished(bpe: Tokenizer, begins_with_space: bool) -> Tokenizer:
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=begins_with_space)
    bpe.decoder = decoders.ByteLevel()
    if bpe.get_vocab_size():
        bpe.add_special_tokens([*FIRST_SPECIAL, MASK])
    return bpe
