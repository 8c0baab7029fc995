"""Image encoders of open_clip and timm, which the extra ``vision`` installs.

Geometry and colours are those of each library. Weights are read from a file, never from a hub.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from importlib import import_module
from math import floor
from types import ModuleType

import torch
from torch import Tensor, nn

from ml.vision.presets import BackboneSpec, Options, Weights
from ml.vision.runtime import FrozenNetwork, Normalisation
from ml.vision.sampling import Sampling, SourceVideo
from ml.vision.weights import load_parameters, read_weights


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
            dim = module(torch.zeros(1, 3, *size)).shape[1]
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
