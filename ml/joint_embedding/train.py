"""Training of the joint text–video embedding (HowTo100M section 4.4).

Belongs here: the schedule. The model, the loss and the drawing of pairs each have a file beside this one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ml.joint_embedding.loss import max_margin_ranking_loss
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.sampling import PairSource, sample_pairs, spread_pairs
from ml.metrics.retrieval import ranks, retrieval_metrics
from ml.text.word_vectors import WordVectors
from ml.training import seed_everything

History = list[dict[str, float]]


@dataclass(frozen=True)
class Config:
    """Size and schedule. Growth of captions belongs to the source of pairs."""

    seed: int = 0
    embedding_dim: int = 256
    sentence_dim: int | None = None
    mask_padding: bool = False
    epochs: int = 40
    videos_per_batch: int = 16
    pairs_per_video: int = 16
    learning_rate: float = 3e-4
    lr_decay: float = 0.97
    """Factor of the learning rate after each epoch."""
    margin: float = 0.1
    intra_video_share: float = 0.5
    validation_pairs: int = 4000
    """Most pairs that are ranked after each epoch."""


def train(
    pairs: PairSource,
    validation: PairSource | None,
    words: WordVectors,
    config: Config,
    device: torch.device | str = "cpu",
    progress: Callable[[dict[str, float]], None] | None = None,
) -> tuple[JointEmbedding, History]:
    """Learn the embedding with Adam; the same inputs give the same model on a CPU.

    Args:
        pairs: videos to learn from.
        validation: videos whose pairs are ranked after each epoch; None for no measuring.
        words: the frozen word vectors whose rows the pairs' word ids are.
        config: size and schedule.
        device: where to compute.
        progress: told of each epoch.

    Returns:
        The model after the epoch that scored the best validation R@10 (the last one without validation), and one
        entry an epoch: epoch, loss, learning_rate, seconds, and the validation metrics.

    Raises:
        ValueError: there is no pair to learn from.
    """
    if not len(pairs):
        raise ValueError("no video has a clip with both features and known words: nothing to train on")
    seed_everything(config.seed)
    rng = np.random.default_rng(config.seed)
    table = torch.from_numpy(words.padded).to(device)
    video_dim = sum(stream.features.shape[1] for stream in pairs.read([0])[0].streams)
    model = JointEmbedding(video_dim, words.dim, config.embedding_dim, config.sentence_dim, config.mask_padding).to(
        device
    )
    optimiser = torch.optim.Adam(model.parameters(), config.learning_rate)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, config.lr_decay)
    held_out = spread_pairs(validation, config.validation_pairs) if validation else None
    history: History = []
    best, best_state = -1.0, None
    for epoch in range(1, config.epochs + 1):
        started = time.perf_counter()
        losses = []
        model.train()
        # Batches of nearly equal size: no video is dropped, and none is left alone in a last batch.
        batches = np.array_split(rng.permutation(len(pairs)), -(-len(pairs) // config.videos_per_batch))
        for batch in batches:
            clips, ids, video_of_pair = map(
                torch.from_numpy, sample_pairs(pairs.read(batch.tolist()), config.pairs_per_video, rng)
            )
            scores = model(clips.to(device), table[ids.to(device)])
            loss = max_margin_ranking_loss(scores, video_of_pair.to(device), config.margin, config.intra_video_share)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
        entry: dict[str, float] = {
            "epoch": epoch,
            "loss": torch.stack(losses).mean().item(),
            "learning_rate": optimiser.param_groups[0]["lr"],
        }
        schedule.step()
        if held_out is not None:
            metrics = evaluate(model, *held_out, table)
            entry |= {f"validation_{name}": value for name, value in metrics.items()}
            if metrics["R@10"] > best:
                best = metrics["R@10"]
                best_state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        entry["seconds"] = time.perf_counter() - started
        history.append(entry)
        if progress:
            progress(entry)
    if best_state is not None:
        model.load_state_dict(best_state)
    return model.eval(), history


@torch.inference_mode()
def evaluate(
    model: JointEmbedding,
    clips: NDArray[np.float32],
    ids: NDArray[np.int64],
    table: torch.Tensor,
    block: int = 1024,
) -> dict[str, float]:
    """Text-to-video retrieval among all given pairs (``ml.metrics.retrieval``).

    Args:
        model: the embedding.
        clips: clip vectors ``[pairs, video_dim]``.
        ids: word ids ``[pairs, max_words]``.
        table: word vectors below a row of zeros ``[1 + words, word_dim]``, on the model's device.
        block: pairs that are embedded at a time.
    """
    model.eval()
    device = table.device
    video = [model.encode_video(part.to(device)) for part in torch.from_numpy(clips).split(block)]
    text = [model.encode_text(table[part.to(device)]) for part in torch.from_numpy(ids).split(block)]
    return retrieval_metrics(ranks(torch.cat(text), torch.cat(video)))
