"""Benchmarks on those of their videos that can still be watched, by the surveys of availability. Imports torch.

Each measurement is made on the whole test set too, which is in the evaluations of the benchmarks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from assets.availability.probes import AVAILABLE, UNANSWERED
from assets.joint_embedding.evaluation.benchmarks import ByMethod, Files, crosstask_benchmark, split_chance
from assets.joint_embedding.evaluation.lake_benchmarks import CROSSTASK, LakeData, benchmark_root, crosstask_splits
from assets.joint_embedding.evaluation.options import BenchmarkOptions
from assets.models.evaluations import evaluation_rows
from assets.sources.protocol import VideoSource
from ml.crosstask.files import CrossTask
from ml.joint_embedding.benchmark_evaluation import measure
from ml.joint_embedding.benchmarks import EvaluationSet
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.train import load_words
from ml.reading import json_document
from ml.text.word_vectors import WordVectors

PART = "available_benchmarks"
SPLIT = "test, available"
"""The split of these rows of ``evaluations``."""

_CLIP = re.compile(r"(.+)_\d+")
_WATCH_PAGE = re.compile(r"(?:[?&]v=|youtu\.be/)([\w-]{11})(?![\w-])", re.ASCII)


@dataclass(frozen=True)
class Counts:
    """Clips of a test set, of CrossTask videos; ``unknown``: never probed, or never answered."""

    available: int
    gone: int
    unknown: int

    @classmethod
    def of(cls, states: Iterable[bool | None]) -> Counts:
        """The counts of states as ``known_states`` has them; None is unknown."""
        found = Counter(states)
        return cls(found[True], found[False], found[None])


def known_states(surveys: pl.DataFrame, listed: Path | None) -> dict[str, bool]:
    """Whether each video that was probed can be watched, by its last answer.

    Args:
        surveys: rows of ``availability``.
        listed: the file ``availability.csv`` of a survey of a published list, whose rows are the same.

    Raises:
        ValueError: the file is no such file.
    """
    columns = ("survey", "video_id", "checked_at", "state")
    rows = surveys.select(columns)
    if listed is not None:
        try:
            read = pl.read_csv(listed, columns=list(columns), infer_schema=False)
            times = pl.col("checked_at").str.to_datetime(time_zone="UTC")
            rows = pl.concat([rows, read.select(columns).with_columns(times).cast(rows.schema)])
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"{listed}: {reason}; howto availability LIST FOLDER writes the file") from error
    answered = rows.filter(pl.col("state") != UNANSWERED).sort("checked_at", "survey")
    return {video: state == AVAILABLE for video, state in answered.select("video_id", "state").iter_rows()}


def available_rows(
    options: BenchmarkOptions,
    source: VideoSource,
    data: LakeData,
    states: Mapping[str, bool],
    scratch: Path,
    model_root: Path,
    device: str,
    snapshot: int,
) -> tuple[pl.DataFrame, dict[str, Counts]]:
    """Rows of ``evaluations`` of the zero-shot joint embedding on the subsets, and the counts by benchmark.

    A benchmark without an available video has no rows. LSMDC has none: its clips are not on the web.
    """
    root = benchmark_root(options, source, data, scratch)
    found: dict[str, ByMethod] = {}
    counts: dict[str, Counts] = {}
    if root is not None:
        model = JointEmbedding.from_pretrained(model_root / "joint_embedding")
        words = load_words(model_root / "word_vectors")
        video_of = videos_of_clips(Files(root).msrvtt_training_captions, Files(root).msrvtt_full_captions)
        for name, read in Files(root).test_sets().items():
            if name != "LSMDC":
                test = read()
                of_clips = [states.get(video_of(each)) for each in test.ids]
                counts[name] = Counts.of(of_clips)
                found |= _retrieval(name, test, of_clips, model, words, device)
        crosstask = CrossTask(root / CROSSTASK)
        if crosstask.exists():
            splits = crosstask_splits(options, crosstask, data.manifest)
            tested = {video.video_id for split in splits for video in split.test}
            counts["CrossTask"] = Counts.of(states.get(each) for each in tested)
            left = [replace(split, test=[v for v in split.test if states.get(v.video_id)]) for split in splits]
            if left := [split for split in left if split.test]:
                found["CrossTask"], _ = crosstask_benchmark(crosstask, model, words, left, device=device)
    made_of = "" if options.root else f" ({source.name})"
    rows = [evaluation_rows(PART, name + made_of, SPLIT, by, snapshot) for name, by in found.items()]
    return pl.concat([evaluation_rows(PART, "", "", {}, snapshot), *rows]), counts


def videos_of_clips(*msrvtt_captions: Path) -> Callable[[str], str]:
    """From the id of a clip to that of its video on the web.

    Clips of YouCook2 and of the synthetic world are ``<video>_<number>``. Those of MSR-VTT have the addresses in the
    list ``videos`` of ``MSRVTT_data.json``, where that file exists.
    """
    addresses: dict[str, str] = {}
    for path in msrvtt_captions:
        document = json_document(path) if path.exists() else None
        listed = document.get("videos") if isinstance(document, dict) else None
        for entry in listed if isinstance(listed, list) else []:
            url = entry.get("url") if isinstance(entry, dict) else None
            if isinstance(url, str) and (found := _WATCH_PAGE.search(url)):
                addresses[str(entry.get("video_id"))] = found[1]

    def video_of(clip: str) -> str:
        if clip in addresses:
            return addresses[clip]
        numbered = _CLIP.fullmatch(clip)
        return numbered[1] if numbered else clip

    return video_of


def _retrieval(
    name: str,
    test: EvaluationSet,
    states: Sequence[bool | None],
    model: JointEmbedding,
    words: WordVectors,
    device: str,
) -> dict[str, ByMethod]:
    """Zero-shot metrics and chance on the available clips, by benchmark with its direction; none without such clips."""
    available = np.flatnonzero([state is True for state in states])
    if not len(available):
        return {}
    found = {}
    for direction, metrics in measure(model, test.part(available), words, device).items():
        measured, chance = split_chance(metrics)
        found[f"{name}, {direction.replace('_', ' ')}"] = {"zero-shot": measured, "chance": chance}
    return found
