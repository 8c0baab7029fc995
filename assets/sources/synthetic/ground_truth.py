"""What is true of the synthetic videos: steps in time, descriptions, and questions with their answers.

Evaluations compare with it. Nothing here may be used in training; captions come from the source only.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import polars as pl

from assets.outcomes import SourceError
from assets.sources.protocol import VideoSource
from assets.sources.synthetic import narration
from assets.sources.synthetic.source import SyntheticSource
from assets.sources.synthetic.vocabulary import ACTIONS, COLOURS, with_article
from assets.sources.synthetic.world import Step, Task, Thing, World, draws

OPTIONS = 4

STEP_SCHEMA = pl.Schema(
    {
        "video_id": pl.String(),
        "step_index": pl.Int64(),
        "start_s": pl.Float64(),
        "end_s": pl.Float64(),
        "action": pl.String(),
        "shape": pl.String(),
        "colour": pl.String(),
        "texture": pl.String(),
        "step_text": pl.String(),
        "description": pl.String(),
        "question": pl.String(),
        "options": pl.List(pl.String),
        "answer_index": pl.Int64(),
        "narrated": pl.Boolean(),
    }
)


@dataclass(frozen=True)
class TaskStep:
    """A step of a task, in the task's own order."""

    task_id: str
    step_index: int
    action: str
    shape: str
    colour: str
    texture: str
    step_text: str


@dataclass(frozen=True)
class VideoStep:
    """A step where a video shows it.

    ``step_index`` is its place in the task, so a video may skip or swap indices. ``narrated`` says whether
    some caption line describes the step, be it late.
    """

    video_id: str
    step_index: int
    start_s: float
    end_s: float
    action: str
    shape: str
    colour: str
    texture: str
    step_text: str
    description: str
    question: str
    options: tuple[str, ...]
    answer_index: int
    narrated: bool


def task_steps(source: VideoSource, task_id: str) -> tuple[TaskStep, ...]:
    """The ordered steps of a task."""
    world = _world(source)
    number = task_id.removeprefix("synthetic-")
    if not number.isdecimal() or int(number) >= world.tasks:
        raise SourceError(f"{task_id}: no such synthetic task")
    return tuple(
        TaskStep(task_id, step.index, step.action, **asdict(step.thing), step_text=str(step))
        for step in world.task(int(number)).steps
    )


def video_steps(source: VideoSource, video_id: str) -> tuple[VideoStep, ...]:
    """The steps of a video in the order in which it shows them."""
    world = _world(source)
    number = world.video_number(video_id)
    if number is None:
        raise SourceError(f"{video_id}: no such synthetic video")
    video = world.video(number)
    narrated = {line.step for line in narration.lines(world, video)}
    steps = []
    for scene in video.scenes:
        if scene.step is None:
            continue
        rng = draws(world.seed, "question", number, scene.step.index)
        question, options, answer = _question(rng, video.task, scene.step)
        steps.append(
            VideoStep(
                video_id,
                scene.step.index,
                scene.start_s,
                scene.end_s,
                scene.step.action,
                **asdict(scene.step.thing),
                step_text=str(scene.step),
                description=_description(rng, scene.step),
                question=question,
                options=options,
                answer_index=answer,
                narrated=scene.step in narrated,
            )
        )
    return tuple(steps)


def steps_frame(source: VideoSource, video_ids: Iterable[str]) -> pl.DataFrame:
    """The steps of many videos, one row each."""
    rows = [asdict(step) for video_id in video_ids for step in video_steps(source, video_id)]
    return pl.DataFrame(rows, schema=STEP_SCHEMA)


def _world(source: VideoSource) -> World:
    if not isinstance(source, SyntheticSource):
        raise TypeError(f"source {source.name}: only a synthetic source knows its ground truth")
    return source.world


def _description(rng: random.Random, step: Step) -> str:
    action, thing = ACTIONS[step.action], with_article(str(step.thing))
    return rng.choice(
        (
            f"Someone {action.third} {thing}.",
            f"{thing[0].upper()}{thing[1:]} is being {action.past}.",
            f"The video shows how to {action.base} {thing}.",
        )
    )


def _question(rng: random.Random, task: Task, step: Step) -> tuple[str, tuple[str, ...], int]:
    """A question that only this step of the task answers, its options, and which of them is right.

    Wrong options come from the task's other steps first, so that seeing a thing somewhere is not enough.
    """
    past, thing = ACTIONS[step.action].past, step.thing
    others = [other for other in task.steps if other.index != step.index]
    rng.shuffle(others)
    kinds = ["thing", "colour"] + ["action"] * all(other.thing != thing for other in others)
    match rng.choice(kinds):
        case "thing":
            question, right = f"What is {past}?", f"the {thing}"
            pool = [f"the {other.thing}" for other in others]
            pool += [f"the {Thing(thing.shape, colour, thing.texture)}" for colour in COLOURS]
        case "colour":
            question, right = f"What colour is the {thing.shape} that is {past}?", thing.colour
            pool = [other.thing.colour for other in others] + rng.sample(list(COLOURS), len(COLOURS))
        case _:
            question, right = f"What happens to the {thing}?", f"it is {past}"
            pool = [f"it is {ACTIONS[other.action].past}" for other in others]
    wrong = [option for option in dict.fromkeys(pool) if option != right][: OPTIONS - 1]
    answer = rng.randrange(OPTIONS)
    return question, (*wrong[:answer], right, *wrong[answer:]), answer
