"""Captioning of clips of a video as a task: TVC, with the settings of the authors' public code.

A clip that begins after the last frame of the model's input cannot be described. Training leaves it out and counts it
as ``not_shown`` in the losses; evaluation gives it an empty caption and counts it in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ml.distributed import AllGather, Rows
from ml.harness import Entry
from ml.hero.batch import BEGIN, END, PADDING, AlignedVideo, HeroBatch, collate, tokens_of
from ml.hero.data.annotations import CaptionedClip
from ml.hero.downstream.captioning import (
    CaptionDecoder,
    caption_loss,
    caption_rows,
    clip_frames,
    write_greedily,
)
from ml.hero.downstream.tasks.examples import Examples, parts
from ml.hero.model import Hero
from ml.loading import on_device
from ml.metrics.captioning import captioning_metrics
from ml.metrics.coco_captioning import coco_metrics
from ml.training import device_of

VIDEOS = 16
"""Videos whose clips are described at a time."""


class Seen(NamedTuple):
    """A video with those of its clips that begin within its frames, and the others.

    ``places`` are the first frame of each clip and the one after its last, ``captions`` its captions as tokens.
    """

    video: AlignedVideo
    clips: list[CaptionedClip]
    places: list[tuple[int, int]]
    captions: list[list[list[int]]]
    late: list[CaptionedClip]


class ClipsOfVideos(NamedTuple):
    """Videos, and clips of them: the row of each clip's video, its first frame and the one after its last.

    ``longest`` is the greatest number of frames of a clip. ``captions[captions, tokens]`` end in ``</s>`` and are
    padded; ``of_clip[captions]`` is their clip. ``not_shown[1]`` counts the clips that begin after the frames of their
    video.
    """

    batch: HeroBatch
    of_video: Tensor
    first: Tensor
    stop: Tensor
    longest: int
    captions: Tensor
    of_clip: Tensor
    not_shown: Tensor


class CaptionNetwork(nn.Module):
    """The model, and a decoder that shares the model's words and language head."""

    def __init__(self, model: Hero) -> None:
        super().__init__()
        self.model = model
        self.decoder = CaptionDecoder(model.config.hidden, model.config.heads, model.config.dropout)

    def frames(self, clips: ClipsOfVideos) -> tuple[Tensor, Tensor]:
        """Contextual embeddings of the clips' frames ``[clips, frames, hidden]`` and their mask."""
        packed = self.model.contextual(clips.batch)
        lengths = clips.stop - clips.first
        starts = (clips.batch.lengths.cumsum(0) - clips.batch.lengths)[clips.of_video] + clips.first
        places = torch.arange(clips.longest, device=packed.device)
        mask = places < lengths[:, None]
        return packed[starts[:, None] + places * mask], mask

    def forward(self, clips: ClipsOfVideos, step: int) -> Rows:
        frames, mask = self.frames(clips)
        begin = clips.captions.new_full((len(clips.captions), 1), BEGIN)
        words = self.model.cross_modal.words(torch.cat([begin, clips.captions[:, :-1]], 1))
        states = self.decoder(words, frames[clips.of_clip], mask[clips.of_clip])
        rows = caption_rows(self.model.language(states).float(), clips.captions, PADDING)
        return {**rows, "not_shown": clips.not_shown}

    def write(self, clips: ClipsOfVideos) -> list[list[int]]:
        """One caption per clip."""
        frames, mask = self.frames(clips)
        return write_greedily(self.decoder, self.model.cross_modal.words, self.model.language, frames, mask, BEGIN, END)


class Captioning:
    """An example is a video with all captions of its clips.

    Raises:
        ValueError: a clip has no caption.
    """

    measure = "CIDEr-D"

    def __init__(self, model: Hero, examples: Examples[CaptionedClip]) -> None:
        for each in (*examples.training, *examples.validation):
            if not each.captions:
                raise ValueError(f"clip {each.clip_id}: its captions are secret; remove it")
        self.model, self.data = model, examples
        self.of_videos = _by_video(examples.learned)
        self.caption_network = CaptionNetwork(model)
        self.network: nn.Module = self.caption_network
        self.heads = [self.caption_network.decoder]
        self.identity = examples.identity("captioning", self.network)

    @property
    def examples(self) -> int:
        return len(self.of_videos)

    def read(self, number: int) -> Seen:
        return self._seen(self.of_videos[number])

    def tokens(self, example: Seen) -> int:
        """A video without a clip to describe is left out, and has none."""
        captions = sum(1 + len(text) for of_clip in example.captions for text in of_clip)
        return tokens_of(example.video) + captions if example.clips else 0

    def batch(self, examples: Sequence[Seen]) -> ClipsOfVideos:
        seen = [each for each in examples if each.clips]
        if not seen:
            clip = examples[0].late[0]
            raise ValueError(f"clip {clip.clip_id} of {clip.video_id} and all others of a step begin too late")
        places = torch.tensor([place for each in seen for place in each.places])
        captions = [texts for each in seen for texts in each.captions]
        longest = max((len(text) for texts in captions for text in texts), default=0)
        padding = [[*text, END, *[PADDING] * (longest - len(text))] for texts in captions for text in texts]
        return ClipsOfVideos(
            collate([each.video for each in seen]),
            torch.tensor([row for row, each in enumerate(seen) for _ in each.clips]),
            places[:, 0],
            places[:, 1],
            int((places[:, 1] - places[:, 0]).max()),
            torch.tensor(padding, dtype=torch.int64).view(-1, longest + 1),
            torch.tensor([clip for clip, texts in enumerate(captions) for _ in texts], dtype=torch.int64),
            torch.tensor([sum(len(each.late) for each in examples)]),
        )

    def losses(self, rows: Rows, step: int, all_gather: AllGather) -> dict[str, Tensor]:
        return {"loss": caption_loss(rows, all_gather), "not_shown": rows["not_shown"].sum().float()}

    def evaluate(self) -> Entry:
        """BLEU-4, METEOR of 2005, ROUGE-L and CIDEr-D of the captions of all validation clips."""
        return self._measured(captioning_metrics)

    def evaluate_with_coco(self) -> Entry:
        """The same, and the metrics of COCO's scorer if it is installed (``ml.metrics.coco_captioning``)."""
        return self._measured(lambda *texts: captioning_metrics(*texts) | coco_metrics(*texts))

    def _measured(self, metrics: Callable[[Sequence[str], Sequence[Sequence[str]]], dict[str, float]]) -> Entry:
        clips = self.data.validation
        written = self.write(clips)
        references = [[text for _, text in each.captions] for each in clips]
        missing = sum(each is None for each in written) - self.data.counts["without_video"]
        measured = metrics([each or "" for each in written], references)
        return {**measured, "not_shown": float(missing), **self.data.counts}

    @torch.inference_mode()
    def write(self, clips: Sequence[CaptionedClip]) -> list[str | None]:
        """One caption per clip; None if the clip begins after the frames of its video, or the video is missing."""
        self.network.eval()
        device, found = device_of(self.network), dict[int | str, str]()
        known = _by_video([each for each in clips if each.video_id in self.data.videos])
        for some in parts(known, VIDEOS):
            seen = [*map(self._seen, some)]
            shown = [clip for each in seen for clip in each.clips]
            if shown:
                written = self.caption_network.write(on_device(self.batch(seen), device))
                texts = map(self.data.tokenizer.decode, written)
                found |= {clip.clip_id: text for clip, text in zip(shown, texts, strict=True)}
        return [found.get(each.clip_id) for each in clips]

    def _seen(self, clips: Sequence[CaptionedClip]) -> Seen:
        """The clips of a video."""
        video = self.data.videos[clips[0].video_id]
        aligned = self.data.align(video, self.model.config)
        frames, interval_s = len(aligned.features), video.interval_s
        shown = [each for each in clips if each.interval[0] / interval_s < frames]
        return Seen(
            aligned,
            shown,
            [clip_frames(*each.interval, interval_s, frames) for each in shown],
            [self.data.queries(text for _, text in each.captions)[0] for each in shown],
            [each for each in clips if each not in shown],
        )


def _by_video(clips: Sequence[CaptionedClip]) -> list[list[CaptionedClip]]:
    found: dict[str, list[CaptionedClip]] = {}
    for each in clips:
        found.setdefault(each.video_id, []).append(each)
    return list(found.values())
