"""The data set as a Hugging Face repository: Parquet files per split, a card with YAML metadata, Croissant metadata."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from assets.exports.croissant import croissant
from assets.exports.description import ANONYMOUS, APACHE, Description, Publication
from assets.exports.parquet import parquet_files
from assets.exports.records import RECORD_SETS, RecordSet
from assets.exports.session import Division, exporting, text_file
from assets.exports.writer import MANIFEST, WrittenFile, write_files, write_manifest
from assets.lake import Lake
from assets.retention import remember_export

ROWS_PER_FILE = 400_000
CARD = "README.md"
CROISSANT = "croissant.json"


def export_hugging_face(
    lake: Lake,
    folder: Path,
    division: Division,
    snapshot: int | None = None,
    publication: Publication = ANONYMOUS,
    progress: Callable[[str], object] = print,
    rows_per_file: int = ROWS_PER_FILE,
) -> list[WrittenFile]:
    """Write a snapshot of the lake as a data set repository.

    The same snapshot and options give the same bytes. A call that was interrupted goes on where it stopped. Memory is
    bounded by DuckDB's limit and the ids of the videos.

    Args:
        folder: empty, or what an interrupted call has written.
        division: the rule of the splits, and the shards of the lake.
        snapshot: the lake's snapshot; by default the newest.
        publication: what the card and the metadata say about the publisher.

    Raises:
        ExportError: the lake has no data set, or the folder holds something else.
        LakeError: there is no such snapshot.
    """
    options = {"rows_per_file": rows_per_file}
    with (
        exporting(lake, "hugging_face", division, snapshot, publication, **options) as session,
        ThreadPoolExecutor(max_workers=2) as executor,
    ):
        planned = (
            file
            for records in RECORD_SETS
            for file in parquet_files(session.snapshot, records, rows_per_file, folder, executor)
        )
        files = write_files(folder, session.header, planned, progress)
        about = session.describe({records: _rows(files, records) for records in RECORD_SETS})
        metadata = json.dumps(croissant(about, files), indent=1, ensure_ascii=False) + "\n"
        pages = [text_file(CARD, _card(about)), text_file(CROISSANT, metadata)]
        files += write_files(folder, session.header, pages, progress)
    write_manifest(folder, session.header, files)
    remember_export(lake.root, folder / MANIFEST)
    return files


def _rows(files: list[WrittenFile], records: RecordSet) -> dict[str, int]:
    """Rows by split."""
    return {
        split: sum(file.rows for file in files if file.path.startswith(f"data/{records.name}/{split}-"))
        for split in records.splits
    }


def _card(about: Description) -> str:
    configs = [
        {
            "config_name": records.name,
            "data_files": [
                {"split": split, "path": f"data/{records.name}/{split}-*.parquet"} for split in records.splits
            ],
            **({"default": True} if records.name == "clips" else {}),
        }
        for records in about.rows
    ]
    front_matter = {
        "pretty_name": about.title,
        "language": list(about.languages),
        "license": "apache-2.0" if about.licence == APACHE else "other",
        "size_categories": [about.size_category],
        "task_categories": ["text-retrieval", "video-text-to-text"],
        "tags": ["video", "instructional", "howto", *(["synthetic"] if about.synthetic else [])],
        "configs": configs,
    }
    shares = ", ".join(f"{name} {count:,}" for name, count in about.licenses.items()) or "no video"
    tables = "\n\n".join(_table(records, rows) for records, rows in about.rows.items())
    return (
        f"---\n{yaml.safe_dump(front_matter, sort_keys=False, allow_unicode=True)}---\n\n"
        f"# {about.title}\n\n{about.summary}\n\n## Licence\n\n{about.licence}\n\n"
        f"Licences of the videos: {shares}.\n\n## Removed videos\n\n{about.maintenance}\n\n"
        f"## Record sets\n\n{tables}\n\n"
        f"## Load it\n\n```python\nfrom datasets import load_dataset\n\n"
        f'clips = load_dataset("path/to/this/folder", "clips", split="train")\n```\n\n'
        f"## Citation\n\n```bibtex\n{about.citation}\n```\n"
    )


def _table(records: RecordSet, rows: Mapping[str, int]) -> str:
    counts = ", ".join(f"{split} {count:,}" for split, count in rows.items())
    lines = [f"| `{column.name}` | {column.type} | {column.description} |" for column in records.columns]
    return "\n".join(
        [
            f"### `{records.name}`",
            "",
            f"{records.contract.description} Rows: {counts}.",
            "",
            "| column | type | meaning |",
            "|---|---|---|",
            *lines,
        ]
    )
