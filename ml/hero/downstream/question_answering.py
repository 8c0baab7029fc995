"""Multiple-choice questions (TVQA, How2QA): heads and loss on HERO's frame embeddings.

The model runs once per answer, with question and answer appended to the video. Shapes: ``frames[questions, answers,
frames, hidden]``, ``mask[questions, frames]``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.distributed import AllGather, Rows, mean_over_processes
from ml.hero.moment_head import span_losses

SPAN_WEIGHT = 0.4
"""Weight of the moment's loss relative to that of the answer (TVQA)."""


class Pool(nn.Module):
    """Attention over one axis: a linear score of each vector, softmax, weighted sum."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.score = nn.Linear(hidden, 1)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """``vectors[..., n, hidden]`` and ``mask[..., n]`` to ``[..., hidden]``."""
        scores = self.score(vectors)[..., 0].masked_fill(~mask, -1e4)
        return (scores.softmax(-1)[..., None] * vectors).sum(-2)


class TwoLayers(nn.Sequential):
    """Linear to twice the width, GELU, layer norm, linear: the head of question answering and video entailment."""

    def __init__(self, hidden: int, outputs: int) -> None:
        width = 2 * hidden
        super().__init__(nn.Linear(hidden, width), nn.GELU(), nn.LayerNorm(width), nn.Linear(width, outputs))


class AnswerHead(nn.Module):
    """Scores of the answers, and of the first and last frame of the moment that shows the right one."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.over_frames = Pool(hidden)
        self.answer = TwoLayers(hidden, 1)
        self.over_answers = Pool(hidden)
        self.span = TwoLayers(hidden, 2)

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the answers ``[questions, answers]`` and of the first and last frame ``[questions, frames]``."""
        answers = self.answer(self.over_frames(frames, mask[:, None].expand(frames.shape[:3])))[..., 0]
        by_frame = frames.transpose(1, 2)
        pooled = self.over_answers(by_frame, torch.ones(by_frame.shape[:3], dtype=torch.bool, device=frames.device))
        start, end = self.span(pooled).masked_fill(~mask[..., None], -1e4).unbind(-1)
        return answers, start, end


def answer_rows(logits: tuple[Tensor, Tensor, Tensor], right: Tensor, first: Tensor, last: Tensor) -> Rows:
    """``answers`` and ``spans``, the cross entropies of each question's answer, and of its first and last frame.

    Where ``first`` is -1 the moment is unknown: ``known`` is false, and the span's is 0.
    """
    answers, start, end = logits
    known = first >= 0
    spans = span_losses(start, end, first.clamp(min=0), last.clamp(min=0)) * known
    return {"answers": functional.cross_entropy(answers, right, reduction="none"), "spans": spans, "known": known}


def answer_loss(rows: Rows, all_gather: AllGather, span_weight: float = SPAN_WEIGHT) -> dict[str, Tensor]:
    """This process's part of ``CE(answer) + span_weight * (CE(first) + CE(last)) / 2``, and of both.

    Means are over the questions of all processes, that of the moment over those with a known one.
    """
    answer = mean_over_processes(rows["answers"], all_gather)
    span = rows["spans"].sum() / all_gather(rows["known"].sum()[None]).sum().clamp(min=1)
    return {"loss": answer + span_weight * span / 2, "answer": answer, "span": span}


def accuracy(chosen: Tensor, right: Tensor) -> float:
    """Share of questions with the right answer.

    Raises:
        ValueError: there is no question.
    """
    if not len(right):
        raise ValueError("no question: an accuracy needs at least one")
    return float((chosen == right).double().mean())
