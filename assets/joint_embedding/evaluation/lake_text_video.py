"""Zero-shot evaluation of the configured text-video model on the lake's videos and on raw benchmarks. Imports torch.

It is for models with a feature network of their own; the joint embedding has its own evaluations.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.features.reader import FeatureReader
from assets.joint_embedding.evaluation.benchmarks import ByMethod
from assets.joint_embedding.evaluation.lake_benchmarks import (
    LakeData,
    crosstask_splits,
    of_split,
    synthetic_crosstask,
)
from assets.joint_embedding.evaluation.one_model import BENCHMARKS, evaluate_tower
from assets.joint_embedding.evaluation.options import BenchmarkOptions
from assets.joint_embedding.evaluation.retrieval import MOST_PAIRS
from assets.joint_embedding.evaluation.synthetic_benchmarks import listed_steps, with_second_captions
from assets.joint_embedding.evaluation.text_video import (
    NoBenchmarkError,
    Progress,
    by_method,
    crosstask_recalls,
    encode_seconds,
    retrieval_metrics_of,
)
from assets.joint_embedding.pairs import video_streams
from assets.models.evaluations import evaluation_rows
from assets.sources.protocol import VideoSource
from assets.sources.synthetic import SyntheticSource
from assets.sources.synthetic.ground_truth import steps_frame
from ml.joint_embedding.benchmarks import ClipPlace, EvaluationSet
from ml.joint_embedding.pair_store import PairStore
from ml.text_video.model import Tower

PART, SPLIT = "text_video", "test"
Encoded = tuple[EvaluationSet, NDArray[np.float32]]


def text_video_rows(
    options: BenchmarkOptions,
    source: VideoSource,
    tower: Tower,
    data: LakeData,
    pairs: PairStore,
    scratch: Path,
    snapshot: int,
    progress: Progress,
) -> pl.DataFrame:
    """Rows of ``evaluations``; the method is the identity of the model.

    Args:
        data: its features are the rows of the model's own network.
        scratch: an empty folder.
    """
    found: dict[str, ByMethod] = {}
    held_out = encoded(tower, *held_out_clips(pairs, data.manifest), data.features)
    if held_out[0].ids:
        measured = retrieval_metrics_of(tower, *held_out)
        found |= by_method(f"held-out clips ({source.name})", tower.identity, measured)
    if options.root is not None:
        found |= _raw(options.root, tower, progress)
    elif isinstance(source, SyntheticSource):
        synthetic = _synthetic(options, source, tower, data, scratch)
        found |= {f"{name} ({source.name})": by for name, by in synthetic.items()}
    none = evaluation_rows(PART, "", "", {}, snapshot)
    return pl.concat([none, *(evaluation_rows(PART, name, SPLIT, by, snapshot) for name, by in found.items())])


def held_out_clips(pairs: PairStore, manifest: pl.DataFrame) -> tuple[EvaluationSet, list[ClipPlace]]:
    """The clips and captions of the test videos, at most ``MOST_PAIRS``, evenly spaced."""
    columns, wanted = ["video_id", "start_s", "end_s", "caption"], of_split(manifest, SPLIT)
    shards = sorted(set(manifest.filter(pl.col("video_id").is_in(wanted))["shard"]))
    rows = pl.concat(
        [pl.DataFrame(schema=dict.fromkeys(columns, pl.String))]
        + [pl.DataFrame(pl.from_arrow(pairs.open(shard).to_table(columns=columns))) for shard in shards],
        how="vertical_relaxed",
    ).filter(pl.col("video_id").is_in(wanted))
    kept = np.unique(np.linspace(0, max(len(rows) - 1, 0), MOST_PAIRS).astype(int))[: len(rows)]
    rows = rows[kept]
    places = [ClipPlace(video, float(start), float(end)) for video, start, end in rows[:, :3].iter_rows()]
    ids = [f"{place.video_id}_{row}" for row, place in enumerate(places)]
    return EvaluationSet("held-out clips", SPLIT, ids, {}, rows["caption"].to_list(), np.arange(len(ids))), places


def encoded(tower: Tower, listed: EvaluationSet, places: list[ClipPlace], features: FeatureReader) -> Encoded:
    """The listed clips with feature rows, and their vectors ``[clips, dim]``."""
    vectors, kept = np.zeros((len(places), tower.dimension), np.float32), np.zeros(len(places), bool)
    of_video: dict[str, list[int]] = {}
    for row, place in enumerate(places):
        of_video.setdefault(place.video_id, []).append(row)
    for video_id, rows in of_video.items():
        streams = video_streams(features, video_id)
        if streams is not None:
            start_s = np.array([places[row].start_s for row in rows])
            end_s = np.array([places[row].end_s for row in rows], float)
            vectors[rows], empty = tower.encode_clips(streams, start_s, end_s)
            kept[rows] = ~empty
    chosen = np.flatnonzero(kept)
    return listed.part(chosen), vectors[chosen]


def _raw(root: Path, tower: Tower, progress: Progress) -> dict[str, ByMethod]:
    found: dict[str, ByMethod] = {}
    for task in (*BENCHMARKS, "crosstask"):
        try:
            found |= evaluate_tower(tower, task, root, progress)[0]
        except NoBenchmarkError as error:
            progress(task, str(error))
    return found


def _synthetic(
    options: BenchmarkOptions, source: SyntheticSource, tower: Tower, data: LakeData, scratch: Path
) -> dict[str, ByMethod]:
    """The synthetic test clips under the rules of each benchmark, and CrossTask of the synthetic tasks."""
    steps = steps_frame(source, data.manifest["video_id"].to_list())
    tested = steps.filter(pl.col("video_id").is_in(of_split(data.manifest, SPLIT)))
    found: dict[str, ByMethod] = {}
    clips, vectors = encoded(tower, *listed_steps(tested, SPLIT), data.features)
    if clips.ids:
        for name, test in _formats(clips):
            found |= by_method(name, tower.identity, retrieval_metrics_of(tower, test, vectors))
    crosstask = synthetic_crosstask(scratch, source, data, steps)
    splits = crosstask_splits(options, crosstask, data.manifest)
    for video in splits[0].test:
        streams = video_streams(data.features, video.video_id)
        if streams is not None:
            crosstask.write_features(video, encode_seconds(tower, streams))
    if any(crosstask.has_features(video) for video in splits[0].test):
        found["CrossTask"], _ = crosstask_recalls(tower, crosstask, splits)
    return found


def _formats(clips: EvaluationSet) -> Iterator[tuple[str, EvaluationSet]]:
    one = with_second_captions(clips)
    for name in ("YouCook2", "MSR-VTT 1k-A", "LSMDC"):
        yield name, one
    yield "MSR-VTT full", clips
