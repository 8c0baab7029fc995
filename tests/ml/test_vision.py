"""The packaged image network: real weights, and vectors that do not depend on their neighbours in a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image
from torch.nn import functional

from ml.vision.efficientnet_lite0 import EfficientNetLite0
from ml.vision.registry import load_backbone


@pytest.fixture(scope="module")
def backbone() -> EfficientNetLite0:
    loaded = load_backbone("efficientnet_lite0")
    assert isinstance(loaded, EfficientNetLite0)
    return loaded


def test_vectors(backbone: EfficientNetLite0) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    vectors = backbone(frames)
    assert (vectors.shape, vectors.dtype, backbone.dim) == ((3, 1280), np.float32, 1280)
    assert np.allclose(backbone(frames[1:2])[0], vectors[1], atol=1e-5)
    assert np.abs(vectors[0] - vectors[1]).max() > 0.1


@pytest.mark.parametrize(("picture", "imagenet_class"), [("china.jpg", 698), ("flower.jpg", 985)])
def test_photographs_are_recognised(backbone: EfficientNetLite0, picture: str, imagenet_class: int) -> None:
    """A palace and a daisy: weights, channel order and scaling are right together."""
    photograph = torch.from_numpy(load_sample_image(picture).copy()).permute(2, 0, 1)[None].float()
    small = functional.interpolate(photograph, (256, 383), mode="bicubic", antialias=True)[:, :, 16:240, 79:303]
    frames = small.clamp(0, 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    assert backbone.network._fc(torch.from_numpy(backbone(frames))).argmax() == imagenet_class


def test_the_fingerprint_is_of_weights_and_preprocessing(
    backbone: EfficientNetLite0, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert backbone.fingerprint == EfficientNetLite0(torch.device("cpu")).fingerprint
    assert len(backbone.fingerprint) == 64
    monkeypatch.setattr("ml.vision.efficientnet_lite0.PREPROCESSING", "another")
    assert EfficientNetLite0(torch.device("cpu")).fingerprint != backbone.fingerprint


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match="'resnet9000': not known; known are efficientnet_lite0"):
        load_backbone("resnet9000")
