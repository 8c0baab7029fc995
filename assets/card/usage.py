"""The sections of a card for those who use the data set: loading it, its schema, its origin, licence and citation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assets.card.blocks import Block, Code, Schema, Section, Table, TableSchema, Text, number
from assets.exports.lake_metadata import FILE as METADATA
from assets.lake import load_tables
from assets.lake.snapshot import Snapshot
from assets.models.folder import MODEL_FILES
from assets.models.store import model_folders

MAIN_TABLES = ("tasks", "videos", "clips")
HOWTO100M_CITATION = """\
@inproceedings{miech19howto100m,
  title     = {{HowTo100M}: Learning a Text-Video Embedding by Watching Hundred Million Narrated Video Clips},
  author    = {Miech, Antoine and Zhukov, Dimitri and Alayrac, Jean-Baptiste and Tapaswi, Makarand and Laptev, Ivan and
               Sivic, Josef},
  booktitle = {ICCV},
  year      = {2019}
}
"""


WITH_CROISSANT = """\
import mlcroissant

lake = mlcroissant.Dataset(jsonld="lake/croissant.json")  # written by the asset croissant; describes every table
first = next(iter(lake.records("clips")))
"""


def loading(snapshot: Snapshot, settings: Mapping[str, str]) -> Section:
    """Programs that load this snapshot; ``settings`` are those that differ from the default, by variable."""
    lake = snapshot.lake
    blocks: list[Block] = []
    if lake.catalog == f"sqlite:{lake.root / 'catalog.sqlite'}" and lake.data_path == f"{lake.root / 'tables'}/":
        blocks.append(Code("Python with DuckDB (pip install duckdb polars pyarrow)", "python", _with_duckdb(snapshot)))
        if features := _with_lance(snapshot, settings.get("HOWTO_ARRAYS", "lake").rstrip("/")):
            blocks.append(Code("Features of one video (pip install pylance)", "python", features))
    if (lake.root / METADATA).exists():
        blocks.append(
            Code("Records by Croissant metadata (pip install 'mlcroissant[parquet]')", "python", WITH_CROISSANT)
        )
    blocks.append(Code("Python with this project, for any catalog", "python", _with_project(snapshot)))
    return Section("load", "Load it", blocks)


def _with_duckdb(snapshot: Snapshot) -> str:
    return f'''\
import duckdb

lake = "lake"  # the folder of the lake
connection = duckdb.connect()
for extension in ("ducklake", "sqlite"):
    connection.install_extension(extension)
    connection.load_extension(extension)
connection.sql(f"""
    ATTACH 'ducklake:sqlite:{{lake}}/catalog.sqlite' AS lake
    (DATA_PATH '{{lake}}/tables/', OVERRIDE_DATA_PATH TRUE, READ_ONLY, SNAPSHOT_VERSION {snapshot.number})
""")
clips = connection.sql("""
    SELECT video_id, start_s, end_s, caption, title, category_1
    FROM lake.clips JOIN lake.videos USING (video_id)
""").pl()
'''


def _with_lance(snapshot: Snapshot, root: str) -> str:
    """A program that reads the features of the first video that has some; empty if none has.

    Args:
        root: the folder of the lake, or the address below which the arrays are.
    """
    if not snapshot.has("feature_index"):
        return ""
    rows = snapshot.sql(
        "SELECT stream, shard, first_row, rows FROM {feature_index} WHERE rows > 0 ORDER BY video_id, stream LIMIT 1"
    )
    if rows.is_empty():
        return ""
    stream, shard, first_row, count = rows.row(0)
    return f"""\
import lance

array = lance.dataset("{root}/arrays/{stream}/{shard}.lance")  # stream and shard from the table feature_index
rows = array.to_table(columns=["video_id", "time_s", "vector"], offset={first_row}, limit={count})
"""


def _with_project(snapshot: Snapshot) -> str:
    return f"""\
from orchestration.resources import lake_of
from orchestration.settings import load_settings

lake = lake_of(load_settings())  # reads HOWTO_LAKE and the other settings
clips = lake.sql("FROM clips AT (VERSION => {snapshot.number})").pl()
"""


def schema(snapshot: Snapshot) -> Section:
    """Every table of the snapshot with its rows and columns."""
    contracts = load_tables()
    tables = [
        TableSchema(
            name,
            contracts[name].description,
            snapshot.rows(name),
            [(column.name, column.type, column.description) for column in contracts[name].columns],
        )
        for name in snapshot.tables
    ]
    return Section("schema", "Schema", [Schema(tables, MAIN_TABLES)])


def provenance(
    snapshot: Snapshot, model_inputs: Mapping[str, Mapping[str, Any]], settings: Mapping[str, str]
) -> Section:
    """The sources, snapshots, code versions and settings that the data set was made with."""
    made = f"{snapshot.made_at:%Y-%m-%d %H:%M} UTC"
    blocks: list[Block] = [
        Text(f"Snapshot {snapshot.number} of the lake, written at {made}. Its tables can be read until it expires.")
    ]
    if snapshot.has("video_source"):
        sources = snapshot.sql("SELECT source, version, strftime(listed_at, '%Y-%m-%d %H:%M') FROM {video_source}")
        blocks.append(Table("Sources of videos", ("source", "version", "checked (UTC)"), [*sources.iter_rows()]))
    if model_inputs:
        rows = [
            [name.replace("_", " "), str(inputs.get("lake_snapshot", "–")), str(inputs.get("code_version", "–"))]
            for name, inputs in model_inputs.items()
        ]
        blocks.append(Table("Models", ("model", "trained on snapshot", "code version"), rows))
    if settings:
        blocks.append(Table("Settings other than the default", ("setting", "value"), [*settings.items()]))
    return Section("provenance", "Provenance", blocks)


def inputs_of_models(root: Path) -> dict[str, dict[str, Any]]:
    """The content of ``inputs.json`` of each complete model folder."""
    found = {}
    for folder in (path for path in model_folders(root) if all((path / name).exists() for name in MODEL_FILES)):
        found[folder.name] = json.loads((folder / "inputs.json").read_text(encoding="utf-8"))
    return found


def licence(generated: int, total: int) -> Section:
    """Terms of use, and ethical considerations."""
    blocks: list[Block] = []
    if generated:
        blocks.append(
            Text(
                "The synthetic videos may be shared under the licence of this project (Apache-2.0). They contain no"
                " person, voice or brand."
            )
        )
    if generated < total or not total:
        blocks += [
            Text(
                "Share ids, times and numbers; do not share videos. Files, frames, titles and captions belong to their"
                " makers, whose terms apply. This page shows samples of them: keep it where the videos may be kept, or"
                " make it without samples (HOWTO_CARD_SAMPLES=0).",
                strong=True,
            ),
            Text(
                "Remove videos that their makers removed, also from copies. The people in these videos did not agree to"
                " be studied: do not identify them, and do not train models to recognise faces or voices on them."
            ),
        ]
    blocks.append(
        Text(
            "Known biases: tasks are those that WikiHow's authors wrote about, and videos those that a search engine"
            " ranks high and many people watched. Most captions are made by speech recognition, which has more errors"
            " for some voices than for others. Models trained on this data set inherit these biases."
        )
    )
    return Section("licence", "Licence and ethics", blocks)


def citation(snapshot: Snapshot) -> Section:
    """BibTeX of this snapshot, and of the paper whose method it follows."""
    own = f"""\
@misc{{howto_lake_{snapshot.number},
  title  = {{{{HowTo Lake}}, snapshot {snapshot.number}}},
  author = {{{{The HowTo Lake maintainers}}}},
  year   = {{{snapshot.made_at:%Y}}},
  note   = {{{number(snapshot.rows("clips"))} clips, made on {snapshot.made_at:%Y-%m-%d}}}
}}
"""
    return Section(
        "citation",
        "Citation",
        [Code("This snapshot", "bibtex", own), Code("The method", "bibtex", HOWTO100M_CITATION)],
    )
