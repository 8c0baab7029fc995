"""A folder of real videos as a source: its answers, and its problems with files that it cannot use."""

from __future__ import annotations

import json
import os
from datetime import date
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import av
import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.captions.fetch import fetch_captions
from assets.captions.tracks import CaptionLine
from assets.outcomes import SourceError
from assets.sources.folder import FolderSource
from assets.tasks.categories import WIKIHOW_CATEGORIES
from assets.videos.metadata import fetch_metadata
from assets.videos.search import search_tasks
from tests.videos import numbered, steady

VTT = "WEBVTT\n\n00:01.000 --> 00:03.500\nClick the <b>Show</b> icon &amp; wait.\n"


def video(folder: Path, video_id: str, info: object = None, vtt: str | None = VTT) -> None:
    (folder / f"{video_id}.webm").write_bytes(b"not opened here")
    if info is not None:
        text = info if isinstance(info, str) else json.dumps(info)
        (folder / f"{video_id}.info.json").write_text(text)
    if vtt is not None:
        (folder / f"{video_id}.en.vtt").write_text(vtt)


def source(folder: Path) -> FolderSource:
    return FolderSource(folder, WIKIHOW_CATEGORIES)


def test_titles_become_tasks_and_are_found_by_words(tmp_path: Path) -> None:
    video(
        tmp_path,
        "a",
        {"title": "How to Paint a Chair", "categories": ["Home and Garden"], "view_count": None},
    )
    video(tmp_path, "b", {"title": "How to Paint a Wall", "view_count": 7, "duration": 61.5})
    found = {article.title: article.categories for article in source(tmp_path).articles()}
    assert found == {"Paint a Chair": ("Home and Garden",), "Paint a Wall": ()}

    best, second = source(tmp_path).search("how to paint a wall", limit=10)
    assert (best.video_id, best.view_count, best.duration_s) == ("b", 7, 61.5)
    assert (second.video_id, second.view_count, second.duration_s) == ("a", None, None)
    assert source(tmp_path).search("how to bake bread", limit=10) == []


def test_the_info_file_gives_licence_and_day_of_upload(tmp_path: Path) -> None:
    known = {"license": "by-sa", "upload_date": "20190228", "channel_id": "UC1", "availability": "unlisted"}
    video(tmp_path, "a", known)
    video(tmp_path, "b", {"title": "Fold"})
    columns = ("license", "upload_date", "channel_id", "availability")
    found = fetch_metadata(source(tmp_path), ["a", "b"], "shard-0000").select(columns)
    assert found.rows() == [("cc-by-sa", date(2019, 2, 28), "UC1", "unlisted"), (None,) * 4]


def test_the_names_that_yt_dlp_gives_by_default(tmp_path: Path) -> None:
    video(tmp_path, "How to Fold [part 2] a Crane [dQw4w9WgXcQ]")
    named = source(tmp_path)
    assert [article.title for article in named.articles()] == ["Fold [part 2] a Crane"]
    (found,) = named.search("fold a crane", limit=10)
    assert found.video_id == "dQw4w9WgXcQ" and named.captions(found.video_id).status == "ok"
    assert [problem.name for problem in named.problems()] == ["How to Fold [part 2] a Crane [dQw4w9WgXcQ].info.json"]


def test_captions_are_read_with_tags_and_entities_undone(tmp_path: Path) -> None:
    video(tmp_path, "a", {"title": "A", "subtitles": {"en": []}})
    track = source(tmp_path).captions("a")
    assert (track.status, track.source, track.language) == ("ok", "manual", "en")
    assert track.lines == (CaptionLine(1.0, 3.5, "Click the Show icon & wait."),)


def test_every_bad_file_is_reported_by_name_and_the_rest_goes_on(tmp_path: Path) -> None:
    video(tmp_path, "good", {"title": "Good"})
    video(tmp_path, "broken", "{not json")
    video(tmp_path, "list", "[]")
    video(tmp_path, "bare", None)
    video(tmp_path, "rm -rf $HOME", {"title": "Unsafe"})
    (tmp_path / "good.mp4").write_bytes(b"second file of that id")
    problems = {problem.name: problem.problem for problem in source(tmp_path).problems()}

    assert "not a safe file name" in problems["rm -rf $HOME.webm"]
    assert "not JSON" in problems["broken.info.json"]
    assert "JSON list" in problems["list.info.json"]
    assert "missing" in problems["bare.info.json"]
    assert "same id as good.mp4" in problems["good.webm"]
    assert {result.video_id for result in source(tmp_path).search("good broken bare list", 10)} == {
        "good",
        "broken",
        "bare",
        "list",
    }


@pytest.mark.parametrize(
    ("vtt", "status", "reason"),
    [
        (None, "no_captions", "no a.en*.{json3,srv3,vtt,srt,ttml,dfxp,srv1,sbv,ass,ssa,smi,sami,sub}"),
        ("", "failed", "a.en.vtt: empty file"),
        ("WEBVTT\n\n", "failed", "a.en.vtt: no cues"),
        ("1\n00:01.000 --> 00:02.000\nsrt\n", "failed", "a.en.vtt: does not start with WEBVTT"),
    ],
)
def test_missing_and_broken_captions_are_answers(tmp_path: Path, vtt: str, status: str, reason: str) -> None:
    video(tmp_path, "a", {"title": "A"}, vtt)
    track = source(tmp_path).captions("a")
    assert (track.status, track.error, track.lines) == (status, reason, ())


def test_the_version_changes_with_the_files(tmp_path: Path) -> None:
    video(tmp_path, "a", {"title": "A"})
    before = source(tmp_path).version()
    assert source(tmp_path).version() == before
    video(tmp_path, "b", {"title": "B"})
    assert source(tmp_path).version() != before


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere: no such folder; set HOWTO_FOLDER"):
        source(tmp_path / "nowhere")
    assert source(tmp_path).problems()[0].problem == "no video file in this folder"


letters = st.characters(codec=None, exclude_categories=())
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(codec=None), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    *(
        "id",
        "title",
        "channel",
        "channel_id",
        "duration",
        "view_count",
        "language",
        "description",
        "tags",
        "categories",
    ),
    *("license", "upload_date", "availability"),
    *("subtitles", "automatic_captions", "requested_subtitles"),
)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from(FIELDS), anything, max_size=5))
def test_any_value_in_any_field_costs_that_field_alone(info: dict[str, object]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        video(folder, "good", {"title": "Good"})
        video(folder, "odd", {"title": "Odd"} | info)
        read = source(folder)
        articles, problems = list(read.articles()), read.problems()
        assert "Good" in [article.title for article in articles] and len(read._entries) == 2
        tasks = pl.DataFrame(
            [(article.article_id, article.title, "Health", True) for article in articles],
            {"task_id": pl.String, "title": pl.String, "category_1": pl.String, "kept": pl.Boolean},
            orient="row",
        )
        results, _ = search_tasks(read, tasks, 10)
        about = fetch_metadata(read, list(read._entries), "shard-0000")
        captions, fetches = fetch_captions(read, list(read._entries), "shard-0000")
        for frame in (results, about, captions, fetches):
            assert duckdb.sql("SELECT * FROM frame").pl().height == frame.height
        assert set(fetches["status"]) == {"ok"}
        assert all(problem.name == "odd.info.json" and problem.problem.encode() for problem in problems)


def test_the_id_is_the_one_in_the_info_file_whatever_the_name(tmp_path: Path) -> None:
    for name in ("2024 weld (HD)", "Weld-abcdefghijk"):
        video(tmp_path, name, {"id": f"id-{len(name)}", "title": "How to weld"})
    read = source(tmp_path)
    assert sorted(result.video_id for result in read.search("weld", 9)) == ["id-14", "id-16"]
    assert read.captions("id-16").status == "ok" and read.problems() == []


def test_the_names_that_youtube_dl_gave(tmp_path: Path) -> None:
    video(tmp_path, "How to Weld - 5 tips-dQw4w9_gX-Q")
    video(tmp_path, "weld-stainless")
    read = source(tmp_path)
    assert {article.title for article in read.articles()} == {"Weld - 5 tips", "weld-stainless"}
    assert read.captions("dQw4w9_gX-Q").status == "ok"


def test_files_of_one_video_may_be_named_by_title_or_by_id(tmp_path: Path) -> None:
    (tmp_path / "How to weld [aB3].mp4").write_bytes(b"x")
    (tmp_path / "aB3.info.json").write_text(
        json.dumps({"title": "How to weld steel", "automatic_captions": {"en": []}})
    )
    (tmp_path / "aB3.en.vtt").write_text(VTT)
    read = source(tmp_path)
    assert [article.title for article in read.articles()] == ["weld steel"]
    assert (read.captions("aB3").source, read.problems()) == ("asr", [])


@pytest.mark.parametrize(
    "name",
    [
        *("sew.f137.mp4", "sew.f251-1.webm", "sew.fhls-1080.mp4", "sew.f140.m4a", "sew.temp.mkv", "sew.mp4.part"),
        *("sew.mp4.ytdl", "sew.f137.mp4.part-Frag12", "sew.f137.mp4.part-Frag12.part", "sew.mp4.crdownload"),
    ],
)
def test_what_a_download_has_not_finished_is_no_video(tmp_path: Path, name: str) -> None:
    video(tmp_path, "race.final", {"title": "Race"})
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / "sew.info.json").write_text("{}")
    (tmp_path / "race.final.mp4.part").write_bytes(b"x")
    read = source(tmp_path)
    assert [article.title for article in read.articles()] == ["Race"]
    assert {problem.name: problem.problem for problem in read.problems()} == {
        name: "an unfinished download: sew is not whole; download it again",
        "sew.info.json": "its video is not whole; download it again",
        "race.final.mp4.part": "left over from a download: race.final.webm is used; delete it",
    }


def address(language: str, **more: str) -> list[dict[str, str]]:
    return [{"url": "https://example.org/timedtext?" + urlencode({"lang": language, **more}), "ext": "vtt"}]


INFO = {
    "title": "Bake",
    "language": "es",
    "subtitles": {"en-GB": address("en-GB"), "live_chat": address("live")},
    "automatic_captions": {
        "es-orig": address("es", kind="asr"),
        "en": address("es", kind="asr", tlang="en"),
        "en-en-GB": address("en-GB", tlang="en"),
    },
}


@pytest.mark.parametrize(
    ("files", "chosen", "kind"),
    [
        (["en.vtt", "en-GB.vtt"], "en-GB", "manual"),
        (["en.vtt", "es-orig.vtt"], "en", "translated"),
        (["en-en-GB.vtt"], "en-en-GB", "translated"),
        (["es-orig.vtt"], None, None),
        (["en-US.vtt", "en.vtt"], "en-US", None),  # nothing says what the first one is
    ],
)
def test_captions_are_chosen_as_those_from_youtube(tmp_path: Path, files: list[str], chosen: str, kind: str) -> None:
    video(tmp_path, "a", INFO, vtt=None)
    for name in files:
        (tmp_path / f"a.{name}").write_text(VTT)
    track = source(tmp_path).captions("a")
    assert (track.language, track.source) == (chosen, kind)
    about = source(tmp_path).metadata("a")
    assert (about.manual_captions, about.asr_captions) == (("en-GB",), ("es",))


def test_without_addresses_recognised_speech_is_in_the_spoken_language(tmp_path: Path) -> None:
    for name, language in (("a", "en-US"), ("b", "de"), ("c", None)):
        video(tmp_path, name, {"title": name, "language": language, "automatic_captions": {"en": [], "de": []}})
    kinds = [source(tmp_path).captions(name).source for name in "abc"]
    assert kinds == ["asr", "translated", "asr"]
    assert source(tmp_path).metadata("b").asr_captions == ("de",)


def test_a_caption_file_without_a_language_is_in_that_of_the_video(tmp_path: Path) -> None:
    for name, language in (("a", "en"), ("b", "de"), ("c", None)):
        video(tmp_path, name, {"title": name, "language": language}, vtt=None)
        (tmp_path / f"{name}.SRT").write_text("1\n00:00:01 --> 00:00:02\nstir it\n")
    read = source(tmp_path)
    assert [(read.captions(name).status, read.captions(name).language) for name in "abc"] == [
        ("ok", "en"),
        ("no_captions", None),
        ("ok", None),
    ]
    assert (read.captions("b").error or "").endswith("; b.SRT is in 'de'")


def test_the_next_best_captions_are_read_where_the_best_are_broken(tmp_path: Path) -> None:
    video(tmp_path, "a", {"title": "A"})
    (tmp_path / "a.en.json3").write_text("{")
    (tmp_path / "a.en.sup").write_bytes(b"PG")
    track = source(tmp_path).captions("a")
    assert (track.status, track.lines) == ("ok", (CaptionLine(1.0, 3.5, "Click the Show icon & wait."),))
    assert (track.error or "").startswith("a.en.json3: not JSON") and (track.error or "").endswith("a.en.vtt is used")
    (tmp_path / "a.en.vtt").unlink()
    (tmp_path / "a.en.json3").unlink()
    assert "a.en.sup is there: they are pictures of text" in (source(tmp_path).captions("a").error or "")


@pytest.mark.parametrize(("language", "status"), [("eng", "ok"), (None, "ok"), ("ger", "no_captions")])
def test_subtitles_inside_the_video_file_are_read(tmp_path: Path, language: str | None, status: str) -> None:
    pictures = numbered(tmp_path / "pictures.mp4", [5 + time for time in steady(Fraction(10), 3)])
    text = tmp_path / "text.srt"
    text.write_text("1\n00:00:06,000 --> 00:00:07,500\nstir <i>it</i>\nslowly\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    with av.open(str(pictures)) as video, av.open(str(text)) as words, av.open(str(folder / "a.mkv"), "w") as both:
        streams = [both.add_stream_from_template(file.streams[0]) for file in (video, words)]
        if language:
            streams[1].metadata["language"] = language
        for file, stream in zip((video, words), streams, strict=True):
            for packet in file.demux():
                if packet.size:
                    packet.stream = stream
                    both.mux(packet)
    track = source(folder).captions("a")
    assert track.status == status
    if status == "ok":
        assert track.lines == (CaptionLine(1.0, 2.5, "stir it slowly"),)  # times count from the start of the file


def test_the_length_of_the_file_counts_where_the_info_file_rounds(tmp_path: Path) -> None:
    numbered(tmp_path / "a.mp4", steady(Fraction(10), 3)[:26])
    (tmp_path / "a.info.json").write_text(json.dumps({"title": "Fold", "duration": 2}))
    (found,) = source(tmp_path).search("fold", 1)
    assert found.duration_s == pytest.approx(2.6, abs=0.1)


def test_what_is_no_file_is_listed_and_read_by_nobody(tmp_path: Path) -> None:
    video(tmp_path, "a", {"title": "A"})
    os.mkfifo(tmp_path / "b.info.json")
    os.mkfifo(tmp_path / "a.en.json3")
    (tmp_path / "b.mp4").symlink_to("gone.mp4")
    (tmp_path / ".b.mp4").write_bytes(b"x")
    (tmp_path / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"x")
    read = source(tmp_path)
    assert read.version() and read.captions("a").status == "ok"
    assert [(problem.name, problem.problem) for problem in read.problems()] == [
        (".b.mp4", "a hidden file"),
        ("a.en.json3", "a pipe, socket or device, not a file"),
        ("b.info.json", "a pipe, socket or device, not a file"),
        ("b.mp4", "a link to a file that is not there"),
        ("caf\\xe9.mp4", "its name is not UTF-8; rename it"),
    ]


def test_an_info_file_in_another_encoding_keeps_what_can_be_read(tmp_path: Path) -> None:
    video(tmp_path, "a")
    video(tmp_path, "b")
    (tmp_path / "a.info.json").write_bytes('{"title": "Käse", "view_count": 7}'.encode("latin-1"))
    (tmp_path / "b.info.json").write_bytes('{"title": "Käse", "view_count": 8}'.encode("utf-16"))
    read = source(tmp_path)
    assert [(read.metadata(name).title, read.metadata(name).view_count) for name in "ab"] == [
        ("K\ufffdse", 7),
        ("Käse", 8),
    ]
    assert [(problem.name, problem.problem[:23]) for problem in read.problems()] == [
        ("a.info.json", "not in UTF-8 at byte 12")
    ]
