"""Image encoders of open_clip and timm, which the extra ``vision`` installs.

Geometry and colours are those of each library. Weights are read from a file, never from a hub. See
``ml.text_video.open_clip`` for whole open_clip models with their text towers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from math import floor
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ml.files import content_hash, file_hash
from ml.reading import json_document
from ml.vision.presets import BackboneSpec, Options, Weights
from ml.vision.runtime import FrozenNetwork, Normalisation
from ml.vision.sampling import Sampling, SourceVideo
from ml.vision.weights import WeightsError, load_parameters, read_weights


class _ImageEncoder(FrozenNetwork):
    """An encoder of the middle square of one picture per second; its vectors have unit length."""

    def __init__(
        self,
        spec: BackboneSpec,
        options: Options,
        module: nn.Module,
        weights_sha256: str,
        *,
        sampling: Sampling,
        size: Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        with torch.inference_mode():
            dim = module.to(options.device).eval()(torch.zeros(1, 3, *size, device=options.device)).shape[1]
        self._sampling = sampling
        super().__init__(
            name=spec.name,
            dim=dim,
            module=module,
            normalisation=Normalisation(255.0, (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])),
            pictures=True,
            unit_length=True,
            weights_sha256=weights_sha256,
            recipe=(spec.name, sampling),
            options=options,
        )

    def sampling(self, video: SourceVideo) -> Sampling:
        """One picture per second, for all videos."""
        return self._sampling


class OpenClip(_ImageEncoder):
    """The image tower of ``open_clip-<architecture>``: vectors in the joint space of pictures and text.

    The shorter side is scaled to the model's size, regardless of the resizing that the model was trained with.
    """

    def __init__(self, spec: BackboneSpec, options: Options, weights: Weights | None = None) -> None:
        library = _library("open_clip")
        architecture = _architecture(spec.name, library.list_models())
        published = Weights("https://github.com/mlfoundations/open_clip/blob/main/docs/PRETRAINED.md")
        state, digest = read_weights(spec.name, weights, published)
        model = library.create_model(architecture, load_weights=False)
        load_parameters(spec.name, model, state)
        pictures = library.get_model_preprocess_cfg(model)
        side = _square(spec.name, pictures["size"])
        super().__init__(
            spec,
            options,
            _ImageTower(model.visual),
            digest,
            sampling=Sampling(Fraction(1), short_side=side, centre_crop=side),
            size=(side, side),
            mean=pictures["mean"],
            std=pictures["std"],
        )


class Timm(_ImageEncoder):
    """The encoder ``timm-<architecture>`` without its classifier, on pictures cropped as in the model's evaluation."""

    def __init__(self, spec: BackboneSpec, options: Options, weights: Weights | None = None) -> None:
        library = _library("timm")
        architecture = _architecture(spec.name, library.list_models(), before_dot=True)
        state, digest = read_weights(spec.name, weights, Weights(f"https://huggingface.co/timm/{architecture}"))
        model = library.create_model(architecture, pretrained=False, num_classes=0)
        classifier = model.pretrained_cfg.get("classifier") or ()
        heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
        load_parameters(spec.name, model, state, unused=[f"{head}." for head in heads])
        pictures = library.data.resolve_model_data_config(model)
        side = _square(spec.name, pictures["input_size"][1:])
        super().__init__(
            spec,
            options,
            model,
            digest,
            sampling=Sampling(Fraction(1), short_side=floor(side / pictures["crop_pct"]), centre_crop=side),
            size=(side, side),
            mean=pictures["mean"],
            std=pictures["std"],
        )


CONFIG = "open_clip_config.json"
WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
"""Names of the file of weights in a folder, in the order in which open_clip prefers them (its ``factory.py``)."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
"""Files of a tokenizer of Hugging Face, such as that of SigLIP 2."""
_MODES = {"shortest": False, "squash": True}
_INTERPOLATIONS = {"bicubic": False, "bilinear": True}


@dataclass(frozen=True)
class FolderModel:
    """A whole open_clip model of a folder: its image tower as a network of features, its tokenizer, and a hash."""

    model: nn.Module
    tokenizer: Callable[[list[str]], Tensor]
    network: _ImageEncoder
    digest: str


def open_clip_folder(folder: Path, options: Options) -> FolderModel:
    """A model as open_clip reads it by ``local-dir:``, with pictures resized as its configuration says.

    Raises:
        WeightsError: the folder is not complete, or its files do not fit each other.
        ImportError: open_clip, or what the tokenizer needs, is not installed.
    """
    library = _library("open_clip")
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if weights is None or not (folder / CONFIG).is_file():
        raise WeightsError(f"open_clip: {folder} must hold {CONFIG} and a file of weights such as {WEIGHTS[0]}")
    try:
        config = json_document(folder / CONFIG)
        model = library.create_model_from_pretrained(
            f"local-dir:{folder}", device=options.device, return_transform=False
        )
        pictures = library.get_model_preprocess_cfg(model)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, OSError) as error:
        raise WeightsError(f"open_clip: {folder}: {_one_line(error)}") from error
    digest = content_hash((file_hash(weights), config), digits=64)
    network = _of_folder(folder, options, model, digest, pictures)
    return FolderModel(model.eval().requires_grad_(False), _tokenizer(library, folder, config), network, digest)


def _tokenizer(library: ModuleType, folder: Path, config: dict[str, Any]) -> Callable[[list[str]], Tensor]:
    """The tokenizer that the configuration names: CLIP's own, or one of Hugging Face whose files are in the folder.

    Raises, also when it is used:
        WeightsError: the files of the tokenizer are missing, damaged, or those of another model.
    """
    text = config["model_cfg"].get("text_cfg", {})
    files = [folder / name for name in TOKENIZER_FILES]
    if text.get("hf_tokenizer_name") and not any(file.is_file() for file in files):
        raise WeightsError(
            f"open_clip: {folder} has no tokenizer; its model has one of its own"
            f" ({text['hf_tokenizer_name']}): put {', '.join(TOKENIZER_FILES)} of the model into the folder"
        )
    try:
        tokenizer: Callable[[list[str]], Tensor] = library.get_tokenizer(f"local-dir:{folder}")
    except ImportError as error:
        raise ImportError(
            f"{folder}: its tokenizer needs transformers; install the extra: pip install 'howto-lake[vision]'"
        ) from error
    except Exception as error:  # the library below raises a bare Exception for a damaged file
        raise WeightsError(f"open_clip: the tokenizer of {folder}: {_one_line(error)}") from error

    known = text.get("vocab_size")

    def tokens_of(texts: list[str]) -> Tensor:
        tokens = tokenizer(texts)
        if known is not None and tokens.numel() and int(tokens.max()) >= known:
            raise WeightsError(
                f"open_clip: {folder}: its tokenizer makes token {int(tokens.max()):,}, but its model has {known:,};"
                " the files of the tokenizer are those of another model"
            )
        return tokens

    return tokens_of


def _of_folder(
    folder: Path, options: Options, model: nn.Module, digest: str, pictures: dict[str, Any]
) -> _ImageEncoder:
    name = f"open_clip:{folder.name}"
    side, mode, interpolation = _square(name, pictures["size"]), pictures["resize_mode"], pictures["interpolation"]
    if mode not in _MODES or interpolation not in _INTERPOLATIONS:
        raise WeightsError(
            f"{name}: resize_mode {mode!r} with interpolation {interpolation!r} is not supported;"
            f" supported are {', '.join(_MODES)} and {', '.join(_INTERPOLATIONS)}"
        )
    squash, bilinear = _MODES[mode], _INTERPOLATIONS[interpolation]
    sampling = Sampling(
        Fraction(1),
        short_side=side,
        centre_crop=None if squash else side,
        rule="at",
        squash=squash,
        bilinear=bilinear,
    )
    # The configuration, of which the resizing is a part, is hashed with the weights.
    spec = BackboneSpec(f"open_clip_{digest[:8]}", "open_clip")
    tower, colours = _ImageTower(getattr(model, "visual")), (pictures["mean"], pictures["std"])  # noqa: B009
    return _ImageEncoder(
        spec, options, tower, digest, sampling=sampling, size=(side, side), mean=colours[0], std=colours[1]
    )


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:300]


class _ImageTower(nn.Module):
    """The pooled vector, without the vectors of patches that some towers also return."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pictures: Tensor) -> Tensor:
        vectors: Tensor | tuple[Tensor, Tensor] = self.tower(pictures)
        return vectors[0] if isinstance(vectors, tuple) else vectors


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is not installed; install the extra: pip install 'howto-lake[vision]'") from error


def _architecture(backbone: str, known: Sequence[str], before_dot: bool = False) -> str:
    """The part of a backbone's name after the library; timm appends the training run after a dot."""
    library, _, architecture = backbone.partition("-")
    if (architecture.partition(".")[0] if before_dot else architecture) not in known:
        raise ValueError(
            f"backbone {backbone!r}: {library} has no {architecture!r}; {library}.list_models() lists them"
        )
    return architecture


def _square(backbone: str, size: int | Sequence[int]) -> int:
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise ValueError(f"backbone {backbone!r}: takes pictures of {height} x {width}; only squares are supported")
    return height
