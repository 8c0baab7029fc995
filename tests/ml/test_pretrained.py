"""Models are saved to folders and loaded from them without a lake."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ml.cluster_gcn.model import ClusterGCN
from ml.hero.baselines import FlatTransformer
from ml.hero.model import Hero
from ml.joint_embedding.model import JointEmbedding
from ml.pretrained import Pretrained
from ml.training import read_model_folder, write_model_folder
from tests.hero_videos import TINY

MODELS: list[Pretrained] = [
    JointEmbedding(6, 4, 5, mask_padding=True, unit_length=False),
    JointEmbedding(6, 4, 5, sentence_dim=3),
    Hero(TINY),
    FlatTransformer(TINY),
    ClusterGCN(6, 4, 3, 2, normalization="row_and_identity", diagonal_lambda=0.5, residual=True, concat=False),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_saved_model_is_loaded_with_its_parameters_and_configuration(model: Pretrained, tmp_path: Path) -> None:
    model.train().save_pretrained(tmp_path / "model")
    loaded = type(model).from_pretrained(str(tmp_path / "model"))
    assert type(loaded) is type(model) and not loaded.training
    assert loaded.stored_config() == model.stored_config()
    assert repr(loaded) == repr(model)
    state = loaded.state_dict()
    assert set(state) == set(model.state_dict())
    for name, tensor in model.state_dict().items():
        assert torch.equal(state[name], tensor), name


def test_folders_of_other_models_and_versions_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train it first"):
        Hero.from_pretrained(tmp_path / "none")
    JointEmbedding(6, 4, 5).save_pretrained(tmp_path / "embedding")
    with pytest.raises(ValueError, match=r"embedding: not a Hero of this version; train it again \(TypeError"):
        Hero.from_pretrained(tmp_path / "embedding")
    with pytest.raises(ValueError, match=r"embedding: not a ClusterGCN of this version; train it again \(KeyError"):
        ClusterGCN.from_pretrained(tmp_path / "embedding")
    Hero(TINY).save_pretrained(tmp_path / "hero")
    stored = read_model_folder(tmp_path / "hero")
    renamed = {name.replace(".fc1.", ".wide."): tensor for name, tensor in stored.state.items()}
    write_model_folder(tmp_path / "hero", renamed, stored.config, {}, [], {})
    with pytest.raises(ValueError, match=r"(?s)hero: not a Hero of this version; train it again .*\.wide\."):
        Hero.from_pretrained(tmp_path / "hero")
