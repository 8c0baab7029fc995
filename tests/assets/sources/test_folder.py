"""A folder of real videos as a source: what it answers, and what it says of files that it cannot use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assets.captions.tracks import CaptionLine
from assets.outcomes import SourceError
from assets.sources.folder import FolderSource
from assets.tasks.categories import WIKIHOW_CATEGORIES

VTT = "WEBVTT\n\n00:01.000 --> 00:03.500\nClick the <b>Show</b> icon &amp; wait.\n"


def video(folder: Path, video_id: str, info: object = None, vtt: str | None = VTT) -> None:
    (folder / f"{video_id}.webm").write_bytes(b"not looked into here")
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
