"""The data set as WebDataset shards: a tar file per group of videos, a JSON and a text file per video.

Reference: the WebDataset format, in which files with the same name up to the first dot are one sample.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from itertools import chain
from pathlib import Path
from urllib.parse import quote

import polars as pl

from assets.exports.description import ANONYMOUS, Publication
from assets.exports.records import CLIPS, SPLITS, TASKS, VIDEOS, Group, RecordSet, shard_groups
from assets.exports.sample_features import SampleFeatures
from assets.exports.session import Division, Session, exporting, text_file
from assets.exports.writer import MANIFEST, ExportError, PlannedFile, WrittenFile, write_files, write_manifest
from assets.lake import Lake
from assets.retention import remember_export
from assets.sources.licenses import REDISTRIBUTABLE

CLIPS_PER_FILE = 100_000
TASK_FILE = "tasks.jsonl"
MEDIA = "media"
"""Folder of the tar files of videos."""


def export_webdataset(
    lake: Lake,
    folder: Path,
    division: Division,
    snapshot: int | None = None,
    publication: Publication = ANONYMOUS,
    progress: Callable[[str], object] = print,
    clips_per_file: int = CLIPS_PER_FILE,
    media_root: Path | None = None,
    features: SampleFeatures | None = None,
) -> list[WrittenFile]:
    """Write a snapshot of the lake as tar files of about ``clips_per_file`` clips each.

    A sample is a video: ``<id>.json`` holds its row and its clips, ``<id>.txt`` a caption per line. A character of an
    id that a sample name cannot hold is percent-encoded. Bytes, resuming and errors: see ``export_hugging_face``.

    Args:
        media_root: folder of the lake's videos. Those whose licence lets anyone pass them on are written in tar files
            of their own, with their rows, because most such licences want the author named.
        features: streams of which ``<id>.<stream>.npy`` has the rows; a video without rows has no such file.
    """
    options: dict[str, object] = {"clips_per_file": clips_per_file}
    options |= {"media": sorted(REDISTRIBUTABLE)} if media_root else {}
    options |= {"features": list(features.streams)} if features else {}
    with exporting(lake, "webdataset", division, snapshot, publication, **options) as session:
        planned = _plan(session, clips_per_file, features)
        if media_root:
            planned = chain(planned, _media_plan(session, clips_per_file, media_root))
        files = write_files(folder, session.header, planned, progress)
    write_manifest(folder, session.header, files)
    remember_export(lake.root, folder / MANIFEST)
    return files


def sample_key(video_id: str) -> str:
    """The name of a video's sample: its id without dots and slashes."""
    return quote(video_id, safe="").replace(".", "%2E")


def _plan(session: Session, clips_per_file: int, features: SampleFeatures | None) -> Iterator[PlannedFile]:
    tasks = session.snapshot.sql(TASKS.query("train")).iter_rows(named=True)
    yield text_file(TASK_FILE, "".join(f"{_json(row)}\n" for row in tasks))
    groups = list(shard_groups(session.snapshot, clips_per_file))
    for split in SPLITS:
        for number, group in enumerate(groups):
            yield PlannedFile(f"{split}-{number:06d}.tar", partial(_write_tar, session, split, group, features))


def _write_tar(session: Session, split: str, group: Group, features: SampleFeatures | None, path: Path) -> int:
    videos = _rows(session, VIDEOS, split, group)
    clips = _rows(session, CLIPS, split, group).partition_by("video_id", as_dict=True, include_key=False)
    arrays = features.of(session.snapshot, group.shards) if features else None
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for video in videos.iter_rows(named=True):
            lines = clips.get((video["video_id"],), pl.DataFrame({"caption": []})).to_dicts()
            key = sample_key(video["video_id"])
            _add(archive, f"{key}.json", _json({**video, "split": split, "clips": lines}))
            _add(archive, f"{key}.txt", "\n".join(" ".join(line["caption"].split()) for line in lines))
            for suffix, content in arrays.files(video["video_id"]) if arrays else ():
                _add_bytes(archive, f"{key}.{suffix}", content)
    return videos.height


def _media_plan(session: Session, clips_per_file: int, root: Path) -> Iterator[PlannedFile]:
    if not session.snapshot.has("video_files"):
        raise ExportError(
            "the snapshot has no table video_files; materialize the asset video_files, or leave out --media"
        )
    for split in SPLITS:
        for number, group in enumerate(shard_groups(session.snapshot, clips_per_file)):
            yield PlannedFile(f"{MEDIA}/{split}-{number:06d}.tar", partial(_write_media, session, split, group, root))


def _write_media(session: Session, split: str, group: Group, root: Path, path: Path) -> int:
    stored = session.snapshot.sql("SELECT video_id, uri, bytes FROM {video_files} WHERE status = 'ok'")
    videos = _rows(session, VIDEOS, split, group).filter(pl.col("license").is_in(list(REDISTRIBUTABLE)))
    files = videos.select("video_id").join(stored, on="video_id", maintain_order="left")
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for video_id, uri, size in files.iter_rows():
            (row,) = videos.filter(pl.col("video_id") == video_id).to_dicts()
            _add(archive, f"{sample_key(video_id)}.json", _json({**row, "split": split}))
            _add_file(archive, f"{sample_key(video_id)}{Path(uri).suffix}", root / uri, size)
    return files.height


def _add_file(archive: tarfile.TarFile, name: str, path: Path, size: int) -> None:
    if not path.is_file() or path.stat().st_size != size:
        raise ExportError(f"{path}: missing, or not the file that video_files names; run howto refresh")
    member = tarfile.TarInfo(name)
    member.size = size
    with path.open("rb") as file:
        archive.addfile(member, file)


def _rows(session: Session, records: RecordSet, split: str, group: Group) -> pl.DataFrame:
    return session.snapshot.sql(records.query(split, group))


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    _add_bytes(archive, name, text.encode())


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file whose header depends on nothing but its name and content."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _json(value: dict[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=date.isoformat)
