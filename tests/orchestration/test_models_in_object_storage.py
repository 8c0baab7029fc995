"""Copies of models in object storage: fetched where they are used, verified by hash, whole after a kill."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from safetensors.numpy import save_file

from assets.models.folder import MODEL_FILES, model_version
from assets.models.provenance import readable_provenances
from assets.models.store import ModelDamagedError, ModelRoot, clean_up_models, fetch_models, model_folders, publish
from ml.files import whole_folder
from ml.places import StoreUnreachableError, remote_place
from orchestration.artifacts.models import ModelFolder
from tests.services import BUCKET, Services

NAME = "joint_embedding"


def train(root: Path, number: int, size: int = 1000) -> None:
    """Write and publish a model whose files all contain the number."""
    with whole_folder(root.joinpath(NAME)) as folder:
        save_file({"weight": np.full(size, number, np.float32)}, folder / "model.safetensors")
        for file in MODEL_FILES[1:]:
            (folder / file).write_text(json.dumps({"number": number, "lake_snapshot": number}))
    publish(root, NAME)


def numbers(folder: Path) -> set[int]:
    return {json.loads((folder / name).read_text())["number"] for name in MODEL_FILES[1:]}


@pytest.fixture
def machines(services: Services, tmp_path: Path) -> tuple[ModelRoot, ModelRoot]:
    """The folders of models of two machines with the same copies."""
    remote = remote_place(f"s3://{BUCKET}/{uuid4().hex}/models")
    return ModelRoot.of(tmp_path / "a", remote), ModelRoot.of(tmp_path / "b", remote)


def test_a_model_is_fetched_where_it_is_used_and_only_when_it_is_newer(machines: tuple[ModelRoot, ModelRoot]) -> None:
    first, second = machines
    assert not (second / NAME).exists() and model_folders(second) == []
    for number in (1, 2):
        train(first, number)
        assert numbers(second / NAME) == {number} and model_version(second / NAME) == model_version(first / NAME)
    written = (second / NAME / "config.json").stat().st_mtime_ns
    assert (pickle.loads(pickle.dumps(second)) / NAME / "config.json").stat().st_mtime_ns == written
    assert [folder.name for folder in model_folders(second) if folder.is_dir()] == [NAME]

    assert clean_up_models(first, timedelta(days=1)) == 0 < clean_up_models(first, timedelta(0))
    train(second, 1)
    assert numbers(first / NAME) == {1}


def test_snapshots_that_models_name_stay_whichever_machine_maintains_the_lake(
    machines: tuple[ModelRoot, ModelRoot],
) -> None:
    first, second = machines
    train(first, 3)
    assert readable_provenances(Path(second)) == {}
    fetch_models(second)
    assert readable_provenances(Path(second))[NAME].snapshot == 3


def test_a_damaged_copy_is_not_used_and_a_training_replaces_it(machines: tuple[ModelRoot, ModelRoot]) -> None:
    first, second = machines
    train(first, 1)
    [version] = [each for each in (first.copies.remote / NAME).iterdir() if each.name != "current.json"]
    artifact, resources = ModelFolder(NAME), {"model_root": second}
    (version / "model.safetensors").write_bytes(b"other")
    with pytest.raises(ModelDamagedError, match=r"model.safetensors: it has another hash than recorded; howto refresh"):
        artifact.version(resources, None)
    assert "it has another hash than recorded" in artifact.damage(resources, None)[0]
    (version / "model.safetensors").unlink()
    with pytest.raises(ModelDamagedError, match=r"model.safetensors: it is missing"):
        artifact.version(resources, None)
    assert not second.joinpath(NAME).exists()
    artifact.repair(resources, None)
    assert artifact.version(resources, None) is None
    train(second, 1)
    assert numbers(second / NAME) == {1} and artifact.version(resources, None) == model_version(second / NAME)


def test_a_store_that_does_not_answer_is_no_damage(machines: tuple[ModelRoot, ModelRoot], tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        root = ModelRoot.of(tmp_path / "c", remote_place(f"s3://{BUCKET}/models"))
        with pytest.raises(StoreUnreachableError, match=r"object storage cannot be used: .*127.0.0.1:9"):
            ModelFolder(NAME).version({"model_root": root}, None)


def _train_often(root: ModelRoot) -> None:
    for number in range(2, 1000):
        train(root, number, size=500_000)


def test_a_killed_training_leaves_a_whole_copy(machines: tuple[ModelRoot, ModelRoot]) -> None:
    first, second = machines
    train(first, 1)
    process = multiprocessing.get_context("spawn").Process(target=_train_often, args=(first,))
    process.start()
    while numbers(second / NAME) == {1}:
        assert process.is_alive()
        time.sleep(0.1)
    process.kill()
    process.join()
    [number] = numbers(second / NAME)
    assert number > 1
    train(first, 1)
    assert numbers(second / NAME) == {1}
