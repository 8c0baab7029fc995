"""Seeded mutations of files of every kind: each is read or named, and none costs another item."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from assets.captions.cues import CaptionError
from assets.captions.readers import read_captions
from assets.sources.folder import FolderSource
from assets.sources.howto100m_release.source import HowTo100MRelease
from tests.assets.captions import youtube_formats as youtube
from tests.assets.captions.test_readers import SAMPLE
from tests.assets.captions.test_subtitle_files import ASS, SAMI

TOKENS = (
    *(
        b"NaN",
        b"Infinity",
        b"1e400",
        b"-1",
        b"9" * 30,
        b"9" * 5000,
        b"null",
        b"true",
        b'""',
        b"\\ud83d",
        b"\xed\xa0\x80",
    ),
    *(b"\xff", b"\0", b'"', b"{", b"}", b"[", b"]", b"<", b">", b"&", b"\n\n", b"-->", b":", b",", b"\xef\xbf\xbe"),
)
LISTS = {"start": [0, 1], "end": [1, 2], "text": ["stir", "pour"]}
CAPTIONS = {
    **{format: getattr(youtube, format)(SAMPLE) for format in ("json3", "srv1", "srv3", "vtt", "srt", "ttml")},
    "ass": ASS.encode(),
    "smi": SAMI.encode(),
    "sub": b"{1}{1}25\n{25}{50}stir|it\n{60}{80}pour\n",
    "sbv": b"0:00:01.000,0:00:02.000\nstir\n\n0:00:03.000,0:00:04.000\npour\n",
    "csv": b"start,end,text\n0,1,stir\n1,2,pour\n",
    "json": json.dumps(LISTS).encode(),
}
INFO = {
    "id": "odd",
    "title": "How to stir",
    "duration": 5,
    "view_count": 7,
    "language": "en",
    "tags": ["soup"],
    "categories": ["Health"],
    "subtitles": {"en": [{"url": "https://example.org/?lang=en", "ext": "vtt"}]},
    "automatic_captions": {"de": [{"url": "https://example.org/?lang=en&tlang=de", "ext": "vtt"}]},
}


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The content with one to four bytes, runs or tokens changed, removed, inserted or repeated."""
    odd = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(odd) + 1), rng.randint(1, 20)
        change = rng.randrange(5)
        if change == 0:
            odd[at : at + 1] = bytes([rng.randrange(256)])
        elif change == 1:
            del odd[at : at + length]
        elif change == 2:
            odd[at : at + rng.choice((0, length))] = rng.choice(TOKENS)
        elif change == 3:
            odd[at:at] = odd[at // 2 : at // 2 + 50]
        else:
            del odd[at:]
    return bytes(odd)


@pytest.mark.parametrize("format", CAPTIONS)
def test_caption_files(format: str) -> None:
    rng = random.Random(format)
    for _ in range(60):
        try:
            read = read_captions(mutated(CAPTIONS[format], rng), format)
        except CaptionError as error:
            assert str(error).startswith(f"{format} captions: ") and str(error).encode()
            continue
        for line in read.lines:
            assert 0 <= line.start_s < line.end_s and line.text.encode()
            assert [word for _, word in line.words] in ([], line.text.split())
        assert all(found.name.startswith(f"{format} captions: ") and found.problem.encode() for found in read.problems)


def test_info_and_caption_files_of_a_folder(tmp_path: Path) -> None:
    rng = random.Random(1)
    for name in ("good", "odd"):
        (tmp_path / f"{name}.mp4").write_bytes(b"x")
    (tmp_path / "good.info.json").write_text('{"title": "How to pour"}')
    (tmp_path / "good.en.vtt").write_bytes(CAPTIONS["vtt"])
    for _ in range(150):
        (tmp_path / "odd.info.json").write_bytes(mutated(json.dumps(INFO).encode(), rng))
        (tmp_path / "odd.en.vtt").write_bytes(mutated(CAPTIONS["vtt"], rng))
        source = FolderSource(tmp_path, ())
        videos = [result.video_id for title in source.articles() for result in source.search(title.title, 9)]
        assert "good" in videos and "pour" in {article.title for article in source.articles()}
        assert all(source.metadata(video).status == "ok" for video in videos)
        assert source.captions("good").status == "ok"
        assert all(repr(source.captions(video)).encode() for video in videos)
        assert all(found.name.startswith("odd.") for found in source.problems())


@pytest.mark.parametrize("file", ["HowTo100M_v1.csv", "task_ids.csv", "raw_caption.json"])
def test_files_of_a_release(tmp_path: Path, file: str) -> None:
    rng = random.Random(file)
    entry = json.dumps(LISTS).encode()
    for number in range(50):
        odd = {
            "HowTo100M_v1.csv": b"oddvideo001,Health,,2,7",
            "task_ids.csv": b"8\tMake Tea",
            "raw_caption.json": b'"oddvideo001": ' + entry,
        }
        odd[file] = mutated(odd[file], rng)
        good = {
            "HowTo100M_v1.csv": b"video_id,category_1,category_2,rank,task_id\ngoodvideo01,Health,,1,7\n%s\n",
            "task_ids.csv": b"7\tMake Kimchi\n%s\n",
            "raw_caption.json": b'{"goodvideo01": ' + entry + b", %s}",
        }
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in good.items():
            (folder / name).write_bytes(content.replace(b"%s", odd[name]))
        source = HowTo100MRelease(folder, folder / "cache")
        assert "goodvideo01" in [result.video_id for result in source.search("how to make kimchi", 9)]
        _, fetches = source.caption_rows(["goodvideo01", "oddvideo001"], "shard-0000")
        assert fetches["status"][0] == source.captions("goodvideo01").status == "ok"
        assert all(found.problem.encode() for found in source.problems())
