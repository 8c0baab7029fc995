"""Videos in which colours follow one another, and texts about them: a synthetic world to learn HERO's tasks in.

A frame's features point in the direction of its colour. Each video shows two colours, for four frames each; while a
colour is shown, a subtitle names the thing that has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ml.hero.batch import Subtitle, Video
from ml.hero.config import HeroConfig
from ml.hero.data.annotations import CaptionedClip, Description, Question, Statement

COLOURS = ("red", "green", "blue", "white", "black", "brown")
THINGS = ("cup", "bowl", "knife", "board")
WORDS = ("<s>", "<pad>", "</s>", "<unk>", *COLOURS, *THINGS, "a", "it", "shows", "what", "is", "seen")
DIM, SHOTS, FRAMES, INTERVAL_S = 8, 2, 4, 1.5
SHOT_S = FRAMES * INTERVAL_S
TINY = HeroConfig(
    vocabulary=len(WORDS),
    frame_dim=DIM,
    hidden=32,
    heads=2,
    cross_modal_layers=1,
    temporal_layers=1,
    max_frames=SHOTS * FRAMES,
    max_text=8,
    dropout=0.0,
)


class Words:
    """A token a word."""

    def encode(self, text: str) -> list[int]:
        return [WORDS.index(word) for word in text.split()]

    def decode(self, tokens: Iterable[int]) -> str:
        return " ".join(WORDS[token] for token in tokens)


@dataclass(frozen=True)
class Coloured:
    """A video, its colours and what is said to have them, in order."""

    video: Video
    colours: tuple[str, ...]
    things: tuple[str, ...]

    @property
    def moments(self) -> list[tuple[float, float]]:
        return [(shot * SHOT_S, (shot + 1) * SHOT_S) for shot in range(len(self.colours))]


def coloured(seed: int) -> Coloured:
    """A video of two different colours, with a little noise."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(COLOURS))[:SHOTS]
    features = 0.1 * rng.normal(size=(SHOTS * FRAMES, DIM))
    features[np.arange(len(features)), chosen.repeat(FRAMES)] += 2
    things = tuple(rng.permutation(THINGS)[:SHOTS].tolist())
    lines = [Subtitle(shot * SHOT_S, (shot + 1) * SHOT_S, (WORDS.index(thing),)) for shot, thing in enumerate(things)]
    video = Video(f"video-{seed}", features.astype(np.float32), INTERVAL_S, lines)
    return Coloured(video, tuple(COLOURS[number] for number in chosen), things)


def descriptions(videos: Iterable[Coloured]) -> list[Description]:
    """Each shot by its colour and the thing that is said to have it."""
    found: list[Description] = []
    for each in videos:
        for colour, thing, moment in zip(each.colours, each.things, each.moments, strict=True):
            found.append(Description(len(found), f"a {colour} {thing}", each.video.video_id, (moment,)))
    return found


def questions(videos: Iterable[Coloured]) -> list[Question]:
    """Which of four colours is seen, with the moment in which it is."""
    found: list[Question] = []
    for number, each in enumerate(videos):
        rng = np.random.default_rng((number, 1))
        shot, answer = int(rng.integers(SHOTS)), int(rng.integers(4))
        options = [colour for colour in rng.permutation(COLOURS).tolist() if colour not in each.colours][:3]
        options.insert(answer, each.colours[shot])
        found.append(Question(number, "what is seen", tuple(options), answer, each.video.video_id, each.moments[shot]))
    return found


def statements(videos: Iterable[Coloured]) -> list[Statement]:
    """A true statement on a colour and a false one, for each video."""
    found: list[Statement] = []
    for number, each in enumerate(videos):
        rng = np.random.default_rng((number, 2))
        wrong = next(colour for colour in rng.permutation(COLOURS).tolist() if colour not in each.colours)
        for half, colour in enumerate((each.colours[number % SHOTS], wrong)):
            found.append(Statement(f"s{number}-{half}", f"it shows {colour}", each.video.video_id, half == 0))
    return found


def captioned(videos: Iterable[Coloured]) -> list[CaptionedClip]:
    """Each shot as a clip that is described by its colour, twice."""
    return [
        CaptionedClip(
            f"{each.video.video_id}/{shot}",
            each.video.video_id,
            SHOTS * SHOT_S,
            moment,
            ((2 * shot, f"it shows a {colour} cup"), (2 * shot + 1, f"a {colour} cup is seen")),
        )
        for each in videos
        for shot, (colour, moment) in enumerate(zip(each.colours, each.moments, strict=True))
    ]
