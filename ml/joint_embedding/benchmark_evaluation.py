"""Retrieval on a benchmark: zero-shot, trained from scratch, or pre-trained and fine-tuned (HowTo100M section 5.4).

See ``ml.joint_embedding.benchmarks`` for the files of the benchmarks.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ml.harness import Runtime
from ml.joint_embedding.bags import bags
from ml.joint_embedding.benchmarks import BenchmarkPairs, EvaluationSet
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.train import Config, train
from ml.loading import on_device
from ml.metrics.retrieval import bootstrap_intervals, chance, ranks_both_ways, retrieval_metrics
from ml.text.tokens import published_tokens
from ml.text.word_vectors import WordVectors, pad
from ml.training import pick_device

FINE_TUNING = Config(
    embedding_dim=6144, epochs=50, videos_per_batch=256, pairs_per_video=1, learning_rate=1e-4, lr_decay=1.0
)
"""The schedule of the published code, for fine-tuning and for training from scratch."""

ByDirection = dict[str, dict[str, float]]


def evaluate_benchmark(
    model: JointEmbedding | None,
    training: EvaluationSet | None,
    test: EvaluationSet,
    words: WordVectors,
    config: Config = FINE_TUNING,
    runtime: Runtime | None = None,
) -> ByDirection:
    """Metrics on ``test`` by direction (``measure``): zero-shot without ``training``, from scratch without ``model``.

    Args:
        model: a pre-trained embedding, which is not changed; its sizes override those of ``config``.
        training: the training set.
        words: the word vectors that the model was trained with.
        config: sizes and schedule of the training. There is no validation: the last epoch is used.
        runtime: how to compute.

    Raises:
        ValueError: neither a model nor a training set, or the dimensions of the model and the data differ.
    """
    runtime = runtime or Runtime()
    if model is not None:
        _check(model, test, words)
    if training is not None:
        initial = None if model is None else model.state_dict()
        config = config if model is None else sizes_of(model, config)
        model, _ = train(BenchmarkPairs(training, words), None, words, config, runtime, initial=initial)
    if model is None:
        raise ValueError(f"{test}: need a pre-trained model, a training set, or both")
    return measure(model, test, words, runtime.device, config.seed)


@torch.inference_mode()
def measure(
    model: JointEmbedding,
    test: EvaluationSet,
    words: WordVectors,
    device: str = "auto",
    seed: int = 0,
    block: int = 256,
) -> ByDirection:
    """Retrieval metrics with 95 % bootstrap intervals and chance, from text to video and from video to text.

    All captions are queries; a caption without a known word is a vector of zeros, as in the published code.
    ``captions_without_words`` counts those.

    Args:
        seed: of the bootstrap; block: clips or captions that are embedded at a time.
    """
    _check(model, test, words)
    target = pick_device(device)
    model = model.to(target).eval()
    table = torch.from_numpy(words.padded).to(target)
    ids = pad(words.ids(test.captions, tokens=published_tokens))
    video = [model.encode_video(part.to(target)) for part in torch.from_numpy(test.vectors).split(block)]
    parts = (bags(ids[first : first + block]) for first in range(0, len(ids), block))
    text = [model.encode_bags(on_device(part, target), table) for part in parts]
    unknown = int((~ids.any(1)).sum())
    return metrics_both_ways(torch.cat(text), torch.cat(video), test.clip_of_caption, unknown, seed)


def metrics_both_ways(
    text: torch.Tensor, video: torch.Tensor, clip_of_caption: NDArray[np.int64], unknown: int, seed: int = 0
) -> ByDirection:
    """The metrics of ``measure`` from embeddings ``text[captions, dim]`` and ``video[clips, dim]``.

    Args:
        clip_of_caption: row of each caption's clip ``[captions]``.
        unknown: number of captions without a known word.
        seed: of the bootstrap.
    """
    clips, captions = len(video), len(text)
    found = ranks_both_ways(text, video, torch.from_numpy(clip_of_caption).to(text.device))
    candidates = {"text_to_video": clips, "video_to_text": captions}
    of_clip = np.bincount(clip_of_caption, minlength=clips)
    right = {"text_to_video": np.ones(captions, np.int64), "video_to_text": of_clip[of_clip > 0]}
    return {
        direction: {
            **retrieval_metrics(places),
            **bootstrap_intervals(places, seed),
            **{
                f"chance_{name}": value
                for name, value in chance(candidates[direction], len(places.better), right[direction]).items()
                if name != "queries"
            },
            "captions_without_words": float(unknown),
        }
        for direction, places in found.items()
    }


def _check(model: JointEmbedding, test: EvaluationSet, words: WordVectors) -> None:
    for what, wanted, given in (
        ("clip vectors", model.video.project.in_features, test.vectors.shape[1]),
        ("word vectors", model.sentence.word.in_features, words.dim),
    ):
        if wanted != given:
            raise ValueError(f"{test}: {what} of {given} numbers, but the model takes {wanted}")


def sizes_of(model: JointEmbedding, config: Config) -> Config:
    """The schedule of ``config`` with the sizes and the objective of a model."""
    return replace(
        config,
        embedding_dim=model.video.project.out_features,
        sentence_dim=model.sentence.word.out_features,
        mask_padding=model.sentence.mask_padding,
        objective="max_margin" if model.video.unit_length else "mil_nce",
    )
