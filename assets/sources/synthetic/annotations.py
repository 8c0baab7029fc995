"""The synthetic world's videos annotated like HERO's data sets, in the layout of their published files.

Descriptions, questions, statements and captions are derived from the true steps of the world. They are processed like
those of human annotators.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from assets.outcomes import SourceError
from assets.sources.synthetic import narration
from assets.sources.synthetic.ground_truth import VideoStep, video_steps
from assets.sources.synthetic.source import SyntheticSource
from assets.sources.synthetic.vocabulary import COLOURS, TEXTURES
from assets.sources.synthetic.world import World, draws
from ml.hero.construction import Split, split_by_video, write_release
from ml.hero.data.annotations import (
    CaptionedClip,
    Description,
    Interval,
    Question,
    Statement,
    write_msrvtt,
    write_tvc,
    write_tvqa,
    write_tvr,
    write_violin,
)
from ml.hero.data.subtitles import Line, write_subtitles

CLIP_S = 60.0
"""Seconds of a clip of How2R; the world's videos are about that long."""
ANNOTATORS = 4
DIDEMO_UNIT_S = 5.0
CARELESS = 0.7
"""Share of questions whose annotator writes careless wrong answers: without a texture, or the commonest colours."""


def write_annotations(source: SyntheticSource, video_ids: Sequence[str], folder: Path) -> None:
    """Write the files of TVR, DiDeMo, MSR-VTT, TVQA, VIOLIN, TVC, How2R and How2QA, and all videos' subtitles.

    Videos are divided 80/10/10 by the world's seed; ``test_public`` of TVR keeps its moments secret.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seed = source.world.seed
    write_subtitles(folder / "synthetic_subtitles.jsonl", {each: subtitles(source, each) for each in video_ids})
    moments = [each for video_id in video_ids for each in moment_descriptions(source, video_id)]
    for split, own in split_by_video(moments, seed).items():
        videos = sorted({str(each.video_id) for each in own})
        name = "test_public" if split == "test" else split
        write_tvr(folder / f"tvr_{name}_release.jsonl", map(_secret, own) if split == "test" else own)
        write_tvr(folder / f"didemo_{split}.jsonl", (each for v in videos for each in agreed_descriptions(source, v)))
        write_msrvtt(folder / f"msrvtt_{split}.jsonl", (video_description(source, v) for v in videos))
        write_tvqa(folder / f"tvqa_{split}.jsonl", (each for v in videos for each in tv_questions(source, v)))
        write_violin(folder / f"violin_{split}.jsonl", (each for v in videos for each in statements(source, v)))
        write_tvc(folder / f"tvc_{split}.jsonl", (each for v in videos for each in captioned_clips(source, v)))
    segments = [each for video_id in video_ids for each in segment_descriptions(source, video_id)]
    questions = [each for video_id in video_ids for each in clip_questions(source, video_id)]
    parts: tuple[dict[Split, list[Description]], dict[Split, list[Question]]] = (
        split_by_video(segments, seed),
        split_by_video(questions, seed),
    )
    write_release(folder, *parts)


def subtitles(source: SyntheticSource, video_id: str) -> list[Line]:
    """What is said, from first to last word; none if nobody speaks."""
    world = source.world
    return [
        Line(line.start_s, line.end_s, line.text)
        for line in narration.lines(world, world.video(_number(world, video_id)))
    ]


def moment_descriptions(source: SyntheticSource, video_id: str) -> list[Description]:
    """One description per step as in TVR: kind vt if the narrator mentions the step, v if it is only visible."""
    duration, number = _duration(source.world, video_id), _number(source.world, video_id)
    return [
        Description(
            desc_id=100 * number + step.step_index,
            text=step.description,
            video_id=video_id,
            intervals=((step.start_s, step.end_s),),
            duration_s=duration,
            kind="vt" if step.narrated else "v",
        )
        for step in video_steps(source, video_id)
    ]


def agreed_descriptions(source: SyntheticSource, video_id: str) -> list[Description]:
    """The same as in DiDeMo: four annotators give the moment in units of five seconds, one in four is off by a unit."""
    found = []
    for each in moment_descriptions(source, video_id):
        rng = draws(source.world.seed, "annotators", each.desc_id)
        last = (each.duration_s or 0.0) // DIDEMO_UNIT_S
        units = [round(time / DIDEMO_UNIT_S) for time in each.intervals[0]]
        intervals = []
        for _ in range(ANNOTATORS):
            shift = rng.choice((-1, 1)) if rng.random() < 0.25 else 0
            start = min(max(units[0] + shift, 0), last)
            end = max(units[1] + shift, start + 1)
            intervals.append((start * DIDEMO_UNIT_S, end * DIDEMO_UNIT_S))
        found.append(Description(each.desc_id, each.text, video_id, tuple(intervals), each.duration_s))
    return found


def video_description(source: SyntheticSource, video_id: str) -> Description:
    """A text about a whole video as in MSR-VTT: the first three steps that it shows."""
    shown = [step.step_text for step in video_steps(source, video_id)][:3]
    return Description(f"ret{_number(source.world, video_id)}", f"Someone shows how to {', '.join(shown)}", video_id)


def tv_questions(source: SyntheticSource, video_id: str) -> list[Question]:
    """A question a step with five answers as in TVQA; the fifth is a thing or colour that no other option has."""
    number = _number(source.world, video_id)
    found: list[Question] = []
    for step in video_steps(source, video_id):
        rng = draws(source.world.seed, "fifth answer", video_id, step.step_index)
        options = list(step.options)
        right = options[step.answer_index]
        options.append(_other(rng, step, right, options))
        rng.shuffle(options)
        interval = (round(step.start_s, 2), round(step.end_s, 2))
        found.append(
            Question(
                100 * number + step.step_index, step.question, tuple(options), options.index(right), video_id, interval
            )
        )
    return found


def statements(source: SyntheticSource, video_id: str) -> list[Statement]:
    """A true statement and its opposite a step as in VIOLIN; the false one names another colour and texture."""
    number = _number(source.world, video_id)
    found: list[Statement] = []
    for step in video_steps(source, video_id):
        rng = draws(source.world.seed, "statement", video_id, step.step_index)
        colour = rng.choice([each for each in COLOURS if each != step.colour])
        texture = rng.choice([each for each in TEXTURES if each != step.texture])
        false = step.step_text.replace(step.colour, colour).replace(step.texture, texture)
        pair = [(step.step_text, True), (false, False)]
        rng.shuffle(pair)
        found += [
            Statement(f"{100 * number + step.step_index}-{half}", f"In the video, people {text}.", video_id, label)
            for half, (text, label) in enumerate(pair)
        ]
    return found


def captioned_clips(source: SyntheticSource, video_id: str) -> list[CaptionedClip]:
    """A clip a step with two captions as in TVC."""
    first, duration = 100 * _number(source.world, video_id), _duration(source.world, video_id)
    return [
        CaptionedClip(
            first + step.step_index,
            video_id,
            duration,
            (step.start_s, step.end_s),
            (
                (2 * (first + step.step_index), step.description),
                (2 * (first + step.step_index) + 1, f"People {step.step_text}."),
            ),
        )
        for step in video_steps(source, video_id)
    ]


def segment_descriptions(source: SyntheticSource, video_id: str) -> list[Description]:
    """A query a pair of neighbouring steps as in How2R; some break the limits, as what annotators hand in does."""
    found: list[Description] = []
    for one, other in list(pairwise(video_steps(source, video_id)))[::2]:
        text = f"{one.step_text} and then {other.step_text}"
        interval = (round(one.start_s, 2), round(other.end_s, 2))
        clip = _clip(source.world, video_id, interval)
        found.append(Description(f"{video_id}/{one.step_index}", text, video_id, (interval,), clip=clip))
    return found


def clip_questions(source: SyntheticSource, video_id: str) -> list[Question]:
    """A question a step with four options as in How2QA, the wrong ones often careless."""
    found = []
    for step in video_steps(source, video_id):
        rng = draws(source.world.seed, "careless", video_id, step.step_index)
        right = step.options[step.answer_index]
        wrong = [option for option in step.options if option != right]
        if rng.random() < CARELESS:
            wrong = _careless(wrong, right)
        place = rng.randrange(len(wrong) + 1)
        options = (*wrong[:place], right, *wrong[place:])
        interval = (round(step.start_s, 2), round(step.end_s, 2))
        found.append(Question(f"{video_id}/{step.step_index}", step.question, options, place, video_id, interval))
    return found


def _careless(wrong: Sequence[str], right: str) -> list[str]:
    """Shorter than the right answer: things without their texture, the three commonest colours, doings untold."""
    if right in COLOURS:
        return [colour for colour in COLOURS if colour != right][: len(wrong)]
    shorter = [" ".join(word for word in option.split() if word not in TEXTURES) for option in wrong]
    distinct = list(dict.fromkeys(each for each in shorter if each != right))
    return distinct if len(distinct) == len(wrong) else list(wrong)


def _other(rng: random.Random, step: VideoStep, right: str, options: Sequence[str]) -> str:
    """One more wrong option of the right one's kind."""
    if right in COLOURS:
        pool = list(COLOURS)
    elif right.startswith("the "):
        pool = [f"the {texture} {colour} {step.shape}" for texture in TEXTURES for colour in COLOURS]
    else:
        pool = ["it is not shown", "it is thrown away"]
    return rng.choice([each for each in pool if each not in options])


def _secret(each: Description) -> Description:
    return Description(each.desc_id, each.text, None, kind=each.kind)


def _clip(world: World, video_id: str, interval: Interval) -> Interval:
    """The clip of a minute in which a moment begins; the last one ends with the video."""
    start = interval[0] // CLIP_S * CLIP_S
    return start, min(start + CLIP_S, round(_duration(world, video_id), 2))


def _number(world: World, video_id: str) -> int:
    number = world.video_number(video_id)
    if number is None:
        raise SourceError(f"{video_id}: no such synthetic video")
    return number


def _duration(world: World, video_id: str) -> float:
    return world.video(_number(world, video_id)).duration_s
