"""Released checkpoints with random weights, converted and evaluated by the command without a training step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from assets.hero.tasks.released import evaluate_released, load_task
from assets.sources.synthetic import SyntheticSource
from assets.sources.synthetic.annotations import subtitles, write_annotations
from assets.sources.synthetic.frames import frame_features
from ml.hero.config import HeroConfig
from ml.hero.data.features import write_npz
from ml.hero.tokenizer import trained
from orchestration.cli.app import howto
from tests.ml.hero.plain_hero import released

CONFIG = HeroConfig(
    vocabulary=320, frame_dim=16, hidden=64, heads=1, cross_modal_layers=1, temporal_layers=1, text_positions=400
)
KINDS = {
    "tvr": "pre-training",
    "msrvtt": "pre-training",
    "tvqa": "question answering",
    "how2qa": "question answering",
    "violin": "video entailment",
    "tvc": "captioning",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The benchmarks' files of ten synthetic videos, and a vocabulary in RoBERTa's files."""
    root, source = tmp_path_factory.mktemp("hero"), SyntheticSource(12, 1, 0)
    ids = [f"synthetic-{number:05d}" for number in range(12)]
    ids = [each for each in ids if subtitles(source, each)]
    write_annotations(source, ids, root)
    (root / "synthetic_subtitles.jsonl").rename(root / "subtitles.jsonl")
    write_npz(root / "features", [(each, frame_features(source, each, 1.5, 16)) for each in ids])
    bpe = json.loads(trained([line.text for each in ids for line in subtitles(source, each)], 320).bpe.to_str())
    vocabulary = {**bpe["model"]["vocab"], **{each["content"]: each["id"] for each in bpe["added_tokens"]}}
    (root / "vocab.json").write_text(json.dumps(vocabulary))
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in bpe["model"]["merges"]]
    (root / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    return root


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model folders by kind, converted by the command."""
    root, found = tmp_path_factory.mktemp("models"), {}
    for kind in set(KINDS.values()):
        file, found[kind] = root / f"{kind}.pt", root / kind.replace(" ", "_")
        torch.save(released(CONFIG, kind), file)
        result = CliRunner().invoke(howto, ["convert", "hero", str(file), str(found[kind])])
        assert result.exit_code == 0, result.output
        assert result.output.strip().endswith("HERO" if kind == "pre-training" else f"HERO for {kind}")
    return found


@pytest.mark.parametrize("task", KINDS)
def test_each_checkpoint_is_evaluated_with_its_head(data: Path, folders: dict[str, Path], task: str) -> None:
    folder = folders[KINDS[task]]
    found = evaluate_released(folder, task, data, data, "cpu")
    if task != "tvr":
        (metrics,) = found.values()
        measure = {"tvc": "CIDEr-D", "msrvtt": "R@10"}.get(task, "accuracy")
        assert 0 <= metrics[measure] <= 10 and metrics["without_video"] == 0
        return
    assert [name.partition(", ")[2] for name in found] == [
        f"scores {scores}, {moments}"
        for scores in ("independent of the batch", "as published")
        for moments in ("all moments", "overlap at most 0.5")
    ]
    independent, suppressed, published, _ = found.values()
    assert independent["VR_R@1"] == suppressed["VR_R@1"] == published["VR_R@1"]
    assert suppressed == load_task(folder, task, data, data, "cpu").evaluate()


def test_the_command_prints_metrics_and_refuses_other_tasks(
    data: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOWTO_HERO_VOCABULARY", str(data))
    violin = folders["video entailment"]
    result = CliRunner().invoke(howto, ["evaluate", str(violin), "--task", "violin", "--data", str(data)])
    assert result.exit_code == 0 and "violin: video_entailment@" in result.output and "accuracy" in result.output
    for task, message in (
        ("tvc", "a HERO for video entailment, not for captioning"),
        ("lsmdc", "not a model of lsmdc"),
    ):
        refused = CliRunner().invoke(howto, ["evaluate", str(violin), "--task", task, "--data", str(data)])
        assert refused.exit_code != 0 and message in str(refused.exception)
