"""Vocabularies: equal for equal texts, decoding restores every text, and RoBERTa's files are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.hero.tokenizer import HeroTokenizer, load_tokenizer, published, trained

TEXTS = ["pour the batter into the pan", "fold a crane out of paper.", "rinse the red bowl"] * 4
TRAINED = trained(TEXTS, 320)


def test_the_same_texts_give_the_same_vocabulary_with_robertas_special_tokens() -> None:
    ids = TRAINED.bpe.get_vocab()
    assert [ids[token] for token in ("<s>", "<pad>", "</s>", "<unk>")] == [0, 1, 2, 3]
    assert ids["<mask>"] == len(TRAINED) - 1 == TRAINED.vocabulary.mask
    assert TRAINED.vocabulary.first == ids["."] and TRAINED.vocabulary.last == len(TRAINED) - 2
    assert trained(TEXTS, 320).bpe.get_vocab() == ids


@given(st.text(st.characters(codec="utf-8", exclude_characters="&<>"), max_size=40).filter(lambda t: not t.isupper()))
def test_decoding_restores_any_text(text: str) -> None:
    tokens = TRAINED.encode(text)
    assert TRAINED.decode(tokens) == text.strip() and all(token >= 3 for token in tokens)


def test_text_in_capitals_is_lower_cased_and_entities_are_decoded() -> None:
    assert TRAINED.encode("POUR THE BATTER") == TRAINED.encode("pour the batter")
    assert TRAINED.decode(TRAINED.encode("salt &amp; pepper")) == "salt & pepper"


def test_a_vocabulary_is_written_and_read(tmp_path: Path) -> None:
    TRAINED.write(tmp_path / "tokenizer", {"lake_snapshot": 7})
    again = load_tokenizer(tmp_path / "tokenizer")
    assert again.encode(TEXTS[1]) == TRAINED.encode(TEXTS[1]) and len(again) == len(TRAINED)


def files(folder: Path, tokenizer: HeroTokenizer, **changed: int) -> tuple[Path, Path]:
    """The vocabulary in the layout of RoBERTa's files."""
    bpe = json.loads(tokenizer.bpe.to_str())
    ids = {**bpe["model"]["vocab"], **{each["content"]: each["id"] for each in bpe["added_tokens"]}, **changed}
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in bpe["model"]["merges"]]
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]), encoding="utf-8")
    return folder / "vocab.json", folder / "merges.txt"


def test_robertas_files_are_read_and_others_refused(tmp_path: Path) -> None:
    read = published(*files(tmp_path, TRAINED))
    assert read.decode(read.encode("rinse the red bowl")) == "rinse the red bowl"
    assert read.encode(" pour the pan") == TRAINED.encode("pour the pan")
    with pytest.raises(ValueError, match="</s> is 5, in RoBERTa's vocabulary 2"):
        published(*files(tmp_path, TRAINED, **{"</s>": 5}))
