"""A folder as people have it: what a refresh prints about it is enough to put each odd file right."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import pytest

from assets.captions.fetch import fetch_captions
from assets.lake import Lake, load_tables
from assets.media.files import fetch_files
from assets.sources.folder import FolderSource
from orchestration.left_out import left_out_lines
from tests.videos import numbered, steady

SRT = "1\n00:00:00,500 --> 00:00:02,000\nhold the needle in your left hand\n"
VTT = "WEBVTT\n\n00:00.500 --> 00:02.000\nhold the brush in your left hand\n"
ASS = "[Events]\nDialogue: 0,0:00:00.50,0:00:02.00,Default,,0,0,0,,fold the corner inwards\n"
JSON3 = '{"events": [{"tStartMs": 500, "dDurationMs": 1500, "segs": [{"utf8": "stir it", "acAsrConf": 0}]}]}'
SHARD = "shard-0000"

USED = {
    "weld.mp4": "video",
    "weld.info.json": {"title": "How to weld", "id": "weld"},
    "weld.en.vtt": VTT,
    "How_to_Paint-[-aB3].mp4": "video",
    "How_to_Paint-[-aB3].info.json": {"title": "How to paint", "id": "-aB3"},
    "How_to_Paint-[-aB3].en-orig.json3": JSON3,
    "knit.mp4": "video",
    "knit.info.json": {"title": "How to knit", "language": "en"},
    "knit.srt": SRT,
    "fold.mkv": "video",
    "fold.info.json": {"title": "How to fold"},
    "fold.en.ass": ASS,
    "bake.MP4": "video",
    "bake.info.json": {"title": "How to bake"},
    "bake.EN.VTT": VTT,
}
ODD = {
    "weld.webm": ("x", "same id as weld.mp4, which is used"),
    "sew.f137.mp4": ("x", "an unfinished download: sew is not whole; download it again"),
    "sew.f140.m4a": ("x", "an unfinished download: sew is not whole; download it again"),
    "sew.en.vtt": (VTT, "its video is not whole; download it again"),
    "rm -rf ~.mp4": ("x", "its id is not a safe file name"),
    "fold.de.srt": (SRT, "captions in another language than English: de"),
    "fold.en.stl": (
        "x",
        "in a format that is not read; convert them to WebVTT, e.g. ffmpeg -i fold.en.stl fold.en.vtt",
    ),
    "thumb.webp": ("x", "a picture, not needed"),
    "notes.txt": ("x", "not a video, caption or info file"),
    "gone.mp4": ("link", "a link to a file that is not there"),
    "camera": ("pipe", "a pipe, socket or device, not a file"),
    "more": ("folder", "a folder; files in it are not read"),
    "glue.mp4": ("x", "glue: glue.mp4: Invalid data"),
    "glue.info.json": ('{"title": "Glue \\ud83d", "view_count": NaN}', "view_count: nan is no possible value"),
    "glue.en.srt": ("words, but no times", "glue: glue.en.srt: no timing line"),
}


def make(path: Path, content: object) -> None:
    if content == "video":
        numbered(path.with_suffix(path.suffix.lower()), steady(Fraction(10), 3)).rename(path)
    elif content == "link":
        path.symlink_to("nowhere.mp4")
    elif content == "pipe":
        os.mkfifo(path)
    elif content == "folder":
        path.mkdir()
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def lines(tmp_path: Path) -> list[str]:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name, content in {**USED, **{name: content for name, (content, _) in ODD.items()}}.items():
        make(folder / name, content)
    assert len(list(folder.iterdir())) == 30
    source, tables = FolderSource(folder, ()), load_tables()
    videos = sorted({result.video_id for article in source.articles() for result in source.search(article.title, 9)})
    assert videos == ["-aB3", "bake", "fold", "glue", "knit", "weld"]
    captions, fetches = fetch_captions(source, videos, SHARD)
    assert captions["video_id"].unique().sort().to_list() == ["-aB3", "bake", "fold", "knit", "weld"]
    lake = Lake(tmp_path / "lake")
    problems = ((source.name, problem.name, problem.problem) for problem in source.problems())
    lake.write("source_problems", tables["source_problems"].frame(problems))
    lake.write("caption_fetches", fetches, SHARD)
    lake.write("video_files", fetch_files(source, videos, SHARD, tmp_path / "media"), SHARD)
    printed = left_out_lines(lake, tables)
    lake.close()
    return printed


def test_each_odd_file_of_a_folder_is_named_with_its_reason(lines: list[str]) -> None:
    for name, (_, reason) in ODD.items():
        assert any(name in line and reason in line for line in lines), name
    for name in USED:
        assert not any(line.strip().startswith(f"{name}:") for line in lines), name


def test_videos_that_a_filter_drops_are_counted_with_the_setting(tmp_path: Path) -> None:
    lake, contract = Lake(tmp_path), load_tables()["videos"]
    rows = []
    for video_id, reason in (("weld", None), ("paint", "fewer than 100 words"), ("knit", "fewer than 100 words")):
        facts = {"video_id": video_id, "kept": reason is None, "reason": reason}
        facts |= dict.fromkeys(("task_id", "category_1", "title", "source"), "x") | {"rank": 1, "word_count": 7}
        rows.append(tuple(facts.get(name) for name in contract.column_types))
    lake.write("videos", contract.frame(rows[:1]))
    assert left_out_lines(lake, ["videos"]) == []
    lake.write("videos", contract.frame(rows))
    assert left_out_lines(lake, ["videos"]) == [
        "videos: 1 of 3 kept; dropped: 2 × fewer than 100 words (HOWTO_MIN_WORDS);"
        " all rows: howto sql -c 'FROM videos WHERE NOT kept'"
    ]
    assert left_out_lines(lake, ["clips"]) == []
    lake.close()


def test_many_files_of_one_kind_are_one_line(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    problems = [("folder", f"{i}.webp", "a picture, not needed") for i in range(1000)]
    problems += [("folder", f"cut{i}.mp4.part", f"an unfinished download: cut{i} is not whole") for i in range(6)]
    problems += [("folder", f"{word}.mp4", f"cannot be opened: {word}") for word in ("denied", "lost")]
    lake.write("source_problems", load_tables()["source_problems"].frame(problems))
    assert left_out_lines(lake, ["source_problems"]) == [
        "1,008 not used as they are in the source:",
        "  1,000 × such as 0.webp: a picture, not needed",
        "  6 × such as cut0.mp4.part: an unfinished download: cut0 is not whole",
        "  denied.mp4: cannot be opened: denied",
        "  lost.mp4: cannot be opened: lost",
    ]
    assert left_out_lines(lake, ["clips"]) == []
    lake.close()
