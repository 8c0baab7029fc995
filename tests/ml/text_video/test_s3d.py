"""S3D's text tower and projection against plain functions, its windows, and what is wrong with its files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ml.joint_embedding.pairs import Stream
from ml.text_video.s3d import DICTIONARY, S3DTextVideo, read_words
from ml.vision import s3d
from ml.vision.presets import Options, Weights
from ml.vision.weights import WeightsError
from tests.ml.text_video.towers import WORDS, s3d_folder, s3d_state


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3d, "GatedS3D", partial(s3d.GatedS3D, 16))


def load(root: Path, space_to_depth: bool = True) -> S3DTextVideo:
    return S3DTextVideo(Options(), Weights(str(s3d_folder(root, 16, space_to_depth))))


@pytest.mark.parametrize("space_to_depth", [True, False])
def test_texts_and_clips_are_those_of_a_plain_forward(tmp_path: Path, space_to_depth: bool) -> None:
    model = load(tmp_path, space_to_depth)
    state = {name: tensor.double().numpy() for name, tensor in s3d_state(16, space_to_depth).items()}
    texts = ["Whisk the eggs!", "the Pan", "nothing known", "it's " * 40]

    def plain(text: str) -> np.ndarray:
        known = text.lower() if space_to_depth else text
        words = [word for word in known.replace("!", "").split() if word in WORDS]
        ids = ([WORDS.index(word) + 1 for word in words] + [0] * 30)[:30]
        hidden = state["text_module.word_embd.weight"][ids] @ state["text_module.fc1.weight"].T
        hidden = np.maximum(hidden + state["text_module.fc1.bias"], 0).max(0)
        return hidden @ state["text_module.fc2.weight"].T + state["text_module.fc2.bias"]

    np.testing.assert_allclose(model.encode_text(texts), np.stack([plain(text) for text in texts]), atol=1e-5)
    assert model.known_words("Whisk the Pan") == (["whisk", "the"] if space_to_depth else ["the", "Pan"])

    rows = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float16)
    vectors, empty = model.encode_clips([Stream(rows, 5 / 16)], np.array([0.0, 3.5, 90.0]), np.array([3.0, 9.0, 95.0]))
    projected = rows.astype(np.float64) @ state["fc.weight"].T + state["fc.bias"]
    np.testing.assert_allclose(vectors[0], projected[0], atol=1e-4)
    np.testing.assert_allclose(vectors[1], projected[1:3].mean(0), atol=1e-4)
    assert empty.tolist() == [False, False, True] and not vectors[2].any()


def test_windows_are_those_of_the_published_evaluation(tmp_path: Path) -> None:
    model = load(tmp_path)
    samplings = model.window_samplings(10.0, 30.0)
    assert len(samplings) == 10 and {each.clip_frames for each in samplings} == {16}
    starts = [float(each.start_s) for each in samplings if each.start_s is not None]
    assert starts == pytest.approx(np.linspace(10, 30 - 16 / 5 - 0.4, 10))
    assert set(model.window_starts(10.0, 12.0)) == {10.0}, "a short clip is read ten times from its start"


def test_the_dictionary_may_be_an_array_of_objects(tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", np.array(WORDS, object), allow_pickle=True)
    assert read_words(tmp_path / "words.npy") == WORDS


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    weights = s3d_folder(tmp_path, 16, True)
    np.save(tmp_path / DICTIONARY, np.array([*WORDS, "extra"]))
    with pytest.raises(WeightsError, match="7 words, but the text tower has vectors of 6"):
        S3DTextVideo(Options(), Weights(str(weights)))
    np.save(tmp_path / DICTIONARY, np.array([object], object), allow_pickle=True)
    with pytest.raises(WeightsError, match=r"s3d_dict.npy: not a"):
        S3DTextVideo(Options(), Weights(str(weights)))
    (tmp_path / DICTIONARY).unlink()
    with pytest.raises(WeightsError, match=r"no file .*s3d_dict.npy; put the authors' s3d_dict.npy next to"):
        S3DTextVideo(Options(), Weights(str(weights)))
