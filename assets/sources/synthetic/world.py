"""The generated how-to world: articles, tasks with ordered steps, and videos as sequences of scenes.

Everything is computed on demand from its number, so that a world of any size costs nothing until it is used.
See `narration` for what is said and `render` for how it is drawn.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from assets.sources.protocol import Article
from assets.sources.synthetic.vocabulary import (
    ABSTRACT_VERBS,
    ACTIONS,
    CATEGORIES,
    COLOURS,
    SHAPES,
    TEXTURES,
    UNWANTED_CATEGORIES,
    Category,
    with_article,
)

FRAME_RATE = 12
MOST_TASKS = 120_000  # as many as WikiHow has articles; below the number of distinct titles of a category
# Coprime to the count of titles, near its golden section: neighbours get unrelated titles, no two the same.
TITLE_STRIDE = 94_973

Speech = Literal["asr", "manual", "translated", "sparse", "none"]


def draws(*key: object) -> random.Random:
    """A random stream of its own for a key. Strings are hashed with SHA-512: the same in every process."""
    return random.Random("/".join(map(str, key)))


@dataclass(frozen=True)
class Thing:
    """What a step is done to; every word of it can be seen."""

    shape: str
    colour: str
    texture: str

    def __str__(self) -> str:
        return f"{self.texture} {self.colour} {self.shape}"


@dataclass(frozen=True)
class Step:
    """One step of a task; ``index`` is its place in the task's own order."""

    index: int
    action: str
    thing: Thing

    def __str__(self) -> str:
        return f"{self.action} the {self.thing}"


@dataclass(frozen=True)
class Task:
    """A how-to task. No two of its steps share an action, so that an action names a step."""

    number: int
    task_id: str
    title: str
    categories: tuple[str, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Scene:
    """A shot of a video in frames, end exclusive; without a step the host talks to the camera."""

    first_frame: int
    end_frame: int
    step: Step | None

    @property
    def start_s(self) -> float:
        return self.first_frame / FRAME_RATE

    @property
    def end_s(self) -> float:
        return self.end_frame / FRAME_RATE


@dataclass(frozen=True)
class Video:
    """A video of a task.

    ``listed_duration_s`` is what search says: above 2,000 s for a few, unknown for fewer. ``lag_s`` is how
    late the narrator speaks.
    """

    number: int
    video_id: str
    task: Task
    title: str
    channel: str
    listed_duration_s: float | None
    view_count: int | None
    speech: Speech
    lag_s: float
    scenes: tuple[Scene, ...]

    @property
    def duration_s(self) -> float:
        return self.scenes[-1].end_s

    def scene_at(self, time_s: float) -> Scene:
        """The scene on screen; times outside the video get the nearest scene."""
        return next((scene for scene in self.scenes if time_s < scene.end_s), self.scenes[-1])


@dataclass(frozen=True)
class World:
    """All tasks and videos of one seed.

    Args:
        tasks: tasks worth keeping; some articles that a filter should reject come on top.
        videos_per_task: videos made for a task; its search finds these and a few of other tasks.
        seed: another seed is another world.
    """

    tasks: int
    videos_per_task: int
    seed: int

    def __post_init__(self) -> None:
        if not 1 <= self.tasks <= MOST_TASKS:
            raise ValueError(f"tasks={self.tasks}: must be between 1 and {MOST_TASKS}")
        if self.videos_per_task < 1:
            raise ValueError(f"videos_per_task={self.videos_per_task}: must be at least 1")

    def articles(self) -> Iterator[Article]:
        """The tasks' articles, then those in other categories or with an abstract verb, alternating."""
        for number in range(self.tasks):
            title, categories = self._heading(number)
            yield _article(number, title, categories)
        for number in range(self.tasks, self.tasks + max(8, self.tasks // 4)):
            yield self._unwanted_article(number)

    def task(self, number: int) -> Task:
        """A task from its number, which is also its article's."""
        title, categories = self._heading(number)
        rng = draws(self.seed, "steps", number)
        shape, colour = self._main_thing(number)
        main = Thing(shape, colour, rng.choice(TEXTURES))
        actions = rng.sample(list(ACTIONS), rng.randint(6, 8))
        steps = tuple(
            Step(index, action, main if index == 0 or rng.random() < 0.25 else _any_thing(rng))
            for index, action in enumerate(actions)
        )
        return Task(number, f"synthetic-{number}", title, categories, steps)

    def task_number(self, title: str) -> int | None:
        """The task with this title, in any case, or none."""
        return self._number_of_title.get(title.casefold())

    def video(self, number: int) -> Video:
        """A video from its number; videos of a task follow each other."""
        rng = draws(self.seed, "video", number)
        task = self.task(number // self.videos_per_task)
        scenes = _scenes(rng, task)
        # Unknown and long durations, unknown view counts and missing words are what the filters must meet.
        listed: float | None = scenes[-1].end_s
        if (luck := rng.random()) < 0.05:
            listed = float(rng.randint(2001, 9000))
        elif luck < 0.07:
            listed = None
        views = None if rng.random() < 0.04 else int(rng.lognormvariate(8.0, 2.1))
        kinds: tuple[Speech, ...] = ("asr", "manual", "translated", "sparse", "none")
        speech = rng.choices(kinds, weights=(75, 10, 4, 5, 6))[0]
        lag_s = rng.uniform(1.0, 3.5) if speech in ("asr", "sparse") else 0.0
        title = rng.choice(("How to {}", "{}", "{} | Easy tutorial", "{} in {} simple steps", "DIY: {}"))
        return Video(
            number=number,
            video_id=f"synthetic-{number:05d}",
            task=task,
            title=title.format(task.title, len(task.steps)),
            channel=f"synthetic channel {rng.randint(1, max(2, self.tasks // 2))}",
            listed_duration_s=listed,
            view_count=views,
            speech=speech,
            lag_s=lag_s,
            scenes=scenes,
        )

    def video_number(self, video_id: str) -> int | None:
        """The number in a video id, or none if this world has no such video."""
        match = re.fullmatch(r"synthetic-(\d{5,})", video_id)
        if match is None or f"synthetic-{int(match[1]):05d}" != video_id:
            return None
        return int(match[1]) if int(match[1]) < self.tasks * self.videos_per_task else None

    def found(self, task_number: int) -> list[int]:
        """Video numbers that a search for the task finds, best first: its own, and up to two others."""
        rng = draws(self.seed, "search", task_number)
        first = task_number * self.videos_per_task
        numbers = list(range(first, first + self.videos_per_task))
        rng.shuffle(numbers)
        if self.tasks > 1:
            for _ in range(rng.randint(0, 2)):
                other = (task_number + rng.randrange(1, self.tasks)) % self.tasks
                stranger = other * self.videos_per_task + rng.randrange(self.videos_per_task)
                if stranger not in numbers:
                    numbers.insert(rng.randint(1, len(numbers)), stranger)
        return numbers

    @cached_property
    def _number_of_title(self) -> dict[str, int]:
        return {self._heading(number)[0].casefold(): number for number in range(self.tasks)}

    def _heading(self, number: int) -> tuple[str, tuple[str, ...]]:
        """Title and categories of a task. Every category gets a task before the frequent ones get more."""
        rng = draws(self.seed, "category", number)
        if number < len(CATEGORIES):
            category = CATEGORIES[number]
        else:
            category = rng.choices(CATEGORIES, weights=[category.weight for category in CATEGORIES])[0]
        title, second = self._title(number, category, category.verbs)
        return title, (category.name,) if rng.random() < 0.03 else (category.name, second)

    def _unwanted_article(self, number: int) -> Article:
        rng = draws(self.seed, "unwanted", number)
        if (number - self.tasks) % 2:
            category = rng.choice(UNWANTED_CATEGORIES)
            title, second = self._title(number, category, category.verbs)
        else:
            category = rng.choice(CATEGORIES)
            title, second = self._title(number, category, ABSTRACT_VERBS)
        return _article(number, title, (category.name, second))

    def _title(self, number: int, category: Category, verbs: tuple[str, ...]) -> tuple[str, str]:
        """A title such as "Paint a Wooden Chair with a Red Kite" and its second-level category."""
        rest = self._scattered(number) // (len(SHAPES) * len(COLOURS))
        nouns = [(second, noun) for second, words in category.nouns.items() for noun in words]
        rest, noun_index = divmod(rest, len(nouns))
        rest, verb_index = divmod(rest, len(verbs))
        second, noun = nouns[noun_index]
        topic = with_article(f"{category.adjectives[rest % len(category.adjectives)]} {noun}")
        shape, colour = self._main_thing(number)
        return f"{verbs[verb_index]} {topic} with {with_article(f'{colour} {shape}'.title())}", second

    def _main_thing(self, number: int) -> tuple[str, str]:
        """Shape and colour of the thing that the title names."""
        colour, shape = divmod(self._scattered(number) % (len(SHAPES) * len(COLOURS)), len(SHAPES))
        return SHAPES[shape], list(COLOURS)[colour]

    def _scattered(self, number: int) -> int:
        """A one-to-one shuffle of the numbers below the count of a category's titles."""
        first = CATEGORIES[0]
        nouns = sum(map(len, first.nouns.values()))
        titles = len(SHAPES) * len(COLOURS) * nouns * len(first.verbs) * len(first.adjectives)
        return (number * TITLE_STRIDE + draws(self.seed, "titles").randrange(titles)) % titles


def _article(number: int, title: str, categories: tuple[str, ...]) -> Article:
    return Article(f"synthetic-{number}", title, f"synthetic://articles/{number}", categories)


def _any_thing(rng: random.Random) -> Thing:
    return Thing(rng.choice(SHAPES), rng.choice(list(COLOURS)), rng.choice(TEXTURES))


def _scenes(rng: random.Random, task: Task) -> tuple[Scene, ...]:
    """The host greets, shows the steps (some left out, at times two swapped), may digress, says goodbye."""
    shown = [step for step in task.steps if rng.random() > 0.12]
    if len(shown) < 5:
        shown = list(task.steps[:5])
    if rng.random() < 0.25:
        early = rng.randrange(len(shown) - 1)
        shown[early], shown[early + 1] = shown[early + 1], shown[early]
    plan: list[tuple[Step | None, float]] = [(None, rng.uniform(3, 6))]
    seconds_per_step = rng.uniform(42, 58) / len(shown)
    plan += [(step, min(12.0, max(4.0, seconds_per_step * rng.uniform(0.7, 1.3)))) for step in shown]
    if rng.random() < 0.4:
        plan.insert(rng.randint(2, len(plan) - 1), (None, rng.uniform(3, 5)))
    plan.append((None, rng.uniform(3, 5)))
    scenes: list[Scene] = []
    for step, seconds in plan:
        first = scenes[-1].end_frame if scenes else 0
        scenes.append(Scene(first, first + round(seconds * FRAME_RATE), step))
    return tuple(scenes)
