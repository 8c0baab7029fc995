"""A checkpoint as the authors release it, converted, scores as their formulas do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ml.joint_embedding.checkpoint import convert, convert_file
from ml.joint_embedding.model import JointEmbedding
from ml.training import read_model_folder


def released(video: int = 7, word: int = 5, dim: int = 6, sentence: int = 6) -> dict[str, Tensor]:
    """Tensors by the names of the released file, batch normalisation that is never applied among them."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"text_pooling.fc": (sentence, word)}
    for unit, width in (("GU_text", sentence), ("GU_video", video)):
        shapes |= {f"{unit}.fc": (dim, width), f"{unit}.cg.fc": (dim, dim)}
    state = {}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = torch.randn(shape, generator=generator)
        state[f"{name}.bias"] = torch.randn(shape[0], generator=generator)
    for unit in ("GU_text", "GU_video"):
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{unit}.cg.batch_norm.{part}"] = torch.randn(dim, generator=generator)
        state[f"{unit}.cg.batch_norm.num_batches_tracked"] = torch.tensor(0)
    return state


def published_scores(state: dict[str, Tensor], video: Tensor, words: Tensor) -> Tensor:
    """Scores by the published network: a gated linear unit of both halves, and the maximum over word slots."""

    def linear(name: str, x: Tensor) -> Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def unit(name: str, x: Tensor) -> Tensor:
        y = linear(f"{name}.fc", x)
        return functional.normalize(functional.glu(torch.cat([y, linear(f"{name}.cg.fc", y)], 1), 1))

    sentence = linear("text_pooling.fc", words).relu().amax(1)
    return unit("GU_text", sentence) @ unit("GU_video", video).T


@pytest.mark.parametrize("sentence", [6, 4])
def test_a_converted_checkpoint_scores_as_published(sentence: int, tmp_path: Path) -> None:
    state = released(sentence=sentence)
    torch.save(state, tmp_path / "released.pth")
    sizes = convert_file(tmp_path / "released.pth", tmp_path / "model")
    folder = read_model_folder(tmp_path / "model")
    assert folder.config["model"] == sizes
    model = JointEmbedding(**folder.config["model"])
    model.load_state_dict(folder.state)
    video, words = torch.randn(3, 7), torch.randn(4, 20, 5)
    words[:, 9:] = 0
    assert torch.allclose(model(video, words), published_scores(state, video, words), atol=1e-6)


def test_the_released_size() -> None:
    with torch.device("meta"):
        given: dict[str, Tensor] = {}
        model = JointEmbedding(embedding_dim=6144)
        for name, shape in {
            "text_pooling.fc": (6144, 300),
            "GU_text.fc": (6144, 6144),
            "GU_text.cg.fc": (6144, 6144),
            "GU_video.fc": (6144, 4096),
            "GU_video.cg.fc": (6144, 6144),
        }.items():
            given |= {f"{name}.weight": torch.empty(shape), f"{name}.bias": torch.empty(6144)}
    state, config = convert(given)
    assert (config["video_dim"], config["word_dim"], config["embedding_dim"]) == (4096, 300, 6144)
    ours = {name: tensor.shape for name, tensor in model.state_dict().items()}
    assert {name: tensor.shape for name, tensor in state.items()} == ours
    # The published count holds the unused affine numbers of two batch normalisations too.
    assert sum(tensor.numel() for tensor in state.values()) + 4 * 6144 == 140_310_528


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"GU_text.fc.bias": None}, "GU_text.fc.bias is missing"),
        ({"GU_audio.fc.bias": torch.zeros(6)}, "GU_audio.fc.bias is unknown"),
        (
            {"GU_text.cg.fc.weight": torch.zeros(6, 9)},
            r"GU_text.cg.fc.weight is \[6, 9\], but the others need \[6, 6\]",
        ),
        ({"GU_video.fc.bias": torch.zeros(3)}, r"GU_video.fc.bias is \[3\]"),
        ({"GU_video.fc.weight": torch.zeros(3)}, "must be matrices"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change: dict[str, Tensor | None], message: str) -> None:
    state = {name: tensor for name, tensor in (released() | change).items() if tensor is not None}
    with pytest.raises(ValueError, match=message):
        convert(state)


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("run by a checkpoint",)


def test_a_file_that_would_run_code_is_an_error(tmp_path: Path) -> None:
    torch.save({"GU_text.fc.bias": Harmful()}, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match=r"bad.pth: holds other objects than tensors"):
        convert_file(tmp_path / "bad.pth", tmp_path / "model")
    assert not (tmp_path / "model").exists()
