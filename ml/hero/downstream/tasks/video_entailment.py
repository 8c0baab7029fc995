"""Video entailment as a task: VIOLIN, with the settings of the authors' public code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ml.harness import Entry
from ml.hero.batch import END, HeroBatch, padded
from ml.hero.data.annotations import Statement
from ml.hero.downstream.question_answering import accuracy
from ml.hero.downstream.tasks.examples import Examples, parts
from ml.hero.downstream.video_entailment import StatementHead, judged_true, statement_loss
from ml.hero.model import Hero, initialise
from ml.loading import on_device
from ml.training import device_of

STATEMENTS = 16
"""Statements that are judged at a time."""


class StatedVideos(NamedTuple):
    """Each statement's video with the statement, and whether it is true."""

    batch: HeroBatch
    labels: Tensor


class StatementNetwork(nn.Module):
    """The model, run on the video with the statement appended, and the head."""

    def __init__(self, model: Hero) -> None:
        super().__init__()
        self.model = model
        self.head = StatementHead(model.config.hidden).apply(initialise)

    def logits(self, batch: HeroBatch) -> Tensor:
        """One logit per statement."""
        return self.head(*padded(self.model.contextual(batch), batch.lengths, batch.longest)).float()

    def forward(self, stated: StatedVideos, step: int) -> dict[str, Tensor]:
        return {"loss": statement_loss(self.logits(stated.batch), stated.labels)}


class VideoEntailment:
    """An example is a statement with its opposite, or alone if its opposite is missing.

    Raises:
        ValueError: a statement's label is secret, or its id does not end in -0 or -1.
    """

    measure = "accuracy"

    def __init__(self, model: Hero, examples: Examples[Statement]) -> None:
        for each in (*examples.training, *examples.validation):
            if each.label is None:
                raise ValueError(f"statement {each.desc_id}: its label is secret; remove it")
        self.model, self.data, self.pairs = model, examples, _pairs(examples.learned)
        self.statement_network = StatementNetwork(model)
        self.network: nn.Module = self.statement_network
        self.heads = [self.statement_network.head]
        self.identity = examples.identity("inference", self.network)

    @property
    def examples(self) -> int:
        return len(self.pairs)

    def batch(self, rows: Sequence[int]) -> StatedVideos:
        statements = [each for row in rows for each in self.pairs[row]]
        return StatedVideos(self._with_statements(statements), torch.tensor([bool(each.label) for each in statements]))

    def evaluate(self) -> Entry:
        """Accuracy over all validation statements; one without a video counts as wrong (``without_video``)."""
        statements = self.data.validation
        judged = torch.tensor([-1 if each is None else int(each) for each in self.judge(statements)])
        labels = torch.tensor([int(bool(each.label)) for each in statements])
        _, cut = self.data.queries(each.text for each in statements)
        return {"accuracy": accuracy(judged, labels), "texts_cut": float(cut), **self.data.counts}

    @torch.inference_mode()
    def judge(self, statements: Sequence[Statement]) -> list[bool | None]:
        """Whether the model judges each statement as true; None if the video is missing."""
        self.network.eval()
        device, known = device_of(self.network), [each for each in statements if each.video_id in self.data.videos]
        judged = iter(
            truth
            for some in parts(known, STATEMENTS)
            for truth in judged_true(
                self.statement_network.logits(on_device(self._with_statements(some), device))
            ).tolist()
        )
        return [next(judged) if each.video_id in self.data.videos else None for each in statements]

    def _with_statements(self, statements: Sequence[Statement]) -> HeroBatch:
        texts, _ = self.data.queries(each.text for each in statements)
        seen = [self.data.align(self.data.videos[each.video_id], self.model.config) for each in statements]
        return self.model.with_texts(seen, [[END, *text] for text in texts])


def _pairs(statements: Sequence[Statement]) -> list[list[Statement]]:
    """Statements with their opposites, in the order of the first of the two."""
    found: dict[frozenset[str], list[Statement]] = {}
    for each in statements:
        found.setdefault(frozenset((each.desc_id, each.opposite_id)), []).append(each)
    return list(found.values())
