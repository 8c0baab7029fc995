"""Word vectors of a lake: learned from its captions, or those of a file cut to them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from assets.joint_embedding.options import EmbeddingOptions, WordOptions
from assets.joint_embedding.training import train_words
from assets.lake import Lake, load_tables
from ml.joint_embedding.train import load_words
from orchestration.settings import SettingsError, load_settings

OPTIONS = EmbeddingOptions(0, 4, 8, 1, 2, 1, 1e-3, 1.0)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake, contract = Lake(tmp_path / "lake"), load_tables()["clips"]
    texts = ["cut bread", "cut onion", "bread burns"]
    values = {"video_id": "v", "shard": "0"}
    empty = {"VARCHAR": "", "BIGINT": 0, "DOUBLE": 0.0}
    rows = [
        tuple(
            {**values, "clip_index": i, "caption_clean": text, "caption": text, "end_s": 1.0}.get(
                column.name, empty.get(column.type)
            )
            for column in contract.columns
        )
        for i, text in enumerate(texts)
    ]
    lake.write("clips", contract.frame(rows), "0")
    return lake


def test_a_file_is_cut_to_the_words_of_the_captions(lake: Lake, tmp_path: Path) -> None:
    glove = tmp_path / "glove.txt"
    glove.write_text("bread 1 0\nplane 5 5\ncut 0 1\n", encoding="utf-8")
    manifest = pl.DataFrame({"video_id": ["v"]})
    metrics = train_words(tmp_path / "words", lake, manifest, OPTIONS, WordOptions(glove), {})
    words = load_words(tmp_path / "words")
    assert dict(zip(words.words, words.vectors.tolist(), strict=True)) == {"bread": [1, 0], "cut": [0, 1]}
    assert metrics == {"words": 2, "captions": 3}


def test_an_aligner_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="HOWTO_ALIGNER"):
        load_settings(lake=tmp_path, aligner=tmp_path)
    with pytest.raises(SettingsError, match=r"HOWTO_BENCHMARKS=.*no such folder"):
        load_settings(lake=tmp_path, benchmarks=tmp_path / "nowhere")
