"""Ablations of HERO's pre-training and architecture on the synthetic world. Imports torch.

The videos have the synthetic features of ``assets.sources.synthetic.frames``, so that hundreds of them need no
decoding. The results compare the variants with each other and do not apply to real videos.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from typing import Literal

import polars as pl

from assets.lake import load_tables
from assets.sources.synthetic import SyntheticSource
from assets.sources.synthetic.annotations import moment_descriptions, subtitles, tv_questions
from assets.sources.synthetic.frames import frame_features
from ml.harness import Runtime
from ml.hero.baselines import FlatTransformer, HierarchicalTransformer
from ml.hero.batch import aligned
from ml.hero.clip_store import Clip, tokenised
from ml.hero.config import PRESETS
from ml.hero.data.annotations import Question
from ml.hero.downstream.finetune import Settings as FineTuning
from ml.hero.downstream.finetune import Task, finetune
from ml.hero.downstream.tasks.examples import Examples
from ml.hero.downstream.tasks.moment_retrieval import MomentRetrieval
from ml.hero.downstream.tasks.question_answering import QuestionAnswering
from ml.hero.model import Hero
from ml.hero.pretraining import fom
from ml.hero.pretraining.train import Settings, TaskName, pretrain
from ml.hero.tokenizer import HeroTokenizer, trained
from ml.hero.video import Video, excerpt
from ml.training import pick_device

Subject = Literal["tasks", "architecture", "corpus"]
Progress = Callable[[str], None]
Variant = tuple[type[Hero], tuple[TaskName, ...], tuple[str, ...]]
Score = tuple[str, str, float, int]
"""Benchmark, metric, value and number of items."""

TV_S, HOWTO_S = 1.5, 2.0
"""Seconds per frame of the benchmark's videos, and of the others, as in HERO's published features."""
HELD_OUT = 8
"""One in this many videos is held out."""
FEATURES = 64
WORDS = 1024
QUESTION_TEXT = 120
"""Most tokens of a question and an answer (``max_txt_len`` of HERO's configurations for TVQA)."""
PUBLISHED: tuple[TaskName, ...] = ("mlm", "mnce", "fom", "vsm")
TASK_SETS: dict[str, tuple[TaskName, ...]] = {
    "not pre-trained": (),
    "MLM": ("mlm",),
    "MLM, MNCE": ("mlm", "mnce"),
    "MLM, MNCE, FOM": ("mlm", "mnce", "fom"),
    "MLM, MNCE, FOM, VSM": PUBLISHED,
    "MLM, MNCE, FOM, VSM, MFFR": (*PUBLISHED, "mffr"),
}
ARCHITECTURES: dict[str, type[Hero]] = {
    "HERO": Hero,
    "H-TRM": HierarchicalTransformer,
    "F-TRM": FlatTransformer,
}
COST = {Hero: 1.0, HierarchicalTransformer: 1.0, FlatTransformer: 2.5}
"""Approximate CPU time of a step relative to HERO's; the slowest training starts first."""
RECALLS = ("VCMR_0.5_R@1", "VCMR_0.7_R@1", "VCMR_0.5_R@10", "SVMR_0.5_R@1", "VR_R@1")


@dataclass(frozen=True)
class Effort:
    """The size of a comparison: videos per corpus, steps per pre-training task, steps of fine-tuning.

    A task has the same number of steps in every set of tasks, so that larger sets are not at a disadvantage. Matching
    has the most, because it does not improve before some hundred steps; frame order needs more than one hundred.
    """

    videos: int = 320
    steps: Mapping[TaskName, int] = field(
        default_factory=lambda: {"mlm": 150, "mnce": 150, "fom": 300, "vsm": 500, "mffr": 100}
    )
    retrieval_steps: int = 120
    question_steps: int = 240
    batch: int = 16
    learning_rate: float = 1e-3


@dataclass(frozen=True)
class Trial:
    """One model: its name in the table, its class, its pre-training tasks and corpora."""

    method: str
    kind: type[Hero]
    tasks: tuple[TaskName, ...]
    corpora: tuple[str, ...] = ("TV",)

    @property
    def variant(self) -> Variant:
        """Everything but the name."""
        return self.kind, self.tasks, self.corpora


TRIALS: dict[Subject, list[Trial]] = {
    "tasks": [Trial(name, Hero, tasks) for name, tasks in TASK_SETS.items()],
    "architecture": [Trial(name, kind, PUBLISHED) for name, kind in ARCHITECTURES.items()],
    "corpus": [
        Trial("TV-like", Hero, PUBLISHED),
        Trial("HowTo-like", Hero, PUBLISHED, ("HowTo",)),
        Trial("both", Hero, PUBLISHED, ("TV", "HowTo")),
    ],
}


@dataclass(frozen=True)
class Corpus:
    """Videos in memory, as the data of a pre-training."""

    videos: Sequence[Video]
    identity: str

    def __len__(self) -> int:
        return len(self.videos)

    def take(self, numbers: Sequence[int], /) -> list[Video]:
        return [self.videos[number] for number in numbers]


@dataclass(frozen=True)
class Worlds:
    """The benchmark's videos (TV-like), other videos (HowTo-like), and the vocabulary of both."""

    source: SyntheticSource
    tokenizer: HeroTokenizer
    training: Mapping[str, Sequence[Video]]
    held_out: Sequence[Video]

    @staticmethod
    def make(videos: int, seed: int) -> Worlds:
        """One narrated video per task, so that no two videos of a world show the same steps."""
        benchmark, other = SyntheticSource(videos, 1, seed), SyntheticSource(videos, 1, seed + 1000)
        spoken = {source: _narrated(source) for source in (benchmark, other)}
        lines = [line.text for source, ids in spoken.items() for each in ids for line in subtitles(source, each)]
        tokenizer = trained(lines, WORDS)
        tv, howto = (
            [
                tokenised(
                    Clip(each, frame_features(source, each, interval_s, FEATURES), interval_s, subtitles(source, each)),
                    tokenizer.encode,
                )
                for each in spoken[source]
            ]
            for source, interval_s in ((benchmark, TV_S), (other, HOWTO_S))
        )
        training = [video for number, video in enumerate(tv) if number % HELD_OUT]
        return Worlds(benchmark, tokenizer, {"TV": training, "HowTo": howto}, tv[::HELD_OUT])

    def corpus(self, names: Sequence[str]) -> Corpus:
        """The videos of several corpora."""
        return Corpus([video for name in names for video in self.training[name]], f"{self.source.world.seed} {names}")


def compare(
    subjects: Sequence[Subject], seeds: Sequence[int], effort: Effort, device: str, progress: Progress
) -> pl.DataFrame:
    """Train and score each variant of some subjects: rows of ``hero_studies``.

    A variant that several subjects share is trained once. Without a GPU, one training per core runs at a time, each in
    a process of one thread, because models of this size do not benefit from more.
    """
    planned = [(subject, trial, seed) for subject in subjects for trial in TRIALS[subject] for seed in seeds]
    jobs = {(trial.variant, seed): trial for _, trial, seed in planned}
    slowest_first = sorted(jobs.items(), key=lambda job: -_cost(job[1], effort))
    found: dict[tuple[Variant, int], list[Score]] = {}
    with ProcessPoolExecutor(_processes(device), get_context("spawn"), initializer=_one_thread) as pool:
        training = {pool.submit(_scores, trial, key[1], effort, device): key for key, trial in slowest_first}
        for finished in as_completed(training):
            key = training[finished]
            found[key] = finished.result()
            scores = ", ".join(f"{benchmark} {metric} {value:.3f}" for benchmark, metric, value, _ in found[key])
            progress(f"{jobs[key].method}, seed {key[1]}: {scores}")
    rows = [
        (subject, trial.method, benchmark, metric, seed, *value)
        for subject, trial, seed in planned
        for benchmark, metric, *value in found[trial.variant, seed]
    ]
    return load_tables()["hero_studies"].frame(rows)


def _cost(trial: Trial, effort: Effort) -> float:
    return COST[trial.kind] * sum(effort.steps[task] for task in trial.tasks)


def _processes(device: str) -> int:
    return len(os.sched_getaffinity(0)) if pick_device(device).type == "cpu" else 1


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _scores(trial: Trial, seed: int, effort: Effort, device: str) -> list[Score]:
    return list(score(trial, Worlds.make(effort.videos, seed), effort, Runtime(device=device), seed))


def score(trial: Trial, worlds: Worlds, effort: Effort, runtime: Runtime, seed: int) -> Iterator[Score]:
    """Losses of the pre-training, recalls before and after fine-tuning, and accuracy of question answering."""
    model, history = _pretrained(trial, worlds, effort, runtime, seed)
    held_out = len(worlds.held_out)
    for task in trial.tasks:
        for name, entry in (("first", history[0]), ("last", history[-1])):
            yield "pre-training", f"{task}_{name}", entry[f"validation_{task}"], held_out
    if "fom" in trial.tasks:
        yield "pre-training", "fom_accuracy", *_order_accuracy(model, worlds)
    retrieval = MomentRetrieval(model, _examples(worlds, moment_descriptions))
    queries = len(retrieval.data.validation)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    before = retrieval.evaluate()
    yield from (("moments, not fine-tuned", name, before[name], queries) for name in RECALLS)
    after = _fine_tuned(retrieval, effort.retrieval_steps, effort, runtime, seed)
    yield from (("moments, fine-tuned", name, after[name], queries) for name in RECALLS)
    model.load_state_dict(state)
    answering = QuestionAnswering(model, _questions_of_moments(worlds))
    entry = _fine_tuned(answering, effort.question_steps, effort, runtime, seed)
    yield "questions of moments, fine-tuned", "accuracy", entry["accuracy"], len(answering.data.validation)


def _pretrained(
    trial: Trial, worlds: Worlds, effort: Effort, runtime: Runtime, seed: int
) -> tuple[Hero, list[dict[str, float]]]:
    config = replace(PRESETS["small"], vocabulary=len(worlds.tokenizer), frame_dim=FEATURES)
    if not trial.tasks:
        import torch

        torch.manual_seed(seed)
        return trial.kind(config).eval(), []
    shares = {task: effort.steps[task] for task in trial.tasks}
    steps = sum(shares.values())
    settings = Settings(
        shares,
        steps=steps,
        warm_up=steps // 10,
        batch=effort.batch,
        learning_rate=effort.learning_rate,
        validate_every=-(-steps // 10),
        seed=seed,
    )
    held_out = Corpus(worlds.held_out, "held out")
    source, vocabulary = worlds.corpus(trial.corpora), worlds.tokenizer.vocabulary
    return pretrain(source, held_out, vocabulary, config, settings, runtime, kind=trial.kind)


def _examples(worlds: Worlds, annotate: Callable[..., list]) -> Examples:
    videos = {video.video_id: video for video in (*worlds.training["TV"], *worlds.held_out)}
    training, validation = (
        [each for video in some for each in annotate(worlds.source, video.video_id)]
        for some in (worlds.training["TV"], worlds.held_out)
    )
    return Examples(worlds.tokenizer, videos, training, validation, content="synthetic features")


def _questions_of_moments(worlds: Worlds) -> Examples[Question]:
    """Each question, with the moment that it refers to as its video.

    Models of this size do not learn to find that moment in minutes, and would answer by chance.
    """
    whole: Examples[Question] = _examples(worlds, tv_questions)
    moments: dict[str, Video] = {}

    def of_moment(question: Question) -> Question:
        assert question.interval is not None
        start_s, end_s = question.interval
        name = f"{question.video_id} {question.question_id}"
        moments[name] = excerpt(whole.videos[question.video_id], start_s, end_s, name)
        return replace(question, video_id=name, interval=None)

    training, validation = ([of_moment(each) for each in some] for some in (whole.training, whole.validation))
    return replace(whole, videos=moments, training=training, validation=validation, max_text=QUESTION_TEXT)


def _fine_tuned(task: Task, steps: int, effort: Effort, runtime: Runtime, seed: int) -> dict[str, float]:
    """Metrics after the last step; so short a training has no earlier checkpoint to choose."""
    settings = FineTuning(effort.learning_rate, steps, steps // 10, effort.batch, validate_every=steps, seed=seed)
    return finetune(task, settings, runtime)[-1]


def _order_accuracy(model: Hero, worlds: Worlds) -> tuple[float, int]:
    """Share of shuffled frames of held-out videos whose position is predicted exactly, and their number."""
    import numpy as np
    import torch

    videos = [aligned(video, model.config) for video in worlds.held_out]
    drawn = fom.draw(videos, [np.random.default_rng((5, number)) for number in range(len(videos))])
    with torch.inference_mode():
        logits, places = fom.logits(model.eval(), drawn)
    return float((logits.argmax(1) == places).double().mean()), len(places)


def _narrated(source: SyntheticSource) -> list[str]:
    world = source.world
    ids = (f"synthetic-{number:05d}" for number in range(world.tasks * world.videos_per_task))
    return [each for each in ids if subtitles(source, each)]
