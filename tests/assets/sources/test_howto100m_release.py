"""The published files of HowTo100M: read as a source, written from the lake, and nothing lost on the way."""

from __future__ import annotations

import json
import string
import zipfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assets.captions.fetch import fetch_captions
from assets.captions.tracks import CaptionLine
from assets.lake import Lake, load_tables
from assets.outcomes import Problem, SourceError
from assets.sources.howto100m_release import captions as release_captions
from assets.sources.howto100m_release.captions import find_entries, read_entries
from assets.sources.howto100m_release.export import (
    CAPTION_ZIP,
    RAW_CAPTIONS,
    ExportError,
    export_release,
    tracks_of,
    write_caption_json,
    write_caption_zip,
    write_tasks,
    write_videos,
)
from assets.sources.howto100m_release.lists import read_video_list
from assets.sources.howto100m_release.source import HowTo100MRelease
from assets.sources.howto100m_release.tracks import CaptionFile

VIDEO_LIST = """video_id,category_1,category_2,rank,task_id, path
nVbIUDjzWY4,Cars & Other Vehicles,Motorcycles,27, 52907
aaaaaaaaaaa,Cars & Other Vehicles,Motorcycles,3,52907, x
bbbbbbbbbbb,Food and Entertaining,,1,7
"""
CAPTION = {
    "nVbIUDjzWY4": {"start": [0.0, 3.2], "end": [6.0, 9.1], "text": ["evening &amp; stroll", "music"]},
    "bbbbbbbbbbb": {"start": [1], "end": [2], "text": ["stir"]},
}


def release(folder: Path, **files: str) -> HowTo100MRelease:
    """The files of a small release; each can be given another content, or be left out."""
    contents = {
        "HowTo100M_v1.csv": VIDEO_LIST,
        "task_ids.csv": "52907\tPaint a Motorcycle\n7\tMake Kimchi\n",
        "raw_caption.json": json.dumps(CAPTION),
    } | {name.replace("__", "."): content for name, content in files.items()}
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
    return HowTo100MRelease(folder, folder / "cache")


def test_tasks_videos_and_captions_are_answered(tmp_path: Path) -> None:
    source = release(tmp_path)
    assert {(a.article_id, a.title): a.categories for a in source.articles()} == {
        ("52907", "Paint a Motorcycle"): ("Cars & Other Vehicles", "Motorcycles"),
        ("7", "Make Kimchi"): ("Food and Entertaining",),
    }
    found = source.search("how to paint a motorcycle", 200)
    assert [(result.video_id, result.rank) for result in found] == [("aaaaaaaaaaa", 3), ("nVbIUDjzWY4", 27)]
    assert source.search("how to paint a motorcycle", 1) == found[:1]
    assert source.search("how to fly", 200) == []

    track = source.captions("nVbIUDjzWY4")
    assert track.lines == (CaptionLine(0.0, 6.0, "evening & stroll"), CaptionLine(3.2, 9.1, "music"))
    assert (track.status, track.source, track.language) == ("ok", None, "en")
    assert source.captions("aaaaaaaaaaa").error == "not in raw_caption.json"
    assert source.problems() == []


def test_video_files_are_next_to_the_lists(tmp_path: Path) -> None:
    source = release(tmp_path)
    before = source.version()
    with pytest.raises(SourceError, match="the release itself holds no videos"):
        source.media("nVbIUDjzWY4", tmp_path)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "nVbIUDjzWY4.webm").write_bytes(b"not read here")
    assert source.media("nVbIUDjzWY4", tmp_path).name == "nVbIUDjzWY4.webm"
    assert source.version() != before


@pytest.mark.parametrize(
    "tasks", ["id\ttask_name\n52907\tPaint a Motorcycle\n7\tX\n", "7\tX\r\n\r\n52907\tPaint a Motorcycle"]
)
def test_the_task_list_may_have_a_header(tmp_path: Path, tasks: str) -> None:
    source = release(tmp_path, task_ids__csv=tasks)
    assert {article.title for article in source.articles()} == {"Paint a Motorcycle", "X"}
    assert source.problems() == []


def test_every_row_that_is_not_used_is_named(tmp_path: Path) -> None:
    bad = "../etc,Health,,1,7\nccccccccccc,Health,,0,7\nddddddddddd,Health,7\neeeeeeeeeee,Health,,2,8\n"
    bad += "bbbbbbbbbbb,Health,,9,7\nfffffffffff,Health,,2,\n"
    source = release(
        tmp_path,
        HowTo100M_v1__csv=VIDEO_LIST + bad,
        task_ids__csv="52907\tPaint a Motorcycle\n7\tMake Kimchi\nno tab\n7\tAgain\n",
        raw_caption__json=json.dumps({**CAPTION, "zzzzzzzzzzz": CAPTION["bbbbbbbbbbb"]})[:-1]
        + ', "bbbbbbbbbbb": {"start": [], "end": [], "text": []}}',
    )
    found = {problem.name: problem.problem for problem in source.problems()}
    assert found.pop("raw_caption.json: bbbbbbbbbbb").startswith("again at byte ")
    assert found == {
        "HowTo100M_v1.csv: line 5": "'../etc' is no video id",
        "HowTo100M_v1.csv: line 6": "ccccccccccc: rank is '0', not a number from 1 of at most 9 digits",
        "HowTo100M_v1.csv: line 7": "3 fields: ddddddddddd,Health,7",
        "HowTo100M_v1.csv: line 10": "fffffffffff: no task_id",
        "HowTo100M_v1.csv: bbbbbbbbbbb": "again for task 7, at rank 9: the best rank counts",
        "HowTo100M_v1.csv: eeeeeeeeeee": "its task 8 has no title in task_ids.csv",
        "task_ids.csv: line 3": "not a task id and a title with a tab between: no tab",
        "task_ids.csv: line 4": "task 7 again; its first title counts",
        "raw_caption.json: zzzzzzzzzzz": "no usable row of HowTo100M_v1.csv names this video",
    }


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ('{"start": [1], "end": [2, 3], "text": ["a"]}', "1 starts, 2 ends and 1 texts"),
        ('{"start": [], "end": [], "text": []}', "has no lines"),
        ('{"start": [NaN], "end": [2], "text": ["a"]}', "line 0: start is nan"),
        ('{"start": [true], "end": [2], "text": ["a"]}', "line 0: start is true"),
        (f'{{"start": [{10**400}], "end": [2], "text": ["a"]}}', "line 0: start is an integer of 1,329 bits"),
        ('{"start": [1], "end": [2], "text": [5]}', "line 0: text is 5"),
        ('{"start": [1], "end": [2], "text": ["\\ud83d"]}', "not Unicode"),
        ('{"start": [1], "end": [2], "text": {"a": 1}}', "not an object with the lists"),
        ('{"start": [1], "end": [2], "text": ["a"}', "not JSON"),
        ('{"start": [1], "end": [2], "te', "not JSON"),
    ],
)
def test_an_entry_that_cannot_be_read_is_an_answer_and_spares_the_others(
    tmp_path: Path, entry: str, error: str
) -> None:
    whole = json.dumps(CAPTION)[:-1] + ', "aaaaaaaaaaa": ' + entry
    source = release(tmp_path, raw_caption__json=whole + ("" if entry.endswith("te") else "}"))
    track = source.captions("aaaaaaaaaaa")
    assert (track.status, track.lines) == ("failed", ()) and error in (track.error or "")
    assert source.captions("bbbbbbbbbbb").lines == (CaptionLine(1.0, 2.0, "stir"),)


def test_single_lines_that_cannot_be_stored_are_named_and_the_others_stay(tmp_path: Path) -> None:
    mixed = {"aaaaaaaaaaa": {"start": [1, None, 3], "end": [2, 3, 4], "text": ["a", "b", "c"]}}
    track = release(tmp_path, raw_caption__json=json.dumps(mixed)).captions("aaaaaaaaaaa")
    assert track.status == "ok" and [line.text for line in track.lines] == ["a", "c"]
    assert track.error == "raw_caption.json: 1 entries set aside, as line 1: start is null"


def test_files_that_are_missing_or_of_another_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"HowTo100M_v1.csv: missing; HOWTO_RELEASE must hold"):
        HowTo100MRelease(tmp_path, tmp_path)
    with pytest.raises(SourceError, match=r"raw_caption.json: not a JSON object of videos"):
        release(tmp_path, raw_caption__json="[1]").captions("aaaaaaaaaaa")
    (tmp_path / "list.csv").write_text("video,rank\n")
    with pytest.raises(SourceError, match=r"list.csv: no column video_id, category_1"):
        read_video_list(tmp_path / "list.csv")
    (tmp_path / "raw_caption.json").unlink()
    with pytest.raises(SourceError, match=r"none of raw_caption.json, caption.json and howto100m_captions.zip"):
        HowTo100MRelease(tmp_path, tmp_path)


times = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=12) | st.sampled_from(
    ["", "}, ", ": {", '"', "\\", "a, b", "}}", '{"start": [', "x\r\ny", "1"]
)
video_ids = st.text(string.ascii_letters + string.digits + "-_", min_size=11, max_size=11)
releases = st.dictionaries(video_ids, st.lists(st.tuples(times, times, texts), min_size=1, max_size=5), max_size=5)

Release = dict[str, list[tuple[float, float, str]]]


def lists(published: Release) -> dict[str, dict[str, list]]:
    return {
        video_id: dict(zip(("start", "end", "text"), map(list, zip(*lines, strict=True)), strict=True))
        for video_id, lines in published.items()
    }


def rows(published: Release) -> list[tuple]:
    return [(video_id, i, *line) for video_id, lines in published.items() for i, line in enumerate(lines)]


def lines_in(path: Path) -> list[tuple]:
    """Every line of a caption file, with no problem met."""
    batches = list(read_entries(path, find_entries(path)))
    return [row for batch in batches for row in batch.lines.rows()]


AMBIGUOUS: Release = {
    "aaaaaaaaaaa": [(0.0, 1.0, "}, "), (1.0, 2.0, ": {"), (2.0, 3.0, "x")],
    "b" * 11: [(0.0, 1.0, "y")],
}


@given(releases, st.sampled_from([None, 1]), st.integers(1, 400))
@example(AMBIGUOUS, None, 7)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_caption_file_makes_the_round_trip_without_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published: Release, indent: int | None, stretch: int
) -> None:
    monkeypatch.setattr(release_captions, "SCAN_BYTES", stretch)
    monkeypatch.setattr(release_captions, "BATCH_BYTES", stretch)
    original, written = tmp_path / "raw_caption.json", tmp_path / "written.json"
    original.write_text(json.dumps(lists(published), indent=indent, ensure_ascii=bool(stretch % 2)), encoding="utf-8")
    read = lines_in(original)
    assert sorted(read) == sorted(rows(published))

    frame = pl.DataFrame(read, release_captions.LINES, orient="row").rename({"line_index": "i"}).drop("i")
    assert write_caption_json(tracks_of(frame), written) == len(published)
    assert json.loads(written.read_text()) == lists(published)


@given(releases)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_zip_of_csv_files_makes_the_round_trip_without_loss(tmp_path: Path, published: Release) -> None:
    path = tmp_path / CAPTION_ZIP
    write_caption_zip(((v, *map(list, zip(*lines, strict=True))) for v, lines in published.items()), path)
    captions = CaptionFile(path, tmp_path / "cache")
    read = [row for batch in captions.read(pl.Series(list(published), dtype=pl.String)) for row in batch.lines.rows()]
    assert sorted(read) == sorted(rows(published))
    assert captions.problems() == []
    assert zipfile.ZipFile(path).namelist() == [f"{video_id}.csv" for video_id in published]


@given(releases)
@example({"a" * 11: [(0.0, 1.0, "it\u2019s\x1c a &amp; b"), (1.0, 2.0, "été d'or")], "b" * 11: [(0.0, 1.0, " ")]})
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tracks_of_a_shard_are_the_tracks_one_by_one(tmp_path: Path, published: Release) -> None:
    broken = {"x" * 11: {"start": [0, 1], "end": [1, 2], "text": ["a", None]}, "y" * 11: {"start": []}}
    source = release(tmp_path, raw_caption__json=json.dumps({**lists(published), **broken}))
    requested = [*published, "x" * 11, "y" * 11, "z" * 11]
    one_by_one = fetch_captions(source, requested, "shard-0000")
    for mine, theirs in zip(source.caption_rows(requested, "shard-0000"), one_by_one, strict=True):
        columns = [name for name in theirs.columns if name != "fetched_at"]
        assert mine.schema == theirs.schema
        assert sorted(mine.select(columns).rows(), key=repr) == sorted(theirs.select(columns).rows(), key=repr)


names = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Zs")), min_size=1, max_size=8)
listed = st.lists(
    st.tuples(
        video_ids, names, st.none() | names.filter(lambda name: name.lower() != "nan"), st.integers(1, 999), names
    ),
    unique_by=lambda row: (row[0], row[4]),
    max_size=6,
)


@given(listed)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_lists_make_the_round_trip_without_loss(tmp_path: Path, videos: list[tuple]) -> None:
    columns = ["video_id", "category_1", "category_2", "rank", "task_id"]
    frame = pl.DataFrame(videos, pl.Schema(dict.fromkeys(columns, pl.String()) | {"rank": pl.Int64()}), orient="row")
    write_videos(frame, tmp_path / "list.csv")
    read, problems = read_video_list(tmp_path / "list.csv")
    assert sorted(read.rows(), key=repr) == sorted(videos, key=repr) and problems == []


def test_a_title_that_the_task_list_cannot_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="task '7': a tab or line break in 'Make\\\\tKimchi'"):
        write_tasks(pl.DataFrame({"task_id": ["7"], "title": ["Make\tKimchi"]}), tmp_path / "task_ids.csv")
    assert not any(tmp_path.iterdir())


def in_lake(lake: Lake, table: str, **columns: list) -> None:
    """Write rows of a table; columns that are not given are NULL, or a value that their type has."""
    contract = load_tables()[table]
    frame = pl.DataFrame(columns)
    empty = {"VARCHAR": "", "BIGINT": 1, "DOUBLE": 0.0, "BOOLEAN": True}
    given_or_empty = [
        pl.col(c.name) if c.name in columns else pl.lit(None if c.nullable else empty[c.type]).alias(c.name)
        for c in contract.columns
    ]
    lake.write(table, frame.select(given_or_empty), columns["shard"][0] if "shard" in columns else None)


def test_a_snapshot_of_the_lake_is_a_release_that_can_be_read_again(lake: Lake, tmp_path: Path) -> None:
    shard = ["shard-0000"] * 2
    in_lake(
        lake, "tasks", task_id=["7", "8"], title=["Make Kimchi", "Be Happy"], kept=[True, False], reason=[None, "x"]
    )
    in_lake(
        lake,
        "videos",
        video_id=["bbbbbbbbbbb", "ccccccccccc"],
        task_id=["7", "7"],
        rank=[4, 9],
        category_1=["Food and Entertaining"] * 2,
        kept=[True, False],
        reason=[None, "few words"],
    )
    in_lake(
        lake,
        "clips",
        shard=shard,
        video_id=["bbbbbbbbbbb"] * 2,
        clip_index=[0, 1],
        start_s=[0.5, 2.0],
        end_s=[2.0, 3.25],
        caption=["now stir it", "the salt"],
        caption_clean=["stir", "salt"],
    )
    snapshot = lake.snapshot()
    in_lake(lake, "tasks", task_id=["9"], title=["Bake Bread"])
    counts = export_release(lake, tmp_path / "out", snapshot)
    assert counts == dict.fromkeys(counts, 1)

    again = HowTo100MRelease(tmp_path / "out", tmp_path / "cache")
    assert [article.title for article in again.articles()] == ["Make Kimchi"]
    assert [(found.video_id, found.rank) for found in again.search("how to make kimchi", 200)] == [("bbbbbbbbbbb", 4)]
    assert again.captions("bbbbbbbbbbb").lines == (
        CaptionLine(0.5, 2.0, "now stir it"),
        CaptionLine(2.0, 3.25, "the salt"),
    )
    assert json.loads((tmp_path / "out" / "caption.json").read_text())["bbbbbbbbbbb"]["text"] == ["stir", "salt"]
    (tmp_path / "out" / RAW_CAPTIONS).unlink()
    (tmp_path / "out" / "caption.json").unlink()
    zipped = HowTo100MRelease(tmp_path / "out", tmp_path / "cache")
    assert [line.text for line in zipped.captions("bbbbbbbbbbb").lines] == ["stir", "salt"]
    assert zipped.problems() == []


def test_what_cannot_be_read_of_a_zip_is_named(tmp_path: Path) -> None:
    path = tmp_path / CAPTION_ZIP
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("deep/aaaaaaaaaaa.csv", "start,end,text\n0,1,stir\n1,x,pour\n")
        archive.writestr("bbbbbbbbbbb.csv", "start;end\n")
        archive.writestr("readme.txt", "hello")
    captions = CaptionFile(path, tmp_path / "cache")
    assert captions.track("aaaaaaaaaaa").lines == (CaptionLine(0.0, 1.0, "stir"),)
    assert captions.problems() == [
        Problem(f"{CAPTION_ZIP}: aaaaaaaaaaa", "line 1: not numbers: '1', 'x'"),
        Problem(f"{CAPTION_ZIP}: bbbbbbbbbbb", "its header is 'start;end', not start,end,text"),
        Problem(f"{CAPTION_ZIP}: readme.txt", "not a csv"),
    ]
    path.write_bytes(b"no zip")
    with pytest.raises(SourceError, match="not a zip file"):
        _ = CaptionFile(path, tmp_path / "cache").entries


def test_one_bad_row_of_a_list_costs_that_row(tmp_path: Path) -> None:
    rows = [b"video_id,category_1,category_2,rank,task_id", b"aaaaaaaaaaa,Health,,%s,t" % (b"9" * 5000)]
    rows += [b'bbbbbbbbbbb,"Health,,1,t', b"ccccccccccc,Sant\xe9,,2,t", b"d," * 6000, b"eeeeeeeeeee,Health,,3,t"]
    (tmp_path / "list.csv").write_bytes(b"\r\n".join(rows))
    videos, problems = read_video_list(tmp_path / "list.csv")
    assert videos["video_id"].to_list() == ["eeeeeeeeeee"]
    assert [(problem.name, problem.problem[:40]) for problem in problems] == [
        ("list.csv: line 2", "aaaaaaaaaaa: rank is '999999999999999999"),
        ("list.csv: line 3", "2 fields: bbbbbbbbbbb,Health,,1,t"),
        ("list.csv: line 4", "not UTF-8: ccccccccccc,Sant\ufffd,,2,t"),
        ("list.csv: line 5", "longer than 10,000 characters"),
    ]


def test_a_small_zip_that_unpacks_to_much_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / CAPTION_ZIP
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("aaaaaaaaaaa.csv", "start,end,text\n0,1,stir\n")
        archive.writestr("bbbbbbbbbbb.csv", "start,end,text\n" + "0,1,stir\n" * 1_000_000)
        archive.writestr("ccccccccccc.csv", "start,end,text\n" + "0,1,stir\n" * 10_000_000)
    captions = CaptionFile(path, tmp_path / "cache")
    assert captions.entries["video_id"].to_list() == ["aaaaaaaaaaa"]
    wrong = {problem.name[-11:]: problem.problem for problem in captions.problems()}
    assert wrong["bbbbbbbbbbb"].endswith("to 9,000,015 bytes or more; not read")
    assert wrong["ccccccccccc"].endswith("to 16,000,001 bytes or more; not read")
