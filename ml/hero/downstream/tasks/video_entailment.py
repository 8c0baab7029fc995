"""Video entailment as a task: VIOLIN, with the settings of the authors' public code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ml.distributed import AllGather, Rows, mean_over_processes
from ml.harness import Entry
from ml.hero.batch import END, AlignedVideo, HeroBatch, padded, tokens_of
from ml.hero.data.annotations import Statement
from ml.hero.downstream.question_answering import accuracy
from ml.hero.downstream.tasks.examples import Examples, parts
from ml.hero.downstream.video_entailment import StatementHead, judged_true, statement_losses
from ml.hero.model import Hero, initialise
from ml.loading import on_device
from ml.training import device_of

STATEMENTS = 16
"""Statements that are judged at a time."""


class Stated(NamedTuple):
    """A statement as tokens with its video."""

    video: AlignedVideo
    text: list[int]
    label: bool


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

    def forward(self, stated: StatedVideos, step: int) -> Rows:
        return {"losses": statement_losses(self.logits(stated.batch), stated.labels)}


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

    def read(self, number: int) -> list[Stated]:
        return [self._stated(each) for each in self.pairs[number]]

    def tokens(self, example: Sequence[Stated]) -> int:
        return sum(tokens_of(each.video, each.text) for each in example)

    def batch(self, examples: Sequence[Sequence[Stated]]) -> StatedVideos:
        stated = [each for example in examples for each in example]
        videos = self.model.with_texts([each.video for each in stated], [each.text for each in stated])
        return StatedVideos(videos, torch.tensor([each.label for each in stated]))

    def losses(self, rows: Rows, step: int, all_gather: AllGather) -> dict[str, Tensor]:
        return {"loss": mean_over_processes(rows["losses"], all_gather)}

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
                self.statement_network.logits(on_device(self.batch([[*map(self._stated, some)]]).batch, device))
            ).tolist()
        )
        return [next(judged) if each.video_id in self.data.videos else None for each in statements]

    def _stated(self, statement: Statement) -> Stated:
        (text,), _ = self.data.queries([statement.text])
        video = self.data.align(self.data.videos[statement.video_id], self.model.config)
        return Stated(video, [END, *text], bool(statement.label))


def _pairs(statements: Sequence[Statement]) -> list[list[Statement]]:
    """Statements with their opposites, in the order of the first of the two."""
    found: dict[frozenset[str], list[Statement]] = {}
    for each in statements:
        found.setdefault(frozenset((each.desc_id, each.opposite_id)), []).append(each)
    return list(found.values())
