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
from pathlib import Path
from urllib.parse import quote

import polars as pl

from assets.exports.description import ANONYMOUS, Publication
from assets.exports.records import CLIPS, SPLITS, TASKS, VIDEOS, RecordSet, shard_groups
from assets.exports.session import Division, Session, exporting, text_file
from assets.exports.writer import PlannedFile, WrittenFile, write_files, write_manifest
from assets.lake import Lake

CLIPS_PER_FILE = 100_000
TASK_FILE = "tasks.jsonl"


def export_webdataset(
    lake: Lake,
    folder: Path,
    division: Division,
    snapshot: int | None = None,
    publication: Publication = ANONYMOUS,
    progress: Callable[[str], object] = print,
    clips_per_file: int = CLIPS_PER_FILE,
) -> list[WrittenFile]:
    """Write a snapshot of the lake as tar files of about ``clips_per_file`` clips each.

    A sample is a video: ``<id>.json`` holds its row and its clips, ``<id>.txt`` a caption per line. A character of an
    id that a sample name cannot hold is percent-encoded. Bytes, resuming and errors: see ``export_hugging_face``.
    """
    with exporting(lake, "webdataset", division, snapshot, publication, clips_per_file=clips_per_file) as session:
        files = write_files(folder, session.header, _plan(session, clips_per_file), progress)
    write_manifest(folder, session.header, files)
    return files


def sample_key(video_id: str) -> str:
    """The name of a video's sample: its id without dots and slashes."""
    return quote(video_id, safe="").replace(".", "%2E")


def _plan(session: Session, clips_per_file: int) -> Iterator[PlannedFile]:
    tasks = session.snapshot.sql(TASKS.query("train")).iter_rows(named=True)
    yield text_file(TASK_FILE, "".join(f"{_json(row)}\n" for row in tasks))
    groups = list(shard_groups(session.snapshot, clips_per_file))
    for split in SPLITS:
        for number, shards in enumerate(groups):
            yield PlannedFile(f"{split}-{number:06d}.tar", partial(_write_tar, session, split, shards))


def _write_tar(session: Session, split: str, shards: tuple[str, ...], path: Path) -> int:
    videos = _rows(session, VIDEOS, split, shards)
    clips = _rows(session, CLIPS, split, shards).partition_by("video_id", as_dict=True, include_key=False)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for video in videos.iter_rows(named=True):
            lines = clips.get((video["video_id"],), pl.DataFrame({"caption": []})).to_dicts()
            key = sample_key(video["video_id"])
            _add(archive, f"{key}.json", _json({**video, "split": split, "clips": lines}))
            _add(archive, f"{key}.txt", "\n".join(" ".join(line["caption"].split()) for line in lines))
    return videos.height


def _rows(session: Session, records: RecordSet, split: str, shards: tuple[str, ...]) -> pl.DataFrame:
    return session.snapshot.sql(records.query(split, shards))


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    """Add a file whose header depends on nothing but its name and content."""
    content = text.encode()
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _json(value: dict[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=date.isoformat)
