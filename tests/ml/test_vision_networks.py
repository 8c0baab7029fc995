"""Published networks against second implementations in plain functions and float64.

Both read the same files of random weights. If the full size is slow, a network of the same class with fewer channels
and blocks is compared, and the full one is checked for the published names and sizes.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from ml.vision import resnext101_3d, s3d, slowfast_r50
from ml.vision.presets import Weights
from ml.vision.registry import load_backbone
from ml.vision.resnet152 import ResNet152
from ml.vision.sampling import SourceVideo
from ml.vision.slowfast_r50 import caffe2_name

State = dict[str, Tensor]


def random_state(network: nn.Module, gain: float = 1.0) -> State:
    """Random parameters and running statistics, also in ``network``: no normalisation is an identity."""
    generator = torch.Generator().manual_seed(0)
    state = {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
    for name, tensor in state.items():
        if tensor.ndim > 1:
            tensor.normal_(0, gain * tensor[0].numel() ** -0.5, generator=generator)
        elif name.endswith(("weight", "var")):
            tensor.uniform_(0.5, 1.5, generator=generator)
        else:
            tensor.normal_(0, 0.1, generator=generator)
    return state


def saved(state: State, path: Path, prefix: str = "") -> Weights:
    torch.save({"state_dict": {prefix + name: tensor for name, tensor in state.items()}}, path)
    return Weights(str(path))


def random_clips(*shape: int) -> np.ndarray:
    """Noise, of which all clips but the first are darker, so that vectors differ by far more than rounding."""
    clips = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    clips[1:] //= 4
    return clips


def agrees(vectors: np.ndarray, expected: np.ndarray) -> bool:
    """Within 1e-4, where vectors of different clips are far more than that apart."""
    assert np.abs(expected[0] - expected[1]).max() > 3e-3
    return vectors.shape == expected.shape and bool(np.abs(vectors - expected).max() < 1e-4)


def normalised(clips: np.ndarray, divisor: float, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """``(clips / divisor - mean) / std`` by colour, in float64, as ``[n, 3, time, height, width]``."""
    values = (clips.astype(np.float64) / divisor - np.array(mean)) / np.array(std)
    return torch.from_numpy(values.transpose(0, 4, 1, 2, 3).copy())


class Plain:
    """Layers as functions of their names in a state dict, in float64."""

    def __init__(self, state: State) -> None:
        self.state = {name: tensor.double() for name, tensor in state.items()}

    def conv(self, x: Tensor, name: str, bn: str, stride: tuple[int, ...] | int = 1, groups: int = 1) -> Tensor:
        """Convolution with padding of half the kernel, and the batch normalisation after it."""
        kernel = self.state[f"{name}.weight"]
        padding = tuple(side // 2 for side in kernel.shape[2:])
        return self.norm(functional.conv3d(x, kernel, None, stride, padding, groups=groups), bn)

    def norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias, mean, variance = (
            self.state[f"{name}.{part}"][:, None, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias


def test_resnet152(tmp_path: Path) -> None:
    """The published recipe by hand: torchvision's network without its last two layers, averaged over the grid."""
    reference = torchvision.models.resnet152().eval()
    state = random_state(reference, gain=0.7)
    backbone = load_backbone("resnet152", weights=saved(state, tmp_path / "r.pth", "module."))
    clips = random_clips(2, 1, 64, 100)
    inputs = normalised(clips, 255, (0.485, 0.456, 0.406), (0.229 + 1e-8, 0.224 + 1e-8, 0.225 + 1e-8))[:, :, 0]
    trunk = nn.Sequential(*list(reference.children())[:-2])
    with torch.inference_mode():
        maps = trunk(inputs.float())
    assert maps.shape[2:] == (2, 4)
    expected = functional.normalize(maps.mean((2, 3)), dim=1).numpy()
    vectors = backbone(clips)
    assert (vectors.shape, vectors.dtype, backbone.dim) == ((2, 2048), np.float32, 2048)
    assert agrees(vectors, expected)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert isinstance(backbone, ResNet152)
    assert np.abs(backbone.normalised(clips).numpy() - inputs.numpy()).max() < 1e-5
    assert sum(parameter.numel() for parameter in reference.parameters()) == 60_192_808


def plain_resnext(state: State, clips: Tensor, depths: tuple[int, ...], groups: int) -> Tensor:
    layers = Plain(state)
    maps = layers.conv(clips, "conv1", "bn1", (1, 2, 2)).relu()
    maps = functional.max_pool3d(maps, 3, 2, 1)
    for stage, depth in enumerate(depths, start=1):
        for index in range(depth):
            stride = 2 if stage > 1 and index == 0 else 1
            block = f"layer{stage}.{index}"
            inner = layers.conv(maps, f"{block}.conv1", f"{block}.bn1").relu()
            inner = layers.conv(inner, f"{block}.conv2", f"{block}.bn2", stride, groups).relu()
            inner = layers.conv(inner, f"{block}.conv3", f"{block}.bn3")
            if index == 0:
                maps = layers.conv(maps, f"{block}.downsample.0", f"{block}.downsample.1", stride)
            maps = (maps + inner).relu()
    return functional.avg_pool3d(maps, maps.shape[2:]).flatten(1)


def test_resnext101_3d(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depths, groups = (2, 1, 2, 1), 4
    monkeypatch.setattr(resnext101_3d, "ResNeXt3D", partial(resnext101_3d.ResNeXt3D, depths, 8, groups))
    state = random_state(resnext101_3d.ResNeXt3D())
    with_classifier = {**state, "fc.weight": torch.zeros(400, 256), "fc.bias": torch.zeros(400)}
    backbone = load_backbone("resnext101_3d", weights=saved(with_classifier, tmp_path / "k.pth", "module."))
    clips = random_clips(2, 16, 112, 112)
    clips[1, 9:] = 0  # a last clip, filled up with black before normalisation
    inputs = normalised(clips, 1, (110.6, 103.2, 96.3), (1, 1, 1))
    assert np.abs(backbone.normalised(clips).numpy() - inputs.numpy()).max() < 1e-4
    expected = functional.normalize(plain_resnext(state, inputs, depths, groups), dim=1).numpy()
    vectors = backbone(clips)
    assert vectors.shape == (2, 256)
    assert agrees(vectors, expected)


def plain_slowfast(state: State, clips: Tensor, depths: tuple[int, ...]) -> Tensor:
    layers = Plain(state)

    def stem(frames: Tensor, pathway: int) -> Tensor:
        name = f"s1.pathway{pathway}_stem"
        maps = layers.conv(frames, f"{name}.conv", f"{name}.bn", (1, 2, 2)).relu()
        return functional.max_pool3d(maps, (1, 3, 3), (1, 2, 2), (0, 1, 1))

    def block(maps: Tensor, name: str, stride: int) -> Tensor:
        inner = layers.conv(maps, f"{name}.branch2.a", f"{name}.branch2.a_bn").relu()
        inner = layers.conv(inner, f"{name}.branch2.b", f"{name}.branch2.b_bn", (1, stride, stride)).relu()
        inner = layers.conv(inner, f"{name}.branch2.c", f"{name}.branch2.c_bn")
        if f"{name}.branch1.weight" in layers.state:
            maps = layers.conv(maps, f"{name}.branch1", f"{name}.branch1_bn", (1, stride, stride))
        return (maps + inner).relu()

    pathways = [stem(clips[:, :, [0, 4, 8, 13, 17, 22, 26, 31]], 0), stem(clips, 1)]
    for stage, depth in enumerate(depths, start=2):
        lateral = layers.conv(pathways[1], f"s{stage - 1}_fuse.conv_f2s", f"s{stage - 1}_fuse.bn", (4, 1, 1)).relu()
        pathways[0] = torch.cat((pathways[0], lateral), 1)
        for pathway in (0, 1):
            for index in range(depth):
                stride = 2 if stage > 2 and index == 0 else 1
                pathways[pathway] = block(pathways[pathway], f"s{stage}.pathway{pathway}_res{index}", stride)
    return torch.cat([maps.flatten(2).mean(2) for maps in pathways], 1)


def caffe2_file(state: State, depths: tuple[int, ...], path: Path) -> Weights:
    blobs = {caffe2_name(name, depths): tensor.numpy() for name, tensor in state.items()}
    blobs |= {"conv1_w_momentum": np.zeros(1, np.float32), "lr": np.float32(0.1), "model_iter": np.array([3])}
    blobs |= {"pred_w": np.zeros((400, 144), np.float32), "pred_b": np.zeros(400, np.float32)}
    path.write_bytes(pickle.dumps({"blobs": blobs}, protocol=2))
    return Weights(str(path))


@pytest.mark.parametrize("layout", ["PySlowFast", "Caffe2"])
def test_slowfast_r50(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    depths = (1, 2, 1, 1)
    monkeypatch.setattr(slowfast_r50, "SlowFast", partial(slowfast_r50.SlowFast, depths, 16))
    state = random_state(slowfast_r50.SlowFast())
    weights = (
        saved({**state, "head.projection.weight": torch.zeros(400, 576)}, tmp_path / "s.pyth")
        if layout == "PySlowFast"
        else caffe2_file(state, depths, tmp_path / "s.pkl")
    )
    backbone = load_backbone("slowfast_r50_1.5s", weights=weights)
    clips = random_clips(2, 32, 64, 64)
    inputs = normalised(clips, 255, (0.45,) * 3, (0.225 + 1e-8,) * 3)
    assert np.abs(backbone.normalised(clips).numpy() - inputs.numpy()).max() < 1e-5
    expected = plain_slowfast(state, inputs, depths).numpy()
    vectors = backbone(clips)
    assert vectors.shape == (2, 16 * 32 + 2 * 32)
    assert agrees(vectors, expected)


def plain_s3d(state: State, clips: Tensor) -> Tensor:
    layers = Plain(state)

    def same_pool(maps: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        """Maximum over windows, padded by TensorFlow's rule SAME with values that never win."""
        padding: list[int] = []
        for length, side, step in zip(maps.shape[2:], kernel, stride, strict=True):
            total = max((-(-length // step) - 1) * step + side - length, 0)
            padding = [total // 2, total - total // 2, *padding]
        return functional.max_pool3d(functional.pad(maps, padding, value=-torch.inf), kernel, stride)

    def gate(maps: Tensor, name: str) -> Tensor:
        weights = maps.flatten(2).mean(2) @ layers.state[f"{name}.fc.weight"].T + layers.state[f"{name}.fc.bias"]
        return maps * torch.sigmoid(weights)[:, :, None, None, None]

    def one(maps: Tensor, name: str) -> Tensor:
        return layers.conv(maps, f"{name}.conv1", f"{name}.bn1").relu()

    def separable(maps: Tensor, name: str) -> Tensor:
        return layers.conv(one(maps, name), f"{name}.conv2", f"{name}.bn2").relu()

    def mixed(maps: Tensor, name: str) -> Tensor:
        branches = (
            one(maps, f"{name}.conv_b0"),
            separable(one(maps, f"{name}.conv_b1_a"), f"{name}.conv_b1_b"),
            separable(one(maps, f"{name}.conv_b2_a"), f"{name}.conv_b2_b"),
            one(functional.max_pool3d(maps, 3, 1, 1), f"{name}.conv_b3_b"),
        )
        return torch.cat([gate(branch, f"{name}.gating_b{i}") for i, branch in enumerate(branches)], 1)

    kernel = layers.state["conv1.conv1.weight"]
    if kernel.shape[1] == 24:
        # The first convolution over cubes of 2x2x2 pixels is one over pixels, of twice the kernel and stride 2.
        kernel = kernel.unflatten(1, (2, 2, 2, 3)).permute(0, 4, 5, 1, 6, 2, 7, 3)
        kernel = kernel.flatten(2, 3).flatten(3, 4).flatten(4, 5)
        padding = (2, 4, 2, 4, 0, 2)
    else:
        padding = (3, 3, 3, 3, 1, 1)
    maps = functional.conv3d(functional.pad(clips, padding), kernel, stride=2)
    maps = same_pool(layers.norm(maps, "conv1.bn1").relu(), (1, 3, 3), (1, 2, 2))
    maps = gate(separable(one(maps, "conv_2b"), "conv_2c"), "gating")
    maps = same_pool(maps, (1, 3, 3), (1, 2, 2))
    for letter in "bc":
        maps = mixed(maps, f"mixed_3{letter}")
    maps = same_pool(maps, (3, 3, 3), (2, 2, 2))
    for letter in "bcdef":
        maps = mixed(maps, f"mixed_4{letter}")
    maps = same_pool(maps, (2, 2, 2), (2, 2, 2))
    for letter in "bc":
        maps = mixed(maps, f"mixed_5{letter}")
    return maps.flatten(2).mean(2)


@pytest.mark.parametrize("space_to_depth", [True, False])
def test_s3d(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space_to_depth: bool) -> None:
    """The layout of S3D_HowTo100M, and that of checkpoints of MIL-NCE_HowTo100M with the names of parallel training."""
    monkeypatch.setattr(s3d, "GatedS3D", partial(s3d.GatedS3D, 8))
    state = random_state(s3d.GatedS3D(space_to_depth=space_to_depth), gain=1.6)
    others = {"fc.bias": torch.zeros(512), "text_module.word_embd.weight": torch.zeros(9, 3)}
    prefix = "" if space_to_depth else "module."
    backbone = load_backbone("s3d", weights=saved({**state, **others}, tmp_path / "s3d.pth", prefix))
    clips = random_clips(2, 16, 64, 96)
    inputs = normalised(clips, 255, (0, 0, 0), (1, 1, 1))
    vectors = backbone(clips)
    assert vectors.shape == (2, 128)
    assert agrees(vectors, plain_s3d(state, inputs).numpy())


@pytest.mark.parametrize(
    ("network", "parameters", "dim", "shapes"),
    [
        (
            resnext101_3d.ResNeXt3D,
            47_521_216,
            2048,
            {
                "conv1.weight": (64, 3, 7, 7, 7),
                "layer1.0.conv2.weight": (128, 4, 3, 3, 3),
                "layer1.0.downsample.0.weight": (256, 64, 1, 1, 1),
                "layer3.22.bn3.running_var": (1024,),
                "layer4.2.conv3.weight": (2048, 1024, 1, 1, 1),
            },
        ),
        (
            slowfast_r50.SlowFast,
            33_644_488,
            2304,
            {
                "s1.pathway1_stem.conv.weight": (8, 3, 5, 7, 7),
                "s1_fuse.conv_f2s.weight": (16, 8, 7, 1, 1),
                "s2.pathway0_res0.branch2.a.weight": (64, 80, 1, 1, 1),
                "s4.pathway0_res5.branch2.a.weight": (256, 1024, 3, 1, 1),
                "s5.pathway1_res0.branch1.weight": (256, 128, 1, 1, 1),
                "s5.pathway0_res2.branch2.c_bn.weight": (2048,),
            },
        ),
        (
            s3d.GatedS3D,
            9_146_000,
            1024,
            {
                "conv1.conv1.weight": (64, 24, 2, 4, 4),
                "conv_2c.conv2.weight": (192, 192, 3, 1, 1),
                "gating.fc.weight": (192, 192),
                "mixed_3b.conv_b1_b.conv1.weight": (128, 96, 1, 3, 3),
                "mixed_4f.gating_b2.fc.bias": (128,),
                "mixed_5c.conv_b3_b.conv1.weight": (128, 832, 1, 1, 1),
            },
        ),
    ],
)
def test_the_full_size(
    network: Callable[[], nn.Module], parameters: int, dim: int, shapes: dict[str, tuple[int, ...]]
) -> None:
    full = network().eval()
    assert sum(parameter.numel() for parameter in full.parameters()) == parameters
    state = full.state_dict()
    assert {name: tuple(state[name].shape) for name in shapes} == shapes
    with torch.inference_mode():
        assert full(torch.zeros(1, 3, 32, 64, 64)).shape == (1, dim)


@pytest.mark.parametrize(
    ("own", "caffe2"),
    [
        ("s1.pathway0_stem.conv.weight", "conv1_w"),
        ("s1.pathway0_stem.bn.running_var", "res_conv1_bn_riv"),
        ("s1.pathway1_stem.conv.weight", "t_conv1_w"),
        ("s1.pathway1_stem.bn.weight", "t_res_conv1_bn_s"),
        ("s1_fuse.conv_f2s.weight", "t_pool1_subsample_w"),
        ("s1_fuse.bn.running_mean", "t_pool1_subsample_bn_rm"),
        ("s4_fuse.conv_f2s.weight", "t_res4_5_branch2c_bn_subsample_w"),
        ("s2_fuse.bn.running_mean", "t_res2_2_branch2c_bn_subsample_bn_rm"),
        ("s4.pathway0_res0.branch1.weight", "res4_0_branch1_w"),
        ("s4.pathway0_res0.branch1_bn.bias", "res4_0_branch1_bn_b"),
        ("s4.pathway0_res4.branch2.c_bn.bias", "res4_4_branch2c_bn_b"),
        ("s5.pathway1_res2.branch2.a.weight", "t_res5_2_branch2a_w"),
    ],
)
def test_names_in_the_published_slowfast_file(own: str, caffe2: str) -> None:
    assert caffe2_name(own) == caffe2


def test_no_two_parameters_of_slowfast_share_a_caffe2_name() -> None:
    with torch.device("meta"):
        names = [name for name in slowfast_r50.SlowFast().state_dict() if not name.endswith("num_batches_tracked")]
    assert len({caffe2_name(name) for name in names}) == len(names) == 550


def test_open_clip(tmp_path: Path) -> None:
    """A small architecture of the test's own; the text tower's weights are in the file as well."""
    open_clip = pytest.importorskip("open_clip")
    vision = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8}
    text = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
    (tmp_path / "tiny-clip.json").write_text(json.dumps({"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}))
    open_clip.add_model_config(tmp_path / "tiny-clip.json")
    model = open_clip.create_model("tiny-clip", load_weights=False).eval()
    save_file(model.state_dict(), tmp_path / "clip.safetensors")
    backbone = load_backbone("open_clip-tiny-clip", weights=Weights(str(tmp_path / "clip.safetensors")))
    clips = random_clips(2, 1, 32, 32)
    inputs = normalised(clips, 255, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)[:, :, 0].float()
    with torch.inference_mode():
        expected = model.encode_image(inputs, normalize=True).numpy()
    assert backbone.dim == 24
    assert agrees(backbone(clips), expected)
    sampling = backbone.sampling(SourceVideo(25, 60))
    assert (sampling.row_rate, sampling.short_side, sampling.centre_crop) == (1, 32, 32)


def test_timm(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    model = timm.create_model("test_vit", pretrained=False, num_classes=10).eval()
    backbone = load_backbone("timm-test_vit.r160_in1k", weights=saved(model.state_dict(), tmp_path / "vit.pth"))
    clips = random_clips(2, 1, 160, 160)
    inputs = normalised(clips, 255, model.pretrained_cfg["mean"], model.pretrained_cfg["std"])[:, :, 0].float()
    with torch.inference_mode():
        pooled = model.forward_head(model.forward_features(inputs), pre_logits=True)
    assert agrees(backbone(clips), functional.normalize(pooled, dim=1).numpy())
    sampling = backbone.sampling(SourceVideo(25, 60))
    assert (sampling.short_side, sampling.centre_crop) == (int(160 / model.pretrained_cfg["crop_pct"]), 160)


def test_errors_of_image_encoders_name_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match="backbone 'timm-nothing': timm has no 'nothing'"):
        load_backbone("timm-nothing")
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        ImportError, match=r"timm is not installed; install the extra: pip install 'howto-lake\[vision\]'"
    ):
        load_backbone("timm-resnet10t")
