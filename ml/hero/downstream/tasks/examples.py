"""Training and validation data of a task: annotations, their videos, and texts as tokens.

No annotation is lost: those that cannot be learned from are counted, those that cannot be answered count as wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Generic, Protocol, TypeVar

from torch import nn

from ml.files import content_hash
from ml.hero.batch import END, AlignedVideo, Passage, aligned
from ml.hero.config import HeroConfig
from ml.hero.downstream.finetune import cut_to_limit
from ml.hero.video import Video


class TextCoder(Protocol):
    """Texts to tokens without special ones, and back (``ml.hero.tokenizer``)."""

    def encode(self, text: str, /) -> list[int]: ...

    def decode(self, tokens: Iterable[int], /) -> str: ...


class Annotation(Protocol):
    """An annotation of a video; ``video_id`` is None if it is secret."""

    @property
    def video_id(self) -> str | None: ...


Annotated = TypeVar("Annotated", bound=Annotation)
Item = TypeVar("Item")


@dataclass(frozen=True)
class Examples(Generic[Annotated]):
    """Annotations of the training and the validation split, and videos by their id.

    Args:
        with_subtitles: if false, all frames of a video are one passage without text (video-only tasks).
        max_text: tokens of a query, or of question and answer together; longer ones are cut and counted.
        preceding: number of earlier subtitles whose text precedes the text of each subtitle.
        content: names the content of the videos, so that a training is not resumed with other videos.
    """

    tokenizer: TextCoder
    videos: Mapping[str, Video]
    training: Sequence[Annotated]
    validation: Sequence[Annotated]
    with_subtitles: bool = True
    max_text: int = 60
    preceding: int = 0
    content: str = ""

    @cached_property
    def learned(self) -> list[Annotated]:
        """Annotations of the training split whose video exists."""
        return [each for each in self.training if each.video_id in self.videos]

    @cached_property
    def counts(self) -> dict[str, float]:
        """Numbers of annotations without a video: training leaves them out, validation counts them as wrong."""
        return {
            "training_without_video": float(len(self.training) - len(self.learned)),
            "without_video": float(sum(each.video_id not in self.videos for each in self.validation)),
        }

    def align(self, video: Video, config: HeroConfig) -> AlignedVideo:
        """A video as input of the model."""
        found = aligned(video, config, self.with_subtitles)
        return preceded(found, self.preceding) if self.preceding else found

    def queries(self, texts: Iterable[str]) -> tuple[list[list[int]], int]:
        """Tokens of texts, and how many had to be cut."""
        return cut_to_limit([self.tokenizer.encode(text) for text in texts], self.max_text)

    def identity(self, task: str, network: nn.Module) -> str:
        """Names the task, its data and its initial parameters."""
        parameters = [float(tensor.double().sum()) for tensor in network.state_dict().values()]
        data = (self.training, self.validation, sorted(self.videos), self.content)
        how = (task, self.with_subtitles, self.max_text, self.preceding)
        return content_hash((how, data, parameters), digits=64)


def preceded(video: AlignedVideo, count: int) -> AlignedVideo:
    """Each passage with the text of the ``count`` passages before it in front of its own."""
    texts = [passage.tokens for passage in video.passages]
    passages = (
        Passage(passage.frames, tuple(token for text in texts[max(number - count, 0) : number + 1] for token in text))
        for number, passage in enumerate(video.passages)
    )
    return replace(video, passages=tuple(passages))


def question_and_answer(question: Sequence[int], answer: Sequence[int], limit: int) -> tuple[list[int], bool]:
    """``</s> question </s> answer`` of at most ``limit`` tokens, and whether it was cut; the question is cut first."""
    longest = max(limit - len(answer) - 2, 0)
    whole = [END, *question[:longest], END, *answer]
    return whole[:limit], len(question) > longest or len(whole) > limit


def parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """``size`` of the items at a time."""
    return (items[first : first + size] for first in range(0, len(items), size))
