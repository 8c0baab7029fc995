"""The fingerprint of options: it changes with what is made, and with nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
from pydantic import SecretStr
from safetensors.numpy import save_file

from assets.contents import Contents
from assets.features.options import FeatureOptions
from assets.hero.options import HeroOptions, HeroTaskOptions
from assets.joint_embedding.evaluation.options import BenchmarkOptions
from assets.joint_embedding.options import PairOptions, WordOptions
from assets.models.options import RuntimeOptions
from assets.options import Options, SameResult, fingerprint
from assets.sources.youtube.options import YouTubeOptions
from assets.videos.id_lists import EvaluationLists
from ml.vision.presets import Weights


def version(options: Options) -> str:
    return fingerprint({"options": options}, Contents())


def model(folder: Path, number: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"weight": np.array([number], np.float32)}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}", encoding="utf-8")


def vocabulary(folder: Path, text: str) -> None:
    for name in ("vocab.json", "merges.txt"):
        (folder / name).write_text(text, encoding="utf-8")


def aligner(folder: Path, text: str) -> None:
    for name in ("joint_embedding", "word_vectors"):
        model(folder / name, len(text))


def written(name: str) -> Callable[[Path, str], None]:
    def write(folder: Path, text: str) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")

    return write


@pytest.mark.parametrize(
    ("options_of", "write"),
    [
        (lambda folder: HeroOptions(vocabulary=folder), vocabulary),
        (lambda folder: HeroOptions(initial=folder), lambda folder, text: model(folder, len(text))),
        (lambda folder: HeroTaskOptions(benchmarks=folder), written("tvr_val_release.jsonl")),
        (lambda folder: BenchmarkOptions(root=folder), written("crosstask/tasks.txt")),
        (lambda folder: PairOptions(aligner=folder), aligner),
        (lambda folder: WordOptions(path=folder / "glove.txt"), written("glove.txt")),
        (lambda folder: FeatureOptions(files={"resnet152": folder}), written("a.npy")),
        (lambda folder: FeatureOptions(weights={"resnet152": Weights(str(folder / "w.pth"))}), written("w.pth")),
        (lambda folder: EvaluationLists(paths={"YouCook2": folder / "ids.txt"}), written("ids.txt")),
    ],
)
def test_a_path_counts_by_its_content(
    tmp_path: Path, options_of: Callable[[Path], Options], write: Callable[[Path, str], None]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    write(here, "first")
    before = version(options_of(here))
    shutil.copytree(here, there)
    shutil.rmtree(here)
    assert version(options_of(there)) == before
    write(there, "something else")
    assert version(options_of(there)) != before


def test_devices_processes_and_secrets_change_nothing() -> None:
    assert version(replace(RuntimeOptions(), device="cuda", compile=True, processes=4)) == version(RuntimeOptions())
    assert version(replace(RuntimeOptions(), precision="bf16")) != version(RuntimeOptions())
    features = FeatureOptions()
    assert version(replace(features, device="cpu", batch=1, compile=True, ray_actors=2)) == version(features)
    assert version(replace(features, bfloat16=True)) != version(features)
    youtube = YouTubeOptions()
    assert version(replace(youtube, api_key=SecretStr("a"), proxy=SecretStr("http://b"))) == version(youtube)


@dataclass(frozen=True)
class Before(Options):
    steps: int = 2


@dataclass(frozen=True)
class After(Options):
    steps: int = 2
    rate: float = 0.5
    threads: Annotated[int, SameResult] = 1


def test_a_new_field_at_its_default_changes_nothing() -> None:
    assert version(After()) == version(Before())
    assert version(After(threads=2)) == version(Before())
    assert version(After(steps=3)) == version(Before(steps=3)) != version(Before())
    assert version(After(rate=0.6)) != version(Before())


def test_a_value_without_a_canonical_form_is_refused() -> None:
    @dataclass(frozen=True)
    class Odd(Options):
        value: object = None

    with pytest.raises(TypeError, match="set: options of this type have no canonical form"):
        version(Odd({1, 2}))
