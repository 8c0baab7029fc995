"""An export is loaded by the readers that people use, survives a kill, and comes back without loss."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.exports import croissant as croissant_module
from assets.exports import records as records_module
from assets.exports.difference import export_differences
from assets.exports.hugging_face import CROISSANT, export_hugging_face
from assets.exports.lake_metadata import write_metadata
from assets.exports.lance_data import export_lance
from assets.exports.reader import import_export
from assets.exports.records import RECORD_SETS
from assets.exports.records import SPLITS as SPLIT_NAMES
from assets.exports.sample_features import SampleFeatures
from assets.exports.session import Division
from assets.exports.webdataset import export_webdataset, sample_key
from assets.exports.writer import ExportError, WrittenFile, read_manifest
from assets.features.store import FeatureStore, Source, VideoRows
from assets.lake import Column, Lake, load_tables
from assets.lake.snapshot import Snapshot
from assets.sharding import Sharding
from assets.sources.howto100m_release.export import export_release
from assets.splits import SplitOptions
from ml.joint_embedding.clip_index import ClipEmbeddings, ClipIndex

SHARDING = Sharding(3)
DIVISION = Division(SplitOptions(seed=0, held_out_share=0.2), SHARDING)
EXPORTS = [export_hugging_face, export_webdataset]
FORMS = [*EXPORTS, export_lance]
VIDEOS = 40
Export = Callable[..., list[WrittenFile]]


def quiet(line: str) -> None:
    assert line


def fill(lake: Lake) -> None:
    """Forty videos of which every eighth is dropped, each kept one with three clips, among them an odd text."""
    tasks = [("t0", "Peel Garlic", "Home", None, "peel", "peel", "folder", True, None)]
    tasks += [("t1", "Be Happy", "Home", None, "be", "be", "folder", False, "verb be is not physical")]
    lake.write("tasks", load_tables()["tasks"].frame(tasks))
    videos, clips = [], []
    for number in range(VIDEOS):
        video_id, kept = f"video-{number:03d}", number % 8 > 0
        head = (video_id, "t0", number + 1, "Home", None, f"Garlic {number}", None, 60.5, None)
        source = (None, "cc-by" if number % 2 else None, date(2019, 2, 28), "public", "folder")
        videos.append((*head, *source, 30, "manual", "en", None, kept, None if kept else "fewer than 100 words"))
        for index in range(3 if kept else 0):
            text = "it's “peeled”,\nslowly 🧄" if index == 2 else "peel it"
            words = [0.5, 1.0] if index else None
            row = (SHARDING.shard_of(video_id), video_id, index, index * 2.0, index * 2.0 + 1.5, text, "peel", 2, words)
            clips.append((*row, None, "manual", "en", None))
    lake.write("videos", load_tables()["videos"].frame(videos))
    lake.write("clips", load_tables()["clips"].frame(clips))


@pytest.fixture
def filled(lake: Lake) -> Lake:
    fill(lake)
    return lake


def exported_rows(snapshot: Snapshot, name: str) -> pl.DataFrame:
    (records,) = (each for each in RECORD_SETS if each.name == name)
    columns = [column.name for column in records.columns]
    return snapshot.sql(f"FROM {{{name}}} WHERE {records.condition}").select(columns).sort(records.key)


def test_datasets_loads_the_same_rows(filled: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    export_hugging_face(filled, tmp_path / "export", DIVISION, progress=quiet)
    for name in ("tasks", "videos", "clips"):
        loaded = load_dataset(str(tmp_path / "export"), name, cache_dir=str(tmp_path / "cache"))
        rows = pl.concat([split.to_polars() for split in loaded.values()])
        expected = exported_rows(Snapshot(filled), name)
        assert rows.sort(expected.columns[:2]).equals(expected.sort(expected.columns[:2]), null_equal=True)


@pytest.mark.parametrize("rows_per_file", [5, 10, 25])
def test_files_have_a_bounded_number_of_rows_also_of_a_large_shard(
    filled: Lake, tmp_path: Path, rows_per_file: int
) -> None:
    export_hugging_face(filled, tmp_path / "export", DIVISION, progress=quiet, rows_per_file=rows_per_file)
    for name, key in (("videos", ["video_id"]), ("clips", ["video_id", "clip_index"])):
        for split in ("train", "validation", "test"):
            files = sorted((tmp_path / "export/data" / name).glob(f"{split}-*.parquet"))
            rows = [pl.read_parquet(file) for file in files]
            assert len(files) > 1 and max(part.height for part in rows) < 2 * rows_per_file
            assert all(part.equals(part.sort(key)) for part in rows)
        everything = pl.read_parquet(tmp_path / f"export/data/{name}/*.parquet").sort(key)
        assert everything.equals(exported_rows(Snapshot(filled), name), null_equal=True)


def test_croissant_is_valid_and_its_records_are_the_rows(
    filled: Lake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import mlcroissant

    export_hugging_face(filled, tmp_path / "export", DIVISION, progress=quiet)
    with caplog.at_level(logging.WARNING):
        data_set = mlcroissant.Dataset(jsonld=str(tmp_path / "export" / CROISSANT))
        clips = list(data_set.records("clips"))
        videos = list(data_set.records("videos"))
    assert not data_set.metadata.issues.errors and not data_set.metadata.issues.warnings
    assert not caplog.records
    expected = exported_rows(Snapshot(filled), "clips")
    found = sorted((row["clips/video_id"].decode(), row["clips/clip_index"], row["clips/caption"]) for row in clips)
    assert [(one, two, three.decode()) for one, two, three in found] == expected.select(
        "video_id", "clip_index", "caption"
    ).rows()
    assert {row["videos/split"] for row in videos} == {b"train", b"validation", b"test"}


def test_the_metadata_of_a_lake_are_valid_and_name_its_records(filled: Lake, caplog: pytest.LogCaptureFixture) -> None:
    import mlcroissant

    write_metadata(filled, {"joint_embedding": {"lake_snapshot": 3, "code_version": "7"}})
    with caplog.at_level(logging.WARNING):
        lake = mlcroissant.Dataset(jsonld=str(filled.root / "croissant.json"))
        clips, videos = list(lake.records("clips")), list(lake.records("videos"))
    assert not lake.metadata.issues.errors and not lake.metadata.issues.warnings and not caplog.records
    assert {each.name for each in lake.metadata.record_sets} == {"tasks", "videos", "clips"}
    counts = filled.sql("SELECT (SELECT count(*) FROM clips), (SELECT count(*) FROM videos)").fetchall()
    assert counts == [(len(clips), len(videos))]
    written = json.loads((filled.root / "croissant.json").read_text())
    assert written["isLiveDataset"] and "snapshot 3 by code 7" in json.dumps(written["prov:wasGeneratedBy"])


def test_a_new_column_of_a_contract_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = load_tables()["clips"]
    changed = replace(contract, columns=(*contract.columns, Column("speed", "DOUBLE", True, "words per second")))
    monkeypatch.setattr(records_module, "load_tables", lambda: {**load_tables.__wrapped__(), "clips": changed})
    (clips,) = (each for each in RECORD_SETS if each.name == "clips")
    fields = {field["name"]: field for field in croissant_module._record_set(clips, RECORD_SETS)["field"]}
    assert fields["speed"]["dataType"] == "cr:Float64" and fields["speed"]["description"] == "words per second"


@pytest.mark.parametrize("export", FORMS)
def test_an_import_of_an_export_has_the_same_content(filled: Lake, tmp_path: Path, export: Export) -> None:
    export(filled, tmp_path / "export", DIVISION, progress=quiet)
    other = Lake(tmp_path / "other")
    rows = import_export(other, tmp_path / "export", SHARDING)
    assert rows == {"tasks": 1, "videos": VIDEOS * 7 // 8, "clips": VIDEOS * 7 // 8 * 3}
    assert other.version("clips") == filled.version("clips")
    for name in ("tasks", "videos"):
        kept = filled.read(name).filter("kept").pl().sort("task_id", maintain_order=True)
        assert other.read(name).pl().sort("task_id", maintain_order=True).equals(kept, null_equal=True)
    with pytest.raises(ExportError, match="already holds tasks, videos, clips; import into a new lake"):
        import_export(other, tmp_path / "export", SHARDING)


def test_a_snapshot_is_exported_as_it_was(filled: Lake, tmp_path: Path) -> None:
    number = filled.snapshot()
    filled.write("clips", load_tables()["clips"].frame([]))
    files = export_hugging_face(filled, tmp_path / "export", DIVISION, snapshot=number, progress=quiet)
    assert sum(file.rows for file in files if "/clips/" in file.path) == VIDEOS * 7 // 8 * 3


def test_a_snapshot_from_before_a_column_is_exported_without_its_values(filled: Lake, tmp_path: Path) -> None:
    filled.connection.execute("ALTER TABLE videos DROP COLUMN license")
    export_webdataset(filled, tmp_path / "export", DIVISION, progress=quiet)
    other = Lake(tmp_path / "other")
    import_export(other, tmp_path / "export", SHARDING)
    assert other.sql("SELECT DISTINCT license, upload_date FROM videos").fetchall() == [(None, date(2019, 2, 28))]


def test_webdataset_reads_the_same_samples(filled: Lake, tmp_path: Path) -> None:
    import webdataset

    files = export_webdataset(filled, tmp_path / "export", DIVISION, progress=quiet, clips_per_file=40)
    tars = [str(tmp_path / "export" / file.path) for file in files if file.path.endswith(".tar")]
    assert len(tars) > len(SPLIT_NAMES)
    samples = list(webdataset.WebDataset(tars, shardshuffle=False).decode())
    expected = exported_rows(Snapshot(filled), "clips")
    clips = [(sample["json"]["video_id"], clip["caption"]) for sample in samples for clip in sample["json"]["clips"]]
    assert sorted(clips) == sorted(expected.select("video_id", "caption").rows())
    assert all(len(sample["txt"].splitlines()) == len(sample["json"]["clips"]) for sample in samples)


def test_lance_finds_captions_and_vectors(filled: Lake, tmp_path: Path) -> None:
    import lance

    ids = ["video-001", "video-002", "gone"]
    vectors = np.eye(3, 8, dtype=np.float16)
    index = ClipIndex(tmp_path / "index.lance")
    index.write([ClipEmbeddings(ids, np.zeros(3), np.ones(3), vectors)], 8)
    folder, lines = tmp_path / "export", list[str]()
    files = export_lance(filled, folder, DIVISION, progress=quiet, vectors=index)
    clips = lance.dataset(str(folder / "clips.lance"))
    expected = exported_rows(Snapshot(filled), "clips")
    loaded = pl.from_arrow(clips.to_table(columns=expected.columns))
    assert isinstance(loaded, pl.DataFrame)
    assert loaded.sort("video_id", "clip_index").equals(expected, null_equal=True)
    assert set(clips.to_table()["split"].to_pylist()) == set(SPLIT_NAMES)
    found = clips.scanner(full_text_query="slowly", columns=["caption"]).to_table()
    assert found.num_rows == VIDEOS * 7 // 8 and clips.describe_indices()
    nearest = ClipIndex(folder / "vectors.lance").nearest(vectors[1], 2)
    assert nearest["video_id"].to_pylist()[0] == "video-002" and nearest.num_rows == 2, "not of other videos"
    assert export_lance(filled, folder, DIVISION, progress=lines.append, vectors=index) == files and not lines
    (folder / "clips.lance" / "cut").write_text("x")
    with pytest.raises(ExportError, match=r"clips\.lance: missing, or not the bytes"):
        read_manifest(folder)


def test_media_are_exported_on_request_where_the_licence_allows_it(filled: Lake, tmp_path: Path) -> None:
    import webdataset

    media, table = tmp_path / "media", load_tables()["video_files"]
    media.mkdir()
    rows = {"uri": "", "bytes": 4, "status": "ok", "attempts": 1}
    for shard in SHARDING.keys:
        ids = SHARDING.members([f"video-{number:03d}" for number in range(VIDEOS)], shard)
        values = [{**rows, "shard": shard, "video_id": each, "uri": f"{each}.mp4"} for each in ids]
        for value in values:
            (media / str(value["uri"])).write_bytes(f"{value['video_id']}"[-4:].encode())
        filled.write("video_files", table.frame(tuple(v.get(c.name) for c in table.columns) for v in values), shard)
    plain = export_webdataset(filled, tmp_path / "plain", DIVISION, progress=quiet)
    files = export_webdataset(filled, tmp_path / "export", DIVISION, progress=quiet, media_root=media)
    tars = [str(tmp_path / "export" / file.path) for file in files if file.path.startswith("media/")]
    samples = list(webdataset.WebDataset(tars, shardshuffle=False, empty_check=False))
    licensed = exported_rows(Snapshot(filled), "videos").filter(license="cc-by")["video_id"].to_list()
    assert sorted(sample["__key__"] for sample in samples) == licensed and len(licensed) == 20
    assert all(sample["mp4"].decode() == sample["__key__"][-4:] and b"cc-by" in sample["json"] for sample in samples)
    assert {file.sha256 for file in plain} <= {file.sha256 for file in files}
    assert import_export(Lake(tmp_path / "other"), tmp_path / "export", SHARDING)["videos"] == VIDEOS * 7 // 8
    (media / "video-001.mp4").write_bytes(b"cut")
    with pytest.raises(ExportError, match=r"video-001\.mp4: missing, or not the file that video_files names"):
        export_webdataset(filled, tmp_path / "again", DIVISION, progress=quiet, media_root=media)


def test_samples_have_the_feature_rows_of_the_snapshot_on_request(filled: Lake, tmp_path: Path) -> None:
    import webdataset

    store, shard = FeatureStore(tmp_path / "arrays"), SHARDING.shard_of("video-001")
    array, vectors = store.array("scenes", shard), np.arange(8, dtype=np.float16).reshape(2, 4)
    array.append([VideoRows(Source("video-001", "sha", "x"), np.array([0.5, 1.5]), vectors)])
    first, rows, content = array.index().select("first_row", "rows", "content_hash").row(0)
    row = (shard, "video-001", "scenes", first, rows, 1.0, 4, "x", content, "ok", None)
    filled.write("feature_index", load_tables()["feature_index"].frame([row]), shard)
    features = SampleFeatures(store, ("scenes",))
    made = [
        export_webdataset(filled, tmp_path / name, DIVISION, progress=quiet, features=features) for name in ("a", "b")
    ]
    assert made[0] == made[1], "the same bytes"
    tars = [str(tmp_path / "a" / file.path) for file in made[0] if file.path.endswith(".tar")]
    samples = {sample["__key__"]: sample for sample in webdataset.WebDataset(tars, shardshuffle=False).decode()}
    assert np.array_equal(samples["video-001"]["scenes.npy"], vectors) and "scenes.npy" not in samples["video-002"]
    assert import_export(Lake(tmp_path / "other"), tmp_path / "a", SHARDING)["videos"] == VIDEOS * 7 // 8
    array.append([VideoRows(Source("video-001", "other", "x"), np.array([0.5, 1.5]), vectors + 1)])
    array.finish([Source("video-001", "other", "x")])
    with pytest.raises(ExportError, match="video-001: the arrays hold other rows of scenes than snapshot"):
        export_webdataset(filled, tmp_path / "c", DIVISION, progress=quiet, features=features)


@pytest.mark.parametrize("export", EXPORTS)
def test_removed_videos_leave_exports_of_older_snapshots(filled: Lake, tmp_path: Path, export: Export) -> None:
    number = filled.snapshot()
    before = export(filled, tmp_path / "before", DIVISION, progress=quiet)
    gone, never_here, household = "video-001", "dQw4w9WgXcQ", "4711"
    other_form = "a film.final"  # of a folder; it left every snapshot before
    listed = [f"{each},a request,2026-05-04," for each in (household, never_here, gone)]
    listed.append(f"{other_form},a request,2026-05-04,video")
    filled.removals.write_text("\n".join(["id,reason,date,kind", *listed]) + "\n")
    export(filled, tmp_path / "after", DIVISION, snapshot=number, progress=quiet)
    header = read_manifest(tmp_path / "after")[0]
    assert header["removed_ids"] == [other_form, never_here, gone], "no household is named"
    other = Lake(tmp_path / "other")
    assert import_export(other, tmp_path / "after", SHARDING)["videos"] == VIDEOS * 7 // 8 - 1
    found = other.sql("SELECT count(*) FROM clips WHERE video_id = $gone", gone=gone).fetchall()
    assert found == [(0,)] and len(read_manifest(tmp_path / "before")[1]) == len(before)
    if export is export_hugging_face:
        assert "1 removed videos of that snapshot are left out" in (tmp_path / "after" / "README.md").read_text()
    release = tmp_path / "release"
    assert export_release(filled, release, number)["HowTo100M_v1.csv"] == VIDEOS * 7 // 8 - 1
    assert gone not in (release / "raw_caption.json").read_text()


def test_two_exports_of_different_forms_are_compared(filled: Lake, tmp_path: Path) -> None:
    export_hugging_face(filled, tmp_path / "older", DIVISION, progress=quiet)
    videos = filled.read("videos").pl()
    filled.write("videos", videos.with_columns(kept=pl.col("video_id") != "video-002", reason=None))
    filled.removals.write_text("id,reason,date\nvideo-001,a request,2026-05-04\n")
    export_webdataset(filled, tmp_path / "newer", DIVISION, progress=quiet)
    made = export_differences(tmp_path / "older", tmp_path / "newer")
    assert made.rows() == [
        ("videos", "added", "new", 5),
        ("videos", "removed", "its removal was requested", 1),
        ("videos", "removed", "no longer there", 1),
        ("clips", "removed", "its removal was requested", 3),
        ("clips", "removed", "video: in the data set → not found", 3),
    ]


def test_a_sample_name_holds_any_id() -> None:
    assert sample_key("-aB_9.mp4/x") == "-aB_9%2Emp4%2Fx"


KILLED = """
import os, signal, sys
from pathlib import Path
from assets.exports import hugging_face, lance_data, webdataset
from assets.exports.session import Division
from assets.lake import Lake
from assets.sharding import Sharding
from assets.splits import SplitOptions
left = int(sys.argv[3])
def stop(line):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
export = next(vars(form)[sys.argv[4]] for form in (hugging_face, lance_data, webdataset) if sys.argv[4] in vars(form))
division = Division(SplitOptions(0, 0.2), Sharding(3))
export(Lake(Path(sys.argv[1])), Path(sys.argv[2]), division, progress=stop)
"""


@pytest.mark.parametrize("export", EXPORTS)
def test_a_killed_export_goes_on_to_the_same_bytes(filled: Lake, tmp_path: Path, export: Export) -> None:
    export(filled, tmp_path / "whole", DIVISION, progress=quiet)
    filled.close()
    for files in (1, 2):
        command = [sys.executable, "-c", KILLED, str(filled.root), str(tmp_path / "killed"), str(files)]
        assert subprocess.run([*command, export.__name__], check=False).returncode == -9
    (tmp_path / "killed" / ".clips-00000").mkdir()
    (tmp_path / "killed" / ".clips-00000" / "train.parquet").write_text("cut by an earlier kill")
    lines: list[str] = []
    export(filled, tmp_path / "killed", DIVISION, progress=lines.append)
    whole = {path.relative_to(tmp_path / "whole"): path.read_bytes() for path in (tmp_path / "whole").rglob("*.*")}
    if export is export_webdataset:
        shutil.rmtree(tmp_path / "killed" / ".clips-00000")
    resumed = {path.relative_to(tmp_path / "killed"): path.read_bytes() for path in (tmp_path / "killed").rglob("*.*")}
    assert whole == resumed
    assert len(lines) == len(whole) - 1 - 3, "three files were written before"


def test_a_killed_export_of_arrays_goes_on_to_the_same_rows(filled: Lake, tmp_path: Path) -> None:
    whole = export_lance(filled, tmp_path / "whole", DIVISION, progress=quiet)
    command = [sys.executable, "-c", KILLED, str(filled.root), str(tmp_path / "killed"), "2", "export_lance"]
    filled.close()
    assert subprocess.run(command, check=False).returncode == -9
    lines: list[str] = []
    resumed = export_lance(filled, tmp_path / "killed", DIVISION, progress=lines.append)
    assert len(lines) == 1, "two of three arrays were written before"
    assert [each.data_sha256 for each in resumed] == [each.data_sha256 for each in whole]
    assert len({each.data_sha256 for each in whole}) == 3
    assert read_manifest(tmp_path / "killed")[1] == resumed
    assert [each.sha256 for each in resumed] != [each.sha256 for each in whole], "Lance draws names of files"


def test_arrays_of_many_texts_have_the_same_rows_in_bytes(lake: Lake, tmp_path: Path) -> None:
    """Lance derives a table for the compression of texts from a random sample where there are many."""
    fill(lake)
    (first,) = lake.read("videos").pl().filter(video_id="video-001").rows()
    column = lake.read("videos").columns.index("video_id")
    many = ((*first[:column], f"video {number * 7919:09d}", *first[column + 1 :]) for number in range(12_000))
    lake.write("videos", load_tables()["videos"].frame(many))
    exports = [export_lance(lake, tmp_path / name, DIVISION, progress=quiet) for name in ("a", "b")]
    assert exports[0][1].rows == 12_000
    assert [each.data_sha256 for each in exports[0]] == [each.data_sha256 for each in exports[1]]


def test_what_cannot_be_exported_or_imported_is_named(filled: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    export_hugging_face(filled, folder, DIVISION, progress=quiet)
    with pytest.raises(ExportError, match="holds an export of other data or options"):
        export_hugging_face(filled, folder, replace(DIVISION, splits=SplitOptions(1, 0.2)), progress=quiet)
    (broken,) = (file for file in read_manifest(folder)[1] if file.path.startswith("data/tasks/"))
    (folder / broken.path).write_bytes(b"cut")
    with pytest.raises(ExportError, match="not the bytes that the manifest lists"):
        import_export(Lake(tmp_path / "other"), folder, SHARDING)
    with pytest.raises(ExportError, match="choose the folder of a finished export"):
        import_export(Lake(tmp_path / "other"), tmp_path / "nothing", SHARDING)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    with pytest.raises(ExportError, match="not empty and no export"):
        export_hugging_face(filled, tmp_path / "mine", DIVISION, progress=quiet)
    with pytest.raises(ExportError, match="has no table tasks, videos, clips"):
        export_hugging_face(Lake(tmp_path / "empty"), tmp_path / "none", DIVISION, progress=quiet)
    assert json.loads((folder / CROISSANT).read_text())["version"].startswith("1.")
