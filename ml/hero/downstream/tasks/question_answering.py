"""Multiple-choice questions about a video as a task: TVQA and How2QA, with the settings of the authors' public code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ml.distributed import AllGather, Rows
from ml.harness import Entry
from ml.hero.batch import AlignedVideo, HeroBatch, padded, tokens_of
from ml.hero.data.annotations import Question
from ml.hero.downstream.moments import moment_labels
from ml.hero.downstream.question_answering import SPAN_WEIGHT, AnswerHead, accuracy, answer_loss, answer_rows
from ml.hero.downstream.tasks.examples import Examples, parts, question_and_answer
from ml.hero.model import Hero, initialise
from ml.loading import on_device
from ml.training import device_of

QUESTIONS = 8
"""Questions that are answered at a time."""


class Posed(NamedTuple):
    """A question, its video, the question with each answer as tokens, and its moment in frames if it is known."""

    question: Question
    video: AlignedVideo
    texts: list[list[int]]
    moment: tuple[float, float] | None


class QuestionBatch(NamedTuple):
    """Each question's video once per answer, question by question, and the right answers and frames.

    ``first`` and ``last`` are -1 where the moment is unknown, ``right`` where the answer is.
    """

    batch: HeroBatch
    right: Tensor
    first: Tensor
    last: Tensor


class AnswerNetwork(nn.Module):
    """The model, run on the video with each answer appended, and the head over all answers."""

    def __init__(self, model: Hero, answers: int) -> None:
        super().__init__()
        self.model, self.answers = model, answers
        self.head = AnswerHead(model.config.hidden).apply(initialise)

    def logits(self, questions: QuestionBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the answers ``[questions, answers]`` and of the first and last frame ``[questions, frames]``."""
        frames, mask = padded(self.model.contextual(questions.batch), questions.batch.lengths, questions.batch.longest)
        answers, start, end = self.head(frames.unflatten(0, (-1, self.answers)), mask[:: self.answers])
        return answers.float(), start.float(), end.float()

    def forward(self, questions: QuestionBatch, step: int) -> Rows:
        return answer_rows(self.logits(questions), questions.right, questions.first, questions.last)


class QuestionAnswering:
    """An example is a question with all its answers.

    Raises:
        ValueError: the questions have different numbers of answers, or the right one is secret.
    """

    measure = "accuracy"

    def __init__(self, model: Hero, examples: Examples[Question], span_weight: float = SPAN_WEIGHT) -> None:
        questions = [*examples.training, *examples.validation]
        counts = {len(each.options) for each in questions}
        if len(counts) != 1:
            raise ValueError(f"questions have {sorted(counts)} answers: all must have the same number")
        for each in questions:
            if each.answer is None:
                raise ValueError(f"question {each.question_id}: its right answer is secret; remove it")
        self.model, self.data, self.answers = model, examples, counts.pop()
        self.span_weight = span_weight
        self.answer_network = AnswerNetwork(model, self.answers)
        self.network: nn.Module = self.answer_network
        self.heads = [self.answer_network.head]
        self.identity = examples.identity(f"question answering {span_weight}", self.network)

    @property
    def examples(self) -> int:
        return len(self.data.learned)

    def read(self, number: int) -> Posed:
        return self.posed(self.data.learned[number])

    def posed(self, question: Question) -> Posed:
        """A question with its video."""
        video = self.data.videos[question.video_id]
        moment = None
        if question.interval is not None:
            begin, end = question.interval
            moment = begin / video.interval_s, end / video.interval_s
        texts = [text for text, _ in self._texts(question)]
        return Posed(question, self.data.align(video, self.model.config), texts, moment)

    def tokens(self, example: Posed) -> int:
        return sum(tokens_of(example.video, text) for text in example.texts)

    def batch(self, examples: Sequence[Posed]) -> QuestionBatch:
        moments = torch.tensor([each.moment or (0.0, 0.0) for each in examples])
        first, last = moment_labels(moments, torch.tensor([len(each.video.features) for each in examples]), 1.0)
        unknown = torch.tensor([each.moment is None for each in examples])
        rights = [each.question.answer for each in examples]
        return QuestionBatch(
            self.model.with_texts(
                [each.video for each in examples for _ in each.texts],
                [text for each in examples for text in each.texts],
            ),
            torch.tensor([-1 if answer is None else answer for answer in rights]),
            first.masked_fill(unknown, -1),
            last.masked_fill(unknown, -1),
        )

    def losses(self, rows: Rows, step: int, all_gather: AllGather) -> dict[str, Tensor]:
        return answer_loss(rows, all_gather, self.span_weight)

    def evaluate(self) -> Entry:
        """Accuracy over all validation questions; one without a video counts as wrong (``without_video``)."""
        questions = self.data.validation
        chosen = self.choose(questions)
        found = torch.tensor([-1 if each is None else each for each in chosen])
        right = torch.tensor([each.answer for each in questions])
        texts = [text for each in questions for text in self._texts(each)]
        cut = sum(was_cut for _, was_cut in texts)
        return {"accuracy": accuracy(found, right), "texts_cut": float(cut), **self.data.counts}

    @torch.inference_mode()
    def choose(self, questions: Sequence[Question]) -> list[int | None]:
        """The answer chosen for each question; None if the video is missing."""
        self.network.eval()
        device, known = device_of(self.network), [each for each in questions if each.video_id in self.data.videos]
        chosen = iter(
            answer
            for some in parts(known, QUESTIONS)
            for answer in self.answer_network.logits(on_device(self.batch([*map(self.posed, some)]), device))[0]
            .argmax(1)
            .tolist()
        )
        return [next(chosen) if each.video_id in self.data.videos else None for each in questions]

    def _texts(self, question: Question) -> list[tuple[list[int], bool]]:
        encode = self.data.tokenizer.encode
        text = encode(question.text)
        return [question_and_answer(text, encode(option), self.data.max_text) for option in question.options]
