"""A released joint embedding with random weights, converted and evaluated by the command on published files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch.nn import functional

from assets.joint_embedding.evaluation.benchmarks import Files
from ml.joint_embedding.benchmarks import EvaluationSet, write_youcook2
from orchestration.cli.app import howto
from tests.ml.test_checkpoint import published_scores, released

WORDS = {word: np.eye(5, dtype=np.float32)[row] for row, word in enumerate(("whisk", "the", "eggs", "fold", "pan"))}
CAPTIONS = ["whisk the eggs", "fold", "the pan", "eggs", "whisk unheard", "fold the eggs"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """YouCook2's feature file, word vectors, and the released checkpoint, of sizes that fit each other."""
    random = np.random.default_rng(0)
    streams = {"2d": random.normal(size=(6, 4)).astype(np.float32), "3d": random.normal(size=(6, 3)).astype(np.float32)}
    clips = EvaluationSet("YouCook2", "validation", [f"c{n}" for n in range(6)], streams, CAPTIONS, np.arange(6))
    write_youcook2(clips, Files(tmp_path).youcook2_test)
    lines = [" ".join([word, *map(str, vector)]) for word, vector in WORDS.items()]
    (tmp_path / "glove.txt").write_text("\n".join([*lines, ""]))
    torch.save(released(), tmp_path / "howto100m_pt_model.pth")
    return tmp_path


def test_a_converted_joint_embedding_gets_the_published_ranks(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["convert", "joint_embedding", str(files / "howto100m_pt_model.pth"), str(files / "model")]
    assert CliRunner().invoke(howto, arguments).exit_code == 0
    command = ["evaluate", str(files / "model"), "--task", "youcook2", "--data", str(files)]
    refused = CliRunner().invoke(howto, command)
    assert "set HOWTO_WORD_VECTORS to the file of word vectors" in str(refused.exception)

    monkeypatch.setenv("HOWTO_WORD_VECTORS", str(files / "glove.txt"))
    result = CliRunner().invoke(howto, command)
    assert result.exit_code == 0, result.output
    (clips,) = (read() for read in Files(files).test_sets().values())
    words = torch.zeros(6, 20, 5)
    for row, caption in enumerate(CAPTIONS):
        known = [WORDS[word] for word in caption.split() if word in WORDS]
        words[row, : len(known)] = torch.from_numpy(np.stack(known))
    video = torch.cat([functional.normalize(torch.from_numpy(each), dim=1) for each in clips.streams.values()], 1)
    scores = published_scores(released(), video, words)
    expected = float(((scores > scores.diag()[:, None]).sum(1) < 1).double().mean())
    line = next(line for line in result.output.splitlines() if line.split()[0] == "R@1")
    assert float(line.split()[1]) == pytest.approx(expected, abs=1e-4)
    assert "YouCook2, text to video: model@" in result.output and "chance, 6 queries" in result.output

    missing = CliRunner().invoke(howto, ["evaluate", str(files / "model"), "--task", "lsmdc", "--data", str(files)])
    assert "no files of lsmdc" in str(missing.exception)
