"""HERO's downstream benchmarks, from a folder of published files or from the lake, and fine-tuning on them.

See ``ml.hero.downstream`` for the tasks. Imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from assets.hero.options import TASKS, HeroOptions, HeroTaskOptions
from assets.hero.tasks.videos import LakeTables, LakeVideos, PublishedVideos
from assets.lake import load_tables
from assets.models.evaluations import evaluation_rows
from assets.models.folder import model_version
from assets.models.options import RuntimeOptions
from assets.sources.protocol import VideoSource
from assets.sources.synthetic import SyntheticSource
from ml.curves import tensorboard_folder
from ml.harness import Entry, Runtime
from ml.hero.data.annotations import read_how2qa, read_how2r, read_msrvtt, read_tvc, read_tvqa, read_tvr, read_violin
from ml.hero.downstream.finetune import PRESETS, Settings, Task, finetune
from ml.hero.downstream.tasks.captioning import Captioning
from ml.hero.downstream.tasks.examples import Examples
from ml.hero.downstream.tasks.moment_retrieval import PRESETS as MOMENTS
from ml.hero.downstream.tasks.moment_retrieval import MomentRetrieval
from ml.hero.downstream.tasks.question_answering import QuestionAnswering
from ml.hero.downstream.tasks.video_entailment import VideoEntailment
from ml.hero.downstream.tasks.video_retrieval import VideoRetrieval
from ml.hero.model import Hero
from ml.hero.tokenizer import load_tokenizer
from ml.hero.video import Video
from ml.training import pick_device, write_model_folder

SECONDS_OF_TV = 1.5
"""Seconds per frame of the benchmarks' published features; 2 s for MSR-VTT."""
_TRAINING_FIELDS = ("epoch", "loss", "learning_rate", "seconds", "items_per_s")
LEAST_BATCH = 4
ANSWERS = "question answering"


@dataclass(frozen=True)
class Benchmark:
    """A data set: file names by split, their reader, the task, and its published settings.

    Attributes:
        settings: name of the published fine-tuning settings.
        texts: most tokens of a text.
        preceding: number of preceding subtitles that are read with each subtitle.
        zero_shot: whether the pre-trained model can do the task without fine-tuning.
        head: the kind of head that the task needs (``ml.hero.downstream.released``); None for retrieval.
    """

    title: str
    files: str
    read: Callable[[Path], list[Any]]
    task: Callable[[Hero, Examples[Any]], Task]
    settings: str
    interval_s: float = SECONDS_OF_TV
    with_subtitles: bool = True
    texts: int = 60
    preceding: int = 0
    zero_shot: bool = False
    head: str | None = None

    def paths(self, folder: Path) -> tuple[Path, Path]:
        """Files of the training and validation splits."""
        return folder / self.files.format("train"), folder / self.files.format("val")

    def exists(self, folder: Path) -> bool:
        return all(path.is_file() for path in self.paths(folder))


def _moments(preset: str) -> Callable[[Hero, Examples[Any]], Task]:
    return lambda model, examples: MomentRetrieval(model, examples, MOMENTS[preset])


BENCHMARKS: dict[str, Benchmark] = {
    "tvr": Benchmark(TASKS["tvr"], "tvr_{}_release.jsonl", read_tvr, _moments("tvr"), "tvr", zero_shot=True),
    "how2r": Benchmark(TASKS["how2r"], "how2r_{}.csv", read_how2r, _moments("how2r"), "how2r", zero_shot=True),
    "didemo": Benchmark(
        TASKS["didemo"],
        "didemo_{}.jsonl",
        read_tvr,
        _moments("didemo_video"),
        "didemo_video",
        with_subtitles=False,
        zero_shot=True,
    ),
    "msrvtt": Benchmark(
        TASKS["msrvtt"], "msrvtt_{}.jsonl", read_msrvtt, VideoRetrieval, "msrvtt", 2.0, preceding=1, zero_shot=True
    ),
    "tvqa": Benchmark(TASKS["tvqa"], "tvqa_{}.jsonl", read_tvqa, QuestionAnswering, "tvqa", texts=120, head=ANSWERS),
    "how2qa": Benchmark(
        TASKS["how2qa"], "how2qa_{}.csv", read_how2qa, QuestionAnswering, "how2qa", texts=120, head=ANSWERS
    ),
    "violin": Benchmark(
        TASKS["violin"],
        "violin_{}.jsonl",
        read_violin,
        VideoEntailment,
        "violin",
        texts=120,
        preceding=2,
        head="video entailment",
    ),
    "tvc": Benchmark(TASKS["tvc"], "tvc_{}.jsonl", read_tvc, Captioning, "tvc", preceding=1, head="captioning"),
}


def evaluated(
    name: str,
    benchmark: Benchmark,
    tables: LakeTables,
    source: VideoSource,
    options: HeroOptions,
    task_options: HeroTaskOptions,
    runtime: RuntimeOptions,
    models: Path,
    scratch: Path,
    snapshot: int,
    progress: Callable[[Entry], None],
) -> tuple[pl.DataFrame, list[Entry]]:
    """Fine-tune on a benchmark and evaluate: rows of ``evaluations``, and the training history.

    Both are empty if the files of the benchmark do not exist. The model is kept as the model folder
    ``<models>/hero_<name>``, with the metrics of its best validation.

    Args:
        models: folder that holds the model folders of HERO and its vocabulary.
        scratch: an empty folder for annotations of the synthetic world.
    """
    folder = task_options.benchmarks or synthetic_annotations(source, tables, scratch)
    model, origin = f"hero_{name}", "published files" if task_options.benchmarks else source.name
    if folder is None or not benchmark.exists(folder):
        return load_tables()["evaluations"].frame(()), []
    tokenizer, own = load_tokenizer(models / "hero_tokenizer"), task_options.benchmarks is not None
    videos: Mapping[str, Video] = (
        PublishedVideos(folder, benchmark.interval_s, tokenizer.encode)
        if own
        else LakeVideos(tables, benchmark.interval_s, tokenizer.encode)
    )
    training, validation = (benchmark.read(path) for path in benchmark.paths(folder))
    limits = (benchmark.with_subtitles, benchmark.texts, benchmark.preceding)
    examples = Examples(tokenizer, videos, training, validation, *limits, content=str(model_version(models / "hero")))
    pretrained = Hero.from_pretrained(models / "hero")
    task = benchmark.task(pretrained, examples)
    task.network.to(pick_device(runtime.device))
    methods = {"pre-trained": task.evaluate()} if benchmark.zero_shot else {}
    checkpoints = models / f".{model}.checkpoints"
    how = Runtime(
        device=runtime.device,
        precision=runtime.precision,
        compile=runtime.compile,
        checkpoints=checkpoints,
        tensorboard=tensorboard_folder(models / model),
    )
    history = finetune(task, schedule(benchmark, options, task_options.steps), how, progress)
    best = max(reversed(history), key=lambda entry: entry[task.measure])
    kept = {"task": benchmark.head} if benchmark.head else {}
    write_model_folder(
        models / model,
        (task.network if benchmark.head else pretrained).state_dict(),
        {**pretrained.stored_config(), **kept, "benchmark": benchmark.title},
        best,
        history,
        {"lake_snapshot": snapshot, "hero": examples.content, "annotations": origin},
    )
    methods["fine-tuned"] = {key: value for key, value in best.items() if key not in _TRAINING_FIELDS}
    by_method = {method: {**metrics, "queries": len(validation)} for method, metrics in methods.items()}
    return evaluation_rows(model, f"{benchmark.title} ({origin})", "val", by_method, snapshot), history


def synthetic_annotations(source: VideoSource, tables: LakeTables, scratch: Path) -> Path | None:
    """Write the synthetic world's annotations of the lake's videos into ``scratch``; None for another source."""
    if not isinstance(source, SyntheticSource):
        return None
    from assets.sources.synthetic.annotations import write_annotations

    write_annotations(source, sorted(set(tables.clips["video_id"])), scratch)
    return scratch


def schedule(benchmark: Benchmark, options: HeroOptions, steps: int) -> Settings:
    """The published schedule for size paper; otherwise ``steps``, and a batch scaled as published."""
    published = PRESETS[benchmark.settings]
    if options.preset == "paper":
        return replace(published, seed=options.seed)
    return Settings(
        learning_rate=options.learning_rate,
        steps=steps,
        warm_up=steps // 10,
        batch=max(LEAST_BATCH, options.batch * published.batch // PRESETS["tvr"].batch),
        validate_every=-(-steps // 2),
        seed=options.seed,
    )
