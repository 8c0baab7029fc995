"""Every published layout at its full size, with random weights, against an independent forward.

``python -m tests.published_layouts`` writes the largest differences to ``docs/published.json``, from which the page
``docs/published.md`` is made. Published files themselves were not available.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file
from torch.nn import functional

from ml.hero.batch import END, Subtitle, Video, aligned, collate, collate_texts
from ml.hero.config import HeroConfig
from ml.hero.downstream.released import convert_file as convert_hero
from ml.hero.downstream.released import load_network
from ml.hero.downstream.tasks.captioning import CaptionNetwork
from ml.hero.downstream.tasks.question_answering import AnswerNetwork, QuestionBatch
from ml.hero.downstream.tasks.video_entailment import StatementNetwork
from ml.hero.model import Hero
from ml.joint_embedding.checkpoint import convert_file as convert_joint_embedding
from ml.joint_embedding.model import JointEmbedding
from ml.text_video.open_clip import OpenClipTextVideo
from ml.text_video.s3d import S3DTextVideo
from ml.vision import resnext101_3d, slowfast_r50
from ml.vision.presets import Options, Weights
from ml.vision.registry import load_backbone
from ml.vision.sampling import SourceVideo
from tests.ml import test_checkpoint as joint
from tests.ml import test_vision_networks as vision
from tests.ml.hero.plain_hero import PlainHero, released
from tests.ml.text_video.towers import s3d_folder, s3d_state, write_tokenizer

Check = Callable[[Path], float]
RESULTS = Path(__file__).parent.parent / "docs" / "published.json"
FRAMES, TEXT = 20, (END, 713, 9, 44, END, 2001, 65)
_PE = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear", "resize_mode": "squash"}
_SIGLIP = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
_APPLE = {"mean": [0.0] * 3, "std": [1.0] * 3, "interpolation": "bilinear", "resize_mode": "shortest"}
_OPENAI = {
    "mean": list(open_clip.OPENAI_DATASET_MEAN),
    "std": list(open_clip.OPENAI_DATASET_STD),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def joint_embedding(folder: Path) -> float:
    """Scores of 3 captions with 4 clips."""
    state = joint.released(video=4096, word=300, dim=6144, sentence=6144)
    state = {name: tensor * 0.02 if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    torch.save(state, folder / "released.pth")
    convert_joint_embedding(folder / "released.pth", folder / "model")
    model, (video, words) = (
        JointEmbedding.from_pretrained(folder / "model"),
        (torch.randn(4, 4096), torch.randn(3, 20, 300)),
    )
    exact = {name: tensor.double() for name, tensor in state.items()}
    return _difference(model(video, words), joint.published_scores(exact, video.double(), words.double()))


def s3d(folder: Path, space_to_depth: bool) -> float:
    """Projected vectors of 2 clips of 16 pictures of 112 x 112, and of 2 texts."""
    model = S3DTextVideo(Options(), Weights(str(s3d_folder(folder, 1, space_to_depth))))
    state = s3d_state(1, space_to_depth)
    clips = vision.random_clips(2, 16, 112, 112)
    video = vision.plain_s3d(state, vision.normalised(clips, 255, (0, 0, 0), (1, 1, 1)))
    video = video @ state["fc.weight"].double().T + state["fc.bias"].double()
    ids = torch.tensor([[2, 3, *[0] * 28], [4, *[0] * 29]])
    hidden = functional.linear(state["text_module.word_embd.weight"][ids], state["text_module.fc1.weight"])
    hidden = (hidden + state["text_module.fc1.bias"]).relu().amax(1)
    text = functional.linear(hidden, state["text_module.fc2.weight"], state["text_module.fc2.bias"])
    found = torch.from_numpy(model.project(model.network(clips)))
    return max(_difference(found, video), _difference(torch.from_numpy(model.encode_text(["the eggs", "fold"])), text))


def resnext101(folder: Path) -> float:
    """Vectors of 2 clips."""
    state = vision.random_state(resnext101_3d.ResNeXt3D(), gain=0.7)
    backbone = load_backbone("resnext101_3d", weights=vision.saved(state, folder / "k.pth", "module."))
    clips = vision.random_clips(2, 16, 112, 112)
    inputs = vision.normalised(clips, 1, (110.6, 103.2, 96.3), (1, 1, 1))
    expected = functional.normalize(vision.plain_resnext(state, inputs, (3, 4, 23, 3), 32), dim=1)
    return _difference(torch.from_numpy(backbone(clips)), expected)


def slowfast(folder: Path, caffe2: bool) -> float:
    """Vectors of 2 clips of 32 pictures of 64 x 64."""
    depths = (3, 4, 6, 3)
    state = vision.random_state(slowfast_r50.SlowFast(), gain=0.7)
    weights = vision.caffe2_file(state, depths, folder / "s.pkl") if caffe2 else vision.saved(state, folder / "s.pyth")
    clips = vision.random_clips(2, 32, 64, 64)
    inputs = vision.normalised(clips, 255, (0.45,) * 3, (0.225 + 1e-8,) * 3)
    found = load_backbone("slowfast_r50_1.5s", weights=weights)(clips)
    return _difference(torch.from_numpy(found), vision.plain_slowfast(state, inputs, depths))


def hero(folder: Path, kind: str) -> float:
    """Outputs of the head for a video of 20 frames with two subtitles; for pre-training, frames, query and moments."""
    config = HeroConfig(dropout=0.0)
    state = released(config, kind, scale=0.03)
    torch.save(state, folder / "released.pt")
    convert_hero(folder / "released.pt", folder / "model")
    plain, rows = PlainHero(state, config.heads), np.random.default_rng(0).normal(size=(FRAMES, config.frame_dim))
    said = [Subtitle(0.0, 9.0, (5, 600, 7)), Subtitle(12.0, 20.0, (40_000, 8))]
    video = aligned(Video("v", rows.astype(np.float32), 1.5, said), config)
    frames = lambda text=(): plain.frames(  # noqa: E731
        torch.from_numpy(video.features).double(), [(p.frames, (*p.tokens, *text)) for p in video.passages], text
    )
    if kind == "pre-training":
        model = Hero.from_pretrained(folder / "model")
        found, query = model.contextual(collate([video])), model.encode_query(collate_texts([TEXT[1:]]))
        boundaries = model.moments(query, found[None], torch.ones(1, FRAMES, dtype=torch.bool))
        wanted = plain.boundaries(plain.query(TEXT[1:]), frames(), FRAMES)
        pairs = [
            (found, frames()),
            (query[0], plain.query(TEXT[1:])),
            *zip((b[0] for b in boundaries), wanted, strict=True),
        ]
        return max(_difference(one, other) for one, other in pairs)
    if kind == "question answering":
        answers, unknown = AnswerNetwork(Hero(config), 2).eval(), torch.tensor([-1])
        load_network(folder / "model", answers, kind)
        texts = [TEXT, TEXT[:-1]]
        found_answers, start, end = answers.logits(
            QuestionBatch(Hero.with_texts([video] * 2, texts), unknown, unknown, unknown)
        )
        all_frames = torch.stack([frames(text) for text in texts])
        right = plain.two_layers(plain.pool(all_frames, "qa_pool", 1), "qa_pred_head")[:, 0]
        span = plain.two_layers(plain.pool(all_frames, "st_ed_pool", 0), "st_ed_pred_head")
        return max(_difference(found_answers[0], right), _difference(torch.stack([start[0], end[0]], 1), span))
    if kind == "video entailment":
        statements = StatementNetwork(Hero(config)).eval()
        load_network(folder / "model", statements, kind)
        truth = plain.two_layers(plain.pool(frames(TEXT), "violin_pool", 0), "violin_pred_head")
        return _difference(statements.logits(Hero.with_texts([video], [TEXT])), truth)
    captions = CaptionNetwork(Hero(config)).eval()
    load_network(folder / "model", captions, kind)
    tokens = (0, 5, 900, 11)
    seen = captions.model.contextual(collate([video]))[None]
    words = captions.model.cross_modal.words(torch.tensor([tokens]))
    states = captions.decoder(words, seen, torch.ones(1, FRAMES, dtype=torch.bool))
    return _difference(captions.model.language(states)[0], plain.caption_states(tokens, frames()))


def open_clip_model(folder: Path, name: str, preprocessing: dict[str, object]) -> float:
    """Unit vectors of 2 pictures and 2 texts, against the library's own call."""
    config = {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": preprocessing}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    if "hf_tokenizer_name" in config["model_cfg"]["text_cfg"]:
        write_tokenizer(folder)  # a small one: the published files of the tokenizer are not in the library
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False).eval()
    save_file({key: each.contiguous() for key, each in model.state_dict().items()}, folder / "model.safetensors")
    tower, texts = OpenClipTextVideo(folder, Options()), ["whisk the eggs", "a man plays the piano"]
    side = tower.network.sampling(SourceVideo(25, 10)).short_side
    clips = vision.random_clips(2, 1, side, side)
    inputs = vision.normalised(clips, 255, tuple(preprocessing["mean"]), tuple(preprocessing["std"]))[:, :, 0].float()
    pictures = model.encode_image(inputs, normalize=True)
    said = model.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(texts), normalize=True)
    found = torch.from_numpy(tower.network(clips)), torch.from_numpy(tower.encode_text(texts))
    return max(_difference(found[0], pictures), _difference(found[1], said))


CHECKS: dict[str, Check] = {
    "howto100m": joint_embedding,
    "s3d": partial(s3d, space_to_depth=True),
    "s3d_pixels": partial(s3d, space_to_depth=False),
    "resnext101": resnext101,
    "slowfast": partial(slowfast, caffe2=False),
    "slowfast_caffe2": partial(slowfast, caffe2=True),
    "hero_pretraining": partial(hero, kind="pre-training"),
    "hero_question_answering": partial(hero, kind="question answering"),
    "hero_video_entailment": partial(hero, kind="video entailment"),
    "hero_captioning": partial(hero, kind="captioning"),
    "clip": partial(open_clip_model, name="ViT-B-32", preprocessing=_OPENAI),
    "pe_core": partial(open_clip_model, name="PE-Core-T-16-384", preprocessing=_PE),
    "siglip2": partial(open_clip_model, name="ViT-B-16-SigLIP2", preprocessing=_SIGLIP),
    "mobileclip": partial(open_clip_model, name="MobileCLIP2-S0", preprocessing=_APPLE),
}
"""By name of the row in ``docs/published.py``."""


@torch.inference_mode()
def largest_difference(name: str) -> float:
    """Run a check in a folder that is removed afterwards."""
    torch.manual_seed(0)
    with TemporaryDirectory() as folder:
        return CHECKS[name](Path(folder))


def main(names: list[str]) -> None:
    found: dict[str, float] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in names or list(CHECKS):
        found[name] = float(f"{largest_difference(name):.1e}")
        print(name, found[name], flush=True)
        ordered = {key: found[key] for key in CHECKS if key in found}
        RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def _difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest absolute difference; far less than that of the outputs for two different inputs, where there are two."""
    assert found.shape == expected.shape, (found.shape, expected.shape)
    difference = float((found.double() - expected.double()).abs().max())
    if expected.ndim == 2:
        assert difference < float((expected[0] - expected[1]).abs().max()) / 100
    return difference


if __name__ == "__main__":
    main(sys.argv[1:])
