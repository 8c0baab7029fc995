"""open_clip models of a local folder: the preprocessing of the folder, the library's own vectors, clear errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from ml.joint_embedding.pairs import Stream
from ml.text_video.open_clip import OpenClipTextVideo
from ml.vision.image_text import TOKENIZER_FILES, _tokenizer
from ml.vision.presets import Options
from ml.vision.sampling import SourceVideo
from ml.vision.weights import WeightsError
from tests.ml.text_video.towers import CONFIGS, open_clip_folder, write_tokenizer


@pytest.mark.parametrize("kind", CONFIGS)
def test_vectors_are_those_of_the_library(tmp_path: Path, kind: str) -> None:
    folder = open_clip_folder(tmp_path, kind)
    model = OpenClipTextVideo(folder, Options())
    theirs = open_clip.create_model_from_pretrained(f"local-dir:{folder}", return_transform=False).eval()
    texts = ["Whisk the eggs", "fold"]
    sampling = model.network.sampling(SourceVideo(25, 10))
    pictures = np.random.default_rng(0).integers(0, 256, (3, 1, *[sampling.short_side] * 2, 3), np.uint8)
    preprocessing = CONFIGS[kind][1]
    inputs = (pictures[:, 0] / 255 - np.array(preprocessing["mean"])) / np.array(preprocessing["std"])
    with torch.inference_mode():
        text = theirs.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(texts), normalize=True)
        rows = theirs.encode_image(torch.from_numpy(inputs.transpose(0, 3, 1, 2)).float(), normalize=True).numpy()
    np.testing.assert_allclose(model.encode_text(texts), text.numpy(), atol=1e-6)
    found = model.network(pictures)
    np.testing.assert_allclose(found, rows, atol=1e-5)
    assert (sampling.squash, sampling.bilinear) == (kind.startswith("siglip"), kind == "timm")
    vectors, empty = model.encode_clips([Stream(found, 1.0)], np.array([0.0, 9.0]), np.array([1.5, 9.5]))
    np.testing.assert_allclose(vectors[0], rows[:2].mean(0), atol=1e-5)
    assert empty.tolist() == [False, True]
    assert model.identity.startswith(f"open_clip:{kind}@")


def test_a_tokenizer_in_the_folder_is_the_model_s_own(tmp_path: Path) -> None:
    """SigLIP 2: lower case without punctuation, then the folder's tokens, their end, and padding."""
    folder = open_clip_folder(tmp_path, "siglip2")
    plain = write_tokenizer(folder)
    model = OpenClipTextVideo(folder, Options())
    ids = [plain.encode(text).ids for text in ("whisk the eggs", "fold", "")]
    assert [len(each) > 1 for each in ids] == [True, True, False]
    tokens = torch.tensor([each + [0] * (16 - len(each)) for each in ids])
    assert torch.equal(model.tokenizer(["Whisk, the EGGS!", "fold", ""]), tokens)
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(model.model.encode_text(tokens), dim=1).numpy()
    np.testing.assert_allclose(model.encode_text(["Whisk, the EGGS!", "fold", ""]), expected, atol=1e-6)
    assert np.isfinite(model.encode_text(["whisk " * 100, "\N{PILE OF POO}"])).all(), "long, and of unknown letters"


def test_a_tokenizer_that_cannot_be_used_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_clip_folder(tmp_path, "siglip2")
    write_tokenizer(folder, vocabulary=90)
    config = json.loads((folder / "open_clip_config.json").read_text())
    with pytest.raises(WeightsError, match=r"makes token \d+, but its model has 20; .* those of another model"):
        config["model_cfg"]["text_cfg"]["vocab_size"] = 20
        _tokenizer(open_clip, folder, config)(["whisk the eggs"])
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(WeightsError, match=r"the tokenizer of .*siglip2: "):
        OpenClipTextVideo(folder, Options())
    for name in TOKENIZER_FILES:
        (folder / name).unlink()
    with pytest.raises(WeightsError, match=r"has no tokenizer; .* put tokenizer.json, tokenizer_config.json"):
        OpenClipTextVideo(folder, Options())
    write_tokenizer(folder)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"needs transformers; install the extra: pip install 'howto-lake\[vision\]'"):
        OpenClipTextVideo(folder, Options())


def test_the_identity_follows_weights_and_preprocessing(tmp_path: Path) -> None:
    folder = open_clip_folder(tmp_path, "clip")
    before = OpenClipTextVideo(folder, Options())
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["resize_mode"] = "squash"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    after = OpenClipTextVideo(folder, Options())
    assert before.identity != after.identity and before.network.fingerprint != after.network.fingerprint


def test_a_folder_that_is_not_complete_is_refused(tmp_path: Path) -> None:
    """The library itself warns, and goes on with random weights."""
    folder = open_clip_folder(tmp_path, "clip")
    weights = (folder / "model.safetensors").rename(tmp_path / "elsewhere")
    with pytest.raises(WeightsError, match=r"must hold open_clip_config.json and a file of weights"):
        OpenClipTextVideo(folder, Options())
    weights.rename(folder / "model.safetensors")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["embed_dim"] = 25
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=r"clip: RuntimeError"):
        OpenClipTextVideo(folder, Options())
    config["model_cfg"]["embed_dim"], config["preprocess_cfg"]["resize_mode"] = 24, "longest"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=r"resize_mode 'longest' .* is not supported"):
        OpenClipTextVideo(folder, Options())
