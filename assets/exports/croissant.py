"""Croissant 1.1 metadata of an export or of a whole snapshot, generated from the contracts of its tables.

Reference: MLCommons Croissant 1.1 specification and its responsible AI vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from assets.exports.description import Description
from assets.exports.records import RECORD_SETS
from assets.exports.responsible_ai import responsible_ai
from assets.exports.writer import WrittenFile
from assets.lake import Column, Table, load_tables
from assets.lake.snapshot import Snapshot

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {
    "VARCHAR": "sc:Text",
    "BIGINT": "cr:Int64",
    "DOUBLE": "cr:Float64",
    "BOOLEAN": "sc:Boolean",
    "DATE": "sc:Date",
    "TIMESTAMP WITH TIME ZONE": "sc:DateTime",
}
_OF_VIDEO = {
    "video_id": "sc:identifier",
    "title": "sc:name",
    "license": "sc:license",
    "upload_date": "sc:uploadDate",
    "language": "sc:inLanguage",
}
"""Properties of a VideoObject that columns of ``videos`` are."""
_SPLIT_TYPES = {"train": "cr:TrainingSplit", "validation": "cr:ValidationSplit", "test": "cr:TestSplit"}


class Described(Protocol):
    """Rows that a record set describes."""

    @property
    def name(self) -> str: ...

    @property
    def contract(self) -> Table: ...

    @property
    def columns(self) -> tuple[Column, ...]: ...

    @property
    def key(self) -> tuple[str, ...]: ...

    @property
    def by_split(self) -> bool: ...


@dataclass(frozen=True)
class TableRecords:
    """All rows of a table of the lake at one snapshot, in ``files`` below the folder of the lake."""

    name: str
    columns: tuple[Column, ...]
    files: tuple[str, ...]
    by_split: bool = False

    @property
    def contract(self) -> Table:
        return load_tables()[self.name]

    @property
    def key(self) -> tuple[str, ...]:
        return self.contract.primary_key


def croissant(about: Description, files: Iterable[WrittenFile]) -> dict[str, Any]:
    """The JSON-LD of an export whose data files have been written."""
    file_sets = [_file_set(each.name, [f"data/{each.name}/*.parquet"]) for each in RECORD_SETS]
    return {
        **_about(about, f"export of snapshot {about.snapshot}"),
        "isLiveDataset": False,
        "distribution": [*file_sets, *_file_objects(files)],
        "recordSet": [_splits(), *(_record_set(each, RECORD_SETS) for each in RECORD_SETS)],
    }


def lake_croissant(about: Description, snapshot: Snapshot, models: Mapping[str, str]) -> dict[str, Any]:
    """The JSON-LD of all tables of a snapshot, whose paths are relative to the folder of the lake.

    Args:
        models: names of the trained models, each with what it was trained from.
    """
    records = [each for name in snapshot.tables if (each := _table_records(snapshot, name)).files]
    made = _about(about, f"snapshot {about.snapshot}")
    made["prov:wasGeneratedBy"]["prov:used"] = [
        {"@type": "prov:Entity", "name": name, "description": inputs} for name, inputs in models.items()
    ]
    return {
        **made,
        "isLiveDataset": True,
        "distribution": [_file_set(each.name, list(each.files)) for each in records],
        "recordSet": [_record_set(each, records) for each in records],
    }


def _table_records(snapshot: Snapshot, name: str) -> TableRecords:
    """The rows of a table; one without rows has no file."""
    files = snapshot.lake.sql(
        "SELECT data_file FROM ducklake_list_files('lake', $name, snapshot_version => $number) ORDER BY ALL",
        name=name,
        number=snapshot.number,
    ).fetchall()
    stored = snapshot.stored_columns(name)
    columns = tuple(column for column in load_tables()[name].columns if column.name in stored)
    return TableRecords(name, columns, tuple(file.removeprefix(f"{snapshot.lake.root}/") for (file,) in files))


def _about(about: Description, what: str) -> dict[str, Any]:
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": "howto-lake",
        "alternateName": about.title,
        "description": about.summary,
        "license": about.licence,
        "url": about.url,
        "creator": {"@type": "sc:Organization", "name": about.publication.creator, "url": about.url},
        "datePublished": about.snapshot_time,
        "version": about.version,
        "inLanguage": list(about.languages),
        "keywords": ["instructional video", "narration", "text-video retrieval"],
        "citeAs": about.citation,
        **responsible_ai(about),
        "prov:wasGeneratedBy": {"@type": "prov:Activity", "name": f"howto-lake {about.code_version}, {what}"},
        "prov:wasDerivedFrom": [{"@type": "prov:Entity", "name": source} for source in about.sources],
    }


def _file_set(name: str, includes: list[str]) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{name}-files",
        "name": f"{name}-files",
        "description": f"Parquet files of {name}.",
        "encodingFormat": "application/x-parquet",
        "includes": includes if len(includes) > 1 else includes[0],
    }


def _file_objects(files: Iterable[WrittenFile]) -> Iterator[dict[str, Any]]:
    for file in files:
        yield {
            "@type": "cr:FileObject",
            "@id": file.path,
            "name": file.path.rpartition("/")[2],
            "contentUrl": file.path,
            "contentSize": f"{file.bytes} B",
            "encodingFormat": "application/x-parquet",
            "sha256": file.sha256,
        }


def _splits() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The splits of the videos, by a hash of the id.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": "sc:URL"},
        ],
        "data": [{"splits/name": name, "splits/url": url} for name, url in _SPLIT_TYPES.items()],
    }


def _record_set(records: Described, all_records: Sequence[Described]) -> dict[str, Any]:
    fields = [_field(records, column, all_records) for column in records.columns]
    return {
        "@type": "cr:RecordSet",
        "@id": records.name,
        "name": records.name,
        "description": records.contract.description,
        **({"dataType": "sc:VideoObject"} if records.name == "videos" else {}),
        "key": [{"@id": f"{records.name}/{name}"} for name in records.key],
        "field": [*fields, *([_split_field(records)] if records.by_split else [])],
    }


def _field(records: Described, column: Column, all_records: Sequence[Described]) -> dict[str, Any]:
    kind = column.type.removesuffix("[]")
    # The library joins only with record sets that refer to no other: clips cannot refer to videos.
    referred = (each for each in all_records if each.name == "tasks" != records.name and each.key == (column.name,))
    reference = next(referred, None)
    return {
        "@type": "cr:Field",
        "@id": f"{records.name}/{column.name}",
        "name": column.name,
        "description": column.description,
        "dataType": _TYPES[kind],
        **({"equivalentProperty": _OF_VIDEO[column.name]} if _is_of_video(records, column) else {}),
        **({"isArray": True, "arrayShape": "-1"} if column.type.endswith("[]") else {}),
        **({"references": {"field": {"@id": f"{reference.name}/{column.name}"}}} if reference else {}),
        "source": {"fileSet": {"@id": f"{records.name}-files"}, "extract": {"column": column.name}},
    }


def _is_of_video(records: Described, column: Column) -> bool:
    return records.name == "videos" and column.name in _OF_VIDEO


def _split_field(records: Described) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{records.name}/split",
        "name": "split",
        "description": "The split of the video, from the name of the file.",
        "dataType": "sc:Text",
        "references": {"field": {"@id": "splits/name"}},
        "source": {
            "fileSet": {"@id": f"{records.name}-files"},
            "extract": {"fileProperty": "filename"},
            # The library applies the expression twice.
            "transform": {"regex": "^(train|validation|test)(?:-.*)?$"},
        },
    }
