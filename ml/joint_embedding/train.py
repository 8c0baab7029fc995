"""Training of the joint text–video embedding (HowTo100M section 4.4): the step and the schedule.

See ``ml.harness`` for the loop and ``ml.joint_embedding.job`` for trainings as files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.distributed import gather
from ml.files import content_hash
from ml.harness import Entry, Runtime, fit
from ml.joint_embedding.loss import mil_nce_loss, ranking_loss_of_rows
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pairs import PairSource, nearest_captions, spread_pairs
from ml.metrics.retrieval import ranks, retrieval_metrics
from ml.text.word_vectors import WordVectors
from ml.training import pick_device, read_model_folder, seed_everything

History = list[dict[str, float]]


@dataclass(frozen=True)
class Config:
    """Sizes and schedule.

    ``objective`` max_margin is the paper's; mil_nce uses the ``candidates`` nearest captions of a clip as a bag of
    positives. ``chunk_pairs`` limits the pairs in the network at once: larger batches are computed in parts, with the
    same result.
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
    chunk_pairs: int | None = None


Batch = tuple[Tensor, Tensor, Tensor, int]
"""Clips ``[n, video_dim]`` and word ids ``[n · candidates, words]`` of a process, the video of each pair of the whole
batch, and the number of pairs before those of this process."""


class _Encoders(nn.Module):
    """Both encoders in one call: clips ``[n, video_dim]`` and word ids ``[m, words]`` to their embeddings."""

    table: Tensor

    def __init__(self, model: JointEmbedding, words: WordVectors) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("table", torch.from_numpy(words.padded), persistent=False)

    def forward(self, clips: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.encode_video(clips).float(), self.model.encode_ids(ids, self.table).float()


class EmbeddingLearner:
    """Contrastive steps over B videos × K pairs, for ``ml.harness.fit``."""

    max_norm: float | None = None
    uses_all_parameters = True

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
        self.pairs, self.config, self.seed = pairs, config, config.seed
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
        self.optimiser = torch.optim.Adam(self.model.parameters(), config.learning_rate, fused=device.type != "mps")
        self.steps_per_epoch = -(-len(pairs) // config.videos_per_batch)
        self.steps = config.epochs * self.steps_per_epoch
        self.items = config.pairs_per_video * len(pairs) // self.steps_per_epoch
        some = validation is not None and len(validation)
        self.held_out = spread_pairs(validation, config.validation_pairs) if validation is not None and some else None
        start = [float(tensor.double().sum()) for tensor in self.model.state_dict().values()]
        identity = (asdict(config), pairs.identity, words.words, start)
        self.identity = content_hash(identity, digits=64)

    def learning_rate_factor(self, step: int) -> float:
        return self.config.lr_decay ** (step // self.steps_per_epoch)

    def batch(self, step: int, process: int, processes: int) -> Batch:
        """This process's clips and captions, and their position in the whole batch."""
        epoch, index = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.pairs))
        # Batches of nearly equal size: no video is dropped, and the last batch is not a small remainder.
        videos = np.array_split(order, self.steps_per_epoch)[index]
        first, counts = self.pairs.offsets[videos], self.pairs.offsets[videos + 1] - self.pairs.offsets[videos]
        draws = np.random.default_rng((self.seed, 1, step)).random((len(videos), self.config.pairs_per_video))
        rows = first[:, None] + (draws * counts[:, None]).astype(np.int64)
        share = np.array_split(np.arange(len(videos)), processes)[process]
        own = rows[share].reshape(-1)
        clips, ids = self.pairs.take(own)
        if self.config.objective == "mil_nce":
            begin, end = (np.repeat(each[share], self.config.pairs_per_video) for each in (first, first + counts))
            ids = self.pairs.take(nearest_captions(own, begin, end, self.config.candidates).reshape(-1))[1]
        video_of_pair = np.arange(len(videos)).repeat(self.config.pairs_per_video)
        first_pair = int(share[0]) * self.config.pairs_per_video if len(share) else 0
        return torch.from_numpy(clips).float(), torch.from_numpy(ids), torch.from_numpy(video_of_pair), first_pair

    def step(self, network: nn.Module, batch: Batch, accelerator: Accelerator) -> dict[str, Tensor]:
        """The loss uses the embeddings of all processes; each process computes the part of its own captions.

        With ``chunk_pairs`` the embeddings are computed twice: first without a graph, for the loss and its gradient at
        the embeddings; then part by part with a graph, to propagate that gradient.
        """
        clips, ids, video_of_pair, first_pair = batch
        bag = len(ids) // max(len(clips), 1)
        size = self.config.chunk_pairs or len(clips)
        chunks = list(zip(clips.split(size), ids.split(size * bag), strict=True))
        # The gradients of the processes are averaged; the loss is the sum of their parts.
        scale = accelerator.num_processes
        if len(chunks) <= 1:
            video, text = network(clips, ids)
            part = self._part(video, text, video_of_pair, first_pair)
            accelerator.backward(part * scale)
            return {"loss": accelerator.reduce(part.detach(), "sum")}
        with torch.no_grad():
            encoded = [network(*chunk) for chunk in chunks]
        video, text = (torch.cat(side).requires_grad_() for side in zip(*encoded, strict=True))
        part = self._part(video, text, video_of_pair, first_pair)
        at_video, at_text = torch.autograd.grad(part * scale, (video, text))
        gradients = zip(at_video.split(size), at_text.split(size * bag), strict=True)
        for index, (chunk, (own_video, own_text)) in enumerate(zip(chunks, gradients, strict=True)):
            last = index == len(chunks) - 1
            with accelerator.no_sync(network) if not last else nullcontext():
                embedded_video, embedded_text = network(*chunk)
                accelerator.backward((embedded_video * own_video).sum() + (embedded_text * own_text).sum())
        return {"loss": accelerator.reduce(part.detach(), "sum")}

    def _part(self, video: Tensor, text: Tensor, video_of_pair: Tensor, first_pair: int) -> Tensor:
        """This process's part of the loss of the whole batch; float32, as half precision is too coarse for margins."""
        all_videos, all_texts = gather(video), gather(text)
        if self.config.objective == "mil_nce":
            scores = all_videos @ all_texts.T
            return mil_nce_loss(scores.unflatten(1, (len(all_videos), -1))) * len(video) / len(all_videos)
        own = (all_texts * all_videos).sum(1)
        if self.config.positive_share < 1:
            kept = best_of_videos(own.detach(), video_of_pair, self.config.positive_share)
            mine = kept[(kept >= first_pair) & (kept < first_pair + len(text))] - first_pair
            first_pair = int((kept < first_pair).sum())
            text, all_videos = text[mine], all_videos[kept]
            own, video_of_pair = own[kept], video_of_pair[kept]
        scores = text @ all_videos.T
        return ranking_loss_of_rows(
            scores, own, first_pair, video_of_pair, self.config.margin, self.config.intra_video_share
        )

    def validate(self) -> Entry:
        if self.held_out is None:
            return {}
        metrics = evaluate(self.model, *self.held_out, self.network.table)
        return {f"validation_{name}": value for name, value in metrics.items()}

    def score(self, entry: Entry) -> float:
        return entry.get("validation_R@10", entry["epoch"])


def best_of_videos(own: Tensor, video_of_pair: Tensor, share: float) -> Tensor:
    """Numbers, ascending, of the best-scoring pairs of each video: that share of its pairs, at least one.

    Args:
        own: ``x_ii[n]`` of the pairs; video_of_pair: the video of each; all videos have equally many pairs.
    """
    by_score = own.argsort(descending=True, stable=True)
    by_video = by_score[video_of_pair[by_score].argsort(stable=True)].view(len(video_of_pair.unique()), -1)
    return by_video[:, : max(1, round(share * by_video.shape[1]))].flatten().sort().values


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
    learner = EmbeddingLearner(pairs, validation, words, config, pick_device(runtime.device), initial)
    history = fit(learner, runtime, progress)
    return learner.model.cpu().eval(), history


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
    text = [model.encode_ids(part.to(device), table) for part in torch.from_numpy(ids).split(block)]
    return retrieval_metrics(ranks(torch.cat(text), torch.cat(video)))


def load_words(folder: Path) -> WordVectors:
    """The word vectors of a model folder."""
    stored = read_model_folder(folder)
    return WordVectors(stored.config["words"], stored.state["vectors"].numpy())
