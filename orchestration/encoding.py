"""Embeddings of texts, of the lake's clips and of feature files, by the lake's joint embedding. Imports torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from assets.features.layouts import feature_files, read_npy, read_npz
from assets.features.options import FeatureOptions
from assets.joint_embedding.text_video import load_joint_embedding
from assets.lake import Lake
from ml.files import whole_file
from ml.joint_embedding.clip_vectors import clip_vectors
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pair_store import PairStore
from ml.joint_embedding.search import embedded_clips, text_embeddings
from ml.joint_embedding.text_video import JointTextVideo

FORMATS = (".parquet", ".npy")
"""Suffixes of files that embeddings are written to; without a file they are lines of JSON on standard output."""


@dataclass(frozen=True)
class Embedded:
    """Rows and their embeddings: ``columns`` by name, each of ``n`` values, and ``vectors[n, dim]`` float32."""

    columns: dict[str, Any]
    vectors: NDArray[np.float32]


def encode_texts(models: JointTextVideo, texts: Sequence[str]) -> Embedded:
    """Embeddings of texts in their order. The vector of a text without a known word is NaN."""
    known = np.array([bool(models.known_words(text)) for text in texts], bool)
    vectors = np.full((len(texts), models.dimension), np.nan, np.float32)
    if known.any():
        vectors[known] = text_embeddings(models, texts)
    return Embedded({"text": texts}, vectors)


def encode_clips(models: JointTextVideo, pairs: PairStore, lake: Lake) -> Iterator[Embedded]:
    """Embeddings of the clips of all usable videos, a block at a time.

    Raises:
        LakeError: the lake has no clips yet.
    """
    shards = sorted({shard for (shard,) in lake.read("training_manifest").project("shard").distinct().fetchall()})
    for block in embedded_clips(models.model, pairs, shards):
        columns: dict[str, Any] = {"video_id": block.video_ids, "start_s": block.start_s, "end_s": block.end_s}
        yield Embedded(columns, block.vectors.astype(np.float32))


def encode_features(
    models: JointTextVideo, options: FeatureOptions, folder: Path, window_s: float
) -> Iterator[Embedded]:
    """Embeddings of feature files in windows of ``window_s`` seconds, a video at a time.

    Args:
        folder: holds a folder per stream with files ``<video id>.npy`` or ``.npz``, as ``howto export features``
            writes them. A video counts if every stream has a file of it.

    Raises:
        ValueError: no video has a file in every stream, or rows are not of the model's width.
    """
    files = [_files_of(folder / stream) for stream in options.streams]
    complete = sorted(set(files[0]).intersection(*files[1:]))
    if not complete:
        raise ValueError(f"{folder}: no video has a feature file in each of {', '.join(options.streams)}")
    for video_id in complete:
        rates = [float(options.row_rate(stream)) for stream in options.streams]
        streams = [(_read(own[video_id]), rate) for own, rate in zip(files, rates, strict=True)]
        seconds = min(len(rows) / rate for rows, rate in streams)
        start_s = np.arange(0, seconds, window_s)
        end_s = np.minimum(start_s + window_s, seconds)
        vectors = np.concatenate([clip_vectors(rows, start_s, end_s, rate)[0] for rows, rate in streams], axis=1)
        columns: dict[str, Any] = {"video_id": [video_id] * len(start_s), "start_s": start_s, "end_s": end_s}
        yield Embedded(columns, _embed(models.model, vectors, folder))


def _files_of(folder: Path) -> dict[str, Path]:
    return {video_id: path for suffix in (".npz", ".npy") for video_id, path in feature_files(folder, suffix)}


def _read(path: Path) -> NDArray[np.floating]:
    return read_npy(path) if path.suffix == ".npy" else read_npz(path)


def _embed(model: JointEmbedding, vectors: NDArray[np.float32], origin: Path) -> NDArray[np.float32]:
    wanted = model.video.project.in_features
    if vectors.shape[1] != wanted:
        raise ValueError(
            f"{origin}: its features have {vectors.shape[1]} numbers per row, but the model takes {wanted}"
        )
    with torch.inference_mode():
        embedded: NDArray[np.float32] = model.encode_video(torch.from_numpy(vectors)).numpy()
    return embedded


def load_models(resources: dict[str, Any]) -> JointTextVideo:
    """The lake's joint embedding and its word vectors.

    Raises:
        FileNotFoundError: one of them has not been trained.
    """
    return load_joint_embedding(resources["model_root"])


def write_embeddings(blocks: Iterator[Embedded], path: Path | None) -> int:
    """Write embeddings to a Parquet file, to a .npy file, or to standard output, and return their number.

    A file appears whole or not at all. Parquet has a column per key and ``vector``; .npy has only ``vectors[n, dim]``.
    """
    if path is None:
        return sum(_print(block) for block in blocks)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as new:
        return _write_parquet(blocks, new) if path.suffix == ".parquet" else _write_npy(blocks, new)


def _print(block: Embedded) -> int:
    rows = pl.DataFrame(block.columns).iter_rows(named=True)
    for row, vector in zip(rows, block.vectors, strict=True):
        values = None if np.isnan(vector).any() else [float(f"{value:.7g}") for value in vector]
        sys.stdout.write(json.dumps({**row, "vector": values}) + "\n")
    return len(block.vectors)


def _write_parquet(blocks: Iterator[Embedded], path: Path) -> int:
    count, writer = 0, None
    for block in blocks:
        values = pa.FixedSizeListArray.from_arrays(pa.array(block.vectors.reshape(-1)), block.vectors.shape[1])
        table = pa.table({**{name: pa.array(column) for name, column in block.columns.items()}, "vector": values})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
        count += len(table)
    if writer is None:
        raise ValueError("there is nothing to encode")
    writer.close()
    return count


def _write_npy(blocks: Iterator[Embedded], path: Path) -> int:
    vectors = [block.vectors for block in blocks]
    if not vectors:
        raise ValueError("there is nothing to encode")
    with path.open("wb") as file:
        np.save(file, np.concatenate(vectors))
    return sum(map(len, vectors))
