"""Training of the joint text–video embedding (HowTo100M section 4.4): the step and the schedule.

See ``ml.harness`` for the loop and ``ml.joint_embedding.job`` for trainings as files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.distributed import AllGather, Rows
from ml.files import content_hash
from ml.harness import Entry, Runtime, Trainer
from ml.joint_embedding.bags import Bags, bags
from ml.joint_embedding.loss import mil_nce_loss, ranking_loss_of_rows
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pairs import PairSource, nearest_captions, spread_pairs
from ml.loading import on_device
from ml.metrics.retrieval import ranks, retrieval_metrics
from ml.parts import runs
from ml.text.word_vectors import MAX_WORDS, WordVectors
from ml.training import read_model_folder, seed_everything

History = list[dict[str, float]]


@dataclass(frozen=True)
class Config:
    """Sizes and schedule.

    ``objective`` max_margin is the paper's; mil_nce uses the ``candidates`` nearest captions of a clip as a bag of
    positives.
    """

    seed: int = 0
    embedding_dim: int = 256
    sentence_dim: int | None = None
    mask_padding: bool = False
    objective: Literal["max_margin", "mil_nce"] = "max_margin"
    candidates: int = 4
    epochs: int = 40
    videos_per_batch: int = 16
    pairs_per_video: int = 16
    learning_rate: float = 3e-4
    lr_decay: float = 0.97
    """Factor of the learning rate after each epoch."""
    margin: float = 0.1
    intra_video_share: float = 0.5
    positive_share: float = 1.0
    """Share of a video's pairs in a batch, the best-scoring ones, that the loss uses (table 8; max_margin only)."""
    validation_pairs: int = 4000
    """Maximum number of pairs that are ranked after each epoch."""

    @property
    def captions_per_pair(self) -> int:
        return self.candidates if self.objective == "mil_nce" else 1


class Part(NamedTuple):
    """Pairs that are in the network at once: clips ``[n, video_dim]`` and their captions ``[n · candidates]``.

    ``videos[n]`` are the numbers of the pairs' videos in the batch of all processes.
    """

    clips: Tensor
    captions: Bags
    videos: Tensor


@dataclass(frozen=True)
class PairBatches:
    """The batches of a training by step (``ml.parts.Divisible``): B videos × K pairs."""

    pairs: PairSource
    config: Config
    part_tokens: int | None = None

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.pairs) // self.config.videos_per_batch)

    def __call__(self, step: int, process: int, processes: int) -> list[Part]:
        config, seed = self.config, self.config.seed
        epoch, index = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng((seed, 0, epoch)).permutation(len(self.pairs))
        # Batches of nearly equal size: no video is dropped, and the last batch is not a small remainder.
        videos = np.array_split(order, self.steps_per_epoch)[index]
        first, counts = self.pairs.offsets[videos], self.pairs.offsets[videos + 1] - self.pairs.offsets[videos]
        draws = np.random.default_rng((seed, 1, step)).random((len(videos), config.pairs_per_video))
        rows = first[:, None] + (draws * counts[:, None]).astype(np.int64)
        share = np.array_split(np.arange(len(videos)), processes)[process]
        own = rows[share].reshape(-1)
        clips, ids = self.pairs.take(own)
        if config.objective == "mil_nce":
            begin, end = (np.repeat(each[share], config.pairs_per_video) for each in (first, first + counts))
            ids = self.pairs.take(nearest_captions(own, begin, end, config.candidates).reshape(-1))[1]
        vectors, numbers = torch.from_numpy(clips), torch.from_numpy(np.repeat(share, config.pairs_per_video))
        bag = config.captions_per_pair
        return [
            Part(vectors[part], bags(ids[part.start * bag : part.stop * bag]), numbers[part])
            for part in runs([_tokens(config)] * len(own), self.part_tokens)
        ]

    def in_parts(self, tokens: int) -> PairBatches:
        return replace(self, part_tokens=tokens)

    def tokens(self, part: Part) -> Sequence[int]:
        return [_tokens(self.config)] * len(part.clips)


def _tokens(config: Config) -> int:
    """Tokens of each pair, however long its captions are: the vectors of the clips take most of the memory."""
    return MAX_WORDS * config.captions_per_pair


class _Encoders(nn.Module):
    """Both encoders in one call: a part to the embeddings ``video`` and ``text``."""

    table: Tensor

    def __init__(self, model: JointEmbedding, words: WordVectors) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("table", torch.from_numpy(words.padded), persistent=False)

    def forward(self, part: Part) -> Rows:
        return {
            "video": self.model.encode_video(part.clips.float()).float(),
            "text": self.model.encode_bags(part.captions, self.table).float(),
            "videos": part.videos,
        }


class EmbeddingTask:
    """Contrastive steps over B videos × K pairs, for ``ml.harness.Trainer``."""

    max_norm: float | None = None
    repeated = False

    def __init__(
        self,
        pairs: PairSource,
        validation: PairSource | None,
        words: WordVectors,
        config: Config,
        device: torch.device,
        initial: Mapping[str, Tensor] | None = None,
    ) -> None:
        seed_everything(config.seed)
        self.config, self.seed, self.batches = config, config.seed, PairBatches(pairs, config)
        self.divisible = self.batches
        self.model = JointEmbedding(
            pairs.dim,
            words.dim,
            config.embedding_dim,
            config.sentence_dim,
            config.mask_padding,
            unit_length=config.objective == "max_margin",
        )
        if initial is not None:
            self.model.load_state_dict(initial)
        self.network = _Encoders(self.model, words).to(device)
        self.compiled: Sequence[nn.Module] = [self.network]
        self.optimiser = torch.optim.Adam(self.model.parameters(), config.learning_rate, fused=device.type != "mps")
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.steps = config.epochs * self.steps_per_epoch
        self.items = config.pairs_per_video * len(pairs) // self.steps_per_epoch
        self.hyper_parameters = asdict(config)
        some = validation is not None and len(validation)
        self.held_out = spread_pairs(validation, config.validation_pairs) if validation is not None and some else None
        self.words = words

    @cached_property
    def identity(self) -> str:
        start = [float(tensor.double().sum()) for tensor in self.model.state_dict().values()]
        # Checkpoints from when the configuration had a number of pairs per part are resumed.
        config = {**asdict(self.config), "chunk_pairs": None}
        return content_hash((config, self.batches.pairs.identity, self.words.words, start), digits=64)

    def learning_rate_factor(self, step: int) -> float:
        return self.config.lr_decay ** (step // self.steps_per_epoch)

    def losses(self, rows: Rows, step: int, all_gather: AllGather) -> dict[str, Tensor]:
        """The captions of this process with the clips of all processes."""
        config, pairs_per_video = self.config, self.config.pairs_per_video
        video, text, videos = rows["video"], rows["text"], rows["videos"]
        if config.objective == "mil_nce":
            all_videos, all_texts = all_gather(video), all_gather(text)
            scores = all_videos @ all_texts.T
            whole = mil_nce_loss(scores.unflatten(1, (len(all_videos), -1)))
            return {"loss": whole * len(video) / len(all_videos)}
        if config.positive_share < 1:
            kept = best_of_videos((text * video).sum(1).detach(), pairs_per_video, config.positive_share)
            video, text, videos = video[kept.flatten()], text[kept.flatten()], videos[kept.flatten()]
            pairs_per_video = kept.shape[1]
        own = (text * video).sum(1)
        all_videos, all_own = all_gather(video), all_gather(own)
        return {
            "loss": ranking_loss_of_rows(
                text @ all_videos.T,
                own,
                all_own,
                videos[:, None] == all_gather(videos),
                len(all_videos) // pairs_per_video,
                config.margin,
                config.intra_video_share,
            )
        }

    def validate(self) -> Entry:
        if self.held_out is None:
            return {}
        metrics = evaluate(self.model, *self.held_out, self.network.table)
        return {f"validation_{name}": value for name, value in metrics.items()}

    def score(self, entry: Entry) -> float:
        return entry.get("validation_R@10", entry["epoch"])


def best_of_videos(own: Tensor, pairs_per_video: int, share: float) -> Tensor:
    """Numbers, ascending, of the best-scoring pairs of each video ``[videos, kept]``: that share, at least one.

    Args:
        own: ``x_ii`` of the pairs, video after video.
    """
    by_video = own.view(len(own) // pairs_per_video, pairs_per_video)
    best = by_video.argsort(stable=True, dim=1, descending=True)[:, : max(1, round(share * pairs_per_video))]
    return best.sort(1).values + torch.arange(len(by_video), device=own.device)[:, None] * pairs_per_video


def train(
    pairs: PairSource,
    validation: PairSource | None,
    words: WordVectors,
    config: Config,
    runtime: Runtime,
    progress: Callable[[Entry], None] | None = None,
    initial: Mapping[str, Tensor] | None = None,
) -> tuple[JointEmbedding, History]:
    """Train the embedding with Adam; the same inputs give the same model on a CPU.

    Args:
        pairs: the training pairs.
        validation: pairs that are ranked after each epoch; None for no validation.
        words: the frozen word vectors; the word ids of the pairs are their rows.
        config: sizes and schedule.
        runtime: device, precision, checkpoints and curves.
        progress: called with the entry of each epoch.
        initial: initial parameters, of a model of the same sizes; None for random ones.

    Returns:
        The model after the epoch with the best validation R@10 (the last one without validation), and one entry per
        epoch: epoch, loss, learning_rate, seconds, items_per_s (pairs), and the validation metrics.

    Raises:
        ValueError: there is no pair.
    """
    if not len(pairs):
        raise ValueError("no video has a clip with both features and known words: nothing to train on")
    trainer = Trainer(runtime, progress)
    task = EmbeddingTask(pairs, validation, words, config, trainer.device, initial)
    history = trainer.fit(task)
    return task.model.cpu().eval(), history


@torch.inference_mode()
def evaluate(
    model: JointEmbedding,
    clips: NDArray[np.floating],
    ids: NDArray[np.int64],
    table: Tensor,
    block: int = 1024,
) -> dict[str, float]:
    """Text-to-video retrieval among all given pairs (``ml.metrics.retrieval``).

    Args:
        model: the embedding.
        clips: clip vectors ``[pairs, video_dim]``.
        ids: word ids ``[pairs, max_words]``.
        table: word vectors below a row of zeros ``[1 + words, word_dim]``, on the model's device.
        block: number of pairs that are embedded at a time.
    """
    model.eval()
    device = table.device
    video = [model.encode_video(part.to(device).float()) for part in torch.from_numpy(clips).split(block)]
    parts = (bags(ids[first : first + block]) for first in range(0, len(ids), block))
    text = [model.encode_bags(on_device(part, device), table) for part in parts]
    return retrieval_metrics(ranks(torch.cat(text), torch.cat(video)))


def load_words(folder: Path) -> WordVectors:
    """The word vectors of a model folder."""
    stored = read_model_folder(folder)
    return WordVectors(stored.config["words"], stored.state["vectors"].numpy())
