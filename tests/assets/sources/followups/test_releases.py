"""Every follow-up release makes the round trip from its published form; a bad row costs that row, with its reason."""

from __future__ import annotations

import csv
import io
import json
import pickle
import random
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.captions.tracks import ClipCaptions
from assets.sharding import Sharding
from assets.sources.followups.records import ReleaseError
from assets.sources.followups.shards import READERS, ReleaseShards, release_rows, released
from tests.assets.test_mutations import mutated

IDS = ("goodvideo01", "-othervideo", "Goodvideo01")
LISTS = {
    IDS[0]: {"start": [0.5, 4], "end": [4, 9.25], "text": ["rinse the rice", "drain it & wait"]},
    IDS[1]: {"start": [3.0], "end": [5.0], "text": ["naïve café"]},
}
"""Captions of two videos as parallel lists."""
EXPECTED = [
    (IDS[1], 3.0, 5.0, "naïve café"),
    (IDS[0], 0.5, 4.0, "rinse the rice"),
    (IDS[0], 4.0, 9.25, "drain it & wait"),
]


def shards(release: str, path: Path, folder: Path) -> ReleaseShards:
    return ReleaseShards(release, path, folder / "cache", Sharding(3))


def rows_of(read: ReleaseShards) -> list[tuple[Any, ...]]:
    lines = pl.concat([read.lines(shard) for shard in read.sharding.keys])
    return lines.select("video_id", "start_s", "end_s", "text").sort("video_id", "start_s").rows()


def problems_of(read: ReleaseShards) -> list[str]:
    return [f"{each.name}: {each.problem}" for each in read.problems()]


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def saved(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def sentences(path: Path) -> Path:
    path.write_text(json.dumps(LISTS))
    return path


def whisperx(path: Path) -> Path:
    folder = path / "S3_whisperX_large_v2"
    folder.mkdir(parents=True)
    entries = {
        video_id: {
            "segments": [
                dict(zip(("start", "end", "text"), line, strict=True)) for line in zip(*lists.values(), strict=True)
            ]
        }
        for video_id, lists in LISTS.items()
    }
    archive(folder / "video_FE_part1.tar.gz", {f"video_FE_part1/{IDS[0]}.json": json.dumps(entries[IDS[0]]).encode()})
    (folder / f"{IDS[1]}.json").write_text(json.dumps(entries[IDS[1]] | {"language": "fr"}))
    return folder


def howtocaption(path: Path, zipped: bool = False) -> Path:
    entries: dict[str, Any] = {
        video_id: {**lists, "text": [[text] for text in lists["text"]]} for video_id, lists in LISTS.items()
    }
    if zipped:
        entries = {video_id: zlib.compress(json.dumps(entry).encode(), 9) for video_id, entry in entries.items()}
    path.write_bytes(pickle.dumps(entries))
    return path


def howtostep(path: Path) -> Path:
    features = {"features": torch.zeros(2, 4)}
    return archive(
        path, {f"x/{video_id}.pth": saved({"vid": video_id, **lists, **features}) for video_id, lists in LISTS.items()}
    )


FORMS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "sentences": ("htm_sentences", lambda folder: sentences(folder / "sentencified_htm_370k.json")),
    "whisperx": ("htm_whisperx", whisperx),
    "howtocaption": ("howtocaption", lambda folder: howtocaption(folder / "howtocaption.pickle")),
    "howtocaption, zipped": ("howtocaption_grounded", lambda folder: howtocaption(folder / "zipped.pickle", True)),
    "howtostep, one file": ("howtostep", lambda folder: sentences(folder / "howtostep.json")),
    "howtostep, archive": ("howtostep", lambda folder: howtostep(folder / "HowToStep.tar.gz")),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_release_makes_the_round_trip(tmp_path: Path, form: str) -> None:
    release, write = FORMS[form]
    read = shards(release, write(tmp_path), tmp_path)
    assert rows_of(read) == EXPECTED
    assert read.prepare() == {"videos": 2, "lines": 3, "set_aside": 0}
    assert problems_of(read) == []


def test_htm_aa_has_five_seconds_around_each_second(tmp_path: Path) -> None:
    path = tmp_path / "htm_aa_v1.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("vid", "timestamp", "text"),
                (IDS[0], "17", "rinse, then drain"),
                (IDS[1], "1", "two"),
                (IDS[0], "4", "an earlier row of the video, further down"),
                (IDS[0], "4.5", "no whole second"),
                (IDS[0], "9"),
                ("../x", "9", "no id"),
                (IDS[1], "8", "  "),
            ]
        )
    with path.open("ab") as file:
        file.write(b"-othervideo,9,not \xff UTF-8\n")
    read = shards("htm_aa", path, tmp_path)
    assert rows_of(read) == [
        (IDS[1], 0.0, 5.0, "two"),
        (IDS[0], 2.0, 7.0, "an earlier row of the video, further down"),
        (IDS[0], 15.0, 20.0, "rinse, then drain"),
    ]
    assert sorted(problems_of(read)) == [
        "htm_aa_v1.csv: '../x': no id of a video; its captions are left out",
        "htm_aa_v1.csv: -othervideo: line 8: no words",
        "htm_aa_v1.csv: -othervideo: line 9: text is not Unicode (half of a surrogate pair): 'not � UTF-8'",
        "htm_aa_v1.csv: goodvideo01: line 5: timestamp is '4.5'",
        "htm_aa_v1.csv: line 6: 2 fields instead of 3",
    ]


def test_words_without_a_time_begin_where_the_word_before_ends(tmp_path: Path) -> None:
    words = [
        {"word": "add", "start": 1.0, "end": 1.5, "score": 0.9},
        {"word": "2"},
        {"word": "eggs", "start": 2.5, "end": 3},
    ]
    timed = {"start": 1, "end": 3, "text": " add 2 eggs", "words": words}
    other = {"start": 4, "end": 5, "text": "another text", "words": words}
    document = {"segments": [timed, other, "none", {"start": 6, "end": None, "text": "x"}], "word_segments": words}
    (tmp_path / f"{IDS[0]}.json").write_text(json.dumps(document))
    (tmp_path / f"{IDS[1]}.json").write_text('{"segments": [')
    read = shards("htm_whisperx", tmp_path, tmp_path.parent / f"{tmp_path.name}-2")
    lines = pl.concat([read.lines(shard) for shard in read.sharding.keys])
    assert lines["word_starts_s"].to_list() == [[1.0, 1.5, 2.5], None]
    assert [each.split(" (")[0] for each in problems_of(read)] == [
        f"{tmp_path.name}: -othervideo: not JSON",
        f"{tmp_path.name}: goodvideo01: line 2: 'none' instead of an object",
        f"{tmp_path.name}: goodvideo01: line 3: end is null",
    ]


def test_the_unfiltered_captions_keep_their_scores_and_share_clips(tmp_path: Path) -> None:
    entry = {"start": [8, 0], "end": [16, 5], "text": [[("b", 0.25), ("c", 0.5)], [("a", float("nan"))]]}
    odd = {"start": [1], "end": [9], "text": ["no list of captions"]}
    short = {"start": [1], "end": [9, 9], "text": [["x"]]}
    path = tmp_path / "unfiltered.pickle"
    path.write_bytes(pickle.dumps({IDS[0]: entry, IDS[1]: odd, IDS[2]: short, 7: entry}))
    read = shards("howtocaption", path, tmp_path)
    lines = pl.concat([read.lines(shard) for shard in read.sharding.keys])
    assert lines.select("start_s", "text", "score").rows() == [(0.0, "a", None), (8.0, "b", 0.25), (8.0, "c", 0.5)]
    assert problems_of(read) == [
        "unfiltered.pickle: -othervideo: line 0: 'no list of captions' instead of a list of captions",
        "unfiltered.pickle: Goodvideo01: 1 starts, 2 ends and 1 texts",
        "unfiltered.pickle: 7: no id of a video",
    ]


class Attack:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (Path("attacked"), "x"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"a": Attack()}), "could run code"),
        (pickle.dumps({"a": {1, 2}}), "could run code"),
        (pickle.dumps({"a": "b"})[:-1], "cut off"),
        (pickle.dumps({"a": "b" * 300})[:40], "cut off"),
        (pickle.dumps(["a"]), "not a pickle of one dictionary"),
        (b"", "cut off"),
        (b"\x80\x04}u.", "not a pickle of plain data"),
        (b"\x80\x04}\x8e" + b"\xff" * 8, "no caption is as long"),
    ],
)
def test_a_pickle_of_anything_but_plain_data_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pickle").write_bytes(content)
    with pytest.raises(ReleaseError, match=message):
        shards("howtocaption", tmp_path / "x.pickle", tmp_path).prepare()
    assert not (tmp_path / "attacked").exists()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(), PLAIN), st.integers(3, 5))
def test_a_pickle_of_plain_data_is_read_as_python_reads_it(
    tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any], protocol: int
) -> None:
    from assets.sources.followups.plain_pickle import pickled_entries

    path = tmp_path_factory.mktemp("pickle") / "x.pickle"
    shared = {**value, "shared": [value, value]}
    path.write_bytes(pickle.dumps(shared, protocol))
    assert list(pickled_entries(path)) == list(shared.items())


@pytest.mark.parametrize("write", [json.dumps, pickle.dumps])
def test_chapters_end_where_the_next_one_begins(tmp_path: Path, write: Callable[[Any], Any]) -> None:
    entries = {
        IDS[0]: {"chapters": [{"label": "Intro", "time": 0}, {"label": "Rinse", "time": 20}], "duration": 61.5},
        IDS[1]: {
            "chapters": [{"label": "a", "time": 5}, {"label": "b", "time": 5}],
            "duration": 9,
            "more": {"x": {}, "y": {}},
        },
        IDS[2]: {"chapters": "none", "duration": 9},
    }
    written = write(entries)
    path = tmp_path / ("chapters.json" if isinstance(written, str) else "chapters.pkl")
    path.write_bytes(written.encode() if isinstance(written, str) else written)
    read = shards("vidchapters", path, tmp_path)
    assert rows_of(read) == [(IDS[1], 5.0, 9.0, "b"), (IDS[0], 0.0, 20.0, "Intro"), (IDS[0], 20.0, 61.5, "Rinse")]
    assert problems_of(read) == [
        f"{path.name}: -othervideo: line 0: ends at 5 s, having started at 5 s",
        f"{path.name}: Goodvideo01: not an object with the list chapters",
    ]


def test_each_reader_has_a_file_that_it_refuses_or_names(tmp_path: Path) -> None:
    (tmp_path / "damaged.tar.gz").write_bytes(b"\x1f\x8bno archive")
    (tmp_path / "x.json").write_text("[]")
    (tmp_path / "x.csv").write_text("a,b\n")
    for release, name, message in (
        ("htm_sentences", "x.json", "not a JSON object"),
        ("vidchapters", "x.json", "not a JSON object"),
        ("htm_aa", "x.csv", "not vid,timestamp,text"),
    ):
        with pytest.raises(ReleaseError, match=message):
            shards(release, tmp_path / name, tmp_path).prepare()
    for release in ("htm_whisperx", "howtostep"):
        (problem,) = problems_of(shards(release, tmp_path / "damaged.tar.gz", tmp_path))
        assert "the archive is damaged" in problem
    assert set(READERS) >= {"htm_whisperx", "howtostep"}


def test_a_release_is_read_again_only_where_its_file_changed(tmp_path: Path) -> None:
    path = sentences(tmp_path / "s.json")
    read = shards("htm_sentences", path, tmp_path)
    read.prepare()
    before = (read.folder / "summary.json").stat().st_mtime_ns
    shards("htm_sentences", path, tmp_path).prepare()
    assert (read.folder / "summary.json").stat().st_mtime_ns == before
    path.write_text(json.dumps({IDS[0]: LISTS[IDS[0]]}))
    assert shards("htm_sentences", path, tmp_path).prepare()["videos"] == 1
    assert not [each for each in read.folder.parent.iterdir() if each != read.folder]


def test_videos_of_the_lake_get_their_rows_and_their_outcome(tmp_path: Path) -> None:
    entries = {**LISTS, "brokenvideo": {"start": [1], "end": [0], "text": ["backwards"]}}
    path = tmp_path / "s.json"
    path.write_text(json.dumps(entries))
    read = ReleaseShards("htm_sentences", path, tmp_path / "cache", Sharding(1))
    captions, tracks = release_rows(read, [IDS[0], "brokenvideo", "elsewhere01"], "shard-0000")
    assert captions.select("video_id", "line_index", "start_s").rows() == [(IDS[0], 0, 0.5), (IDS[0], 1, 4.0)]
    assert tracks.select("video_id", "status", "lines", "word_count", "set_aside").rows() == [
        ("brokenvideo", "failed", 0, 0, 1),
        ("elsewhere01", "no_captions", 0, 0, 0),
        (IDS[0], "ok", 2, 6, 0),
    ]
    source = released(ClipCaptions("htm_sentences", path), tmp_path / "cache", Sharding(1))
    assert source is not None
    track = source.captions(IDS[0])
    assert (track.status, track.source, track.language) == ("ok", "htm_sentences", "en")
    assert [line.text for line in track.lines] == LISTS[IDS[0]]["text"]
    assert source.captions("elsewhere01").status == "no_captions"
    assert source.captions("brokenvideo").error == "1 entries set aside, as line 0: ends at 0 s, having started at 1 s"


GOOD = json.dumps(LISTS[IDS[0]])
CHAPTERS = b'{"chapters": [{"label": "Intro", "time": 0}], "duration": 61.5}'
FIRST = b'"%s": ' % IDS[0].encode()
DAMAGED: dict[str, tuple[str, str, Callable[[bytes], bytes]]] = {
    "sentences": (
        "htm_sentences",
        "s.json",
        lambda odd: b'{"%s": %s, "odd": %s}' % (IDS[0].encode(), GOOD.encode(), odd),
    ),
    "seconds": ("htm_aa", "a.csv", lambda odd: b"vid,timestamp,text\n%s,1,x\n%s\n" % (IDS[0].encode(), odd)),
    "chapters": ("vidchapters", "c.json", lambda odd: b'{%s%s, "odd": %s}' % (FIRST, CHAPTERS, odd)),
    "transcript": ("htm_whisperx", "odd.json", lambda odd: odd),
    "steps": ("howtostep", "odd.json", lambda odd: odd),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_entry_costs_itself_alone(tmp_path: Path, kind: str) -> None:
    release, name, around = DAMAGED[kind]
    rng = random.Random(kind)
    segment = '{"start": 1, "end": 2, "text": " add 2", "words": [{"word": "add", "start": 1}, {"word": "2"}]}'
    entries = {
        "seconds": b"oddvideo001,17,stir",
        "chapters": CHAPTERS,
        "transcript": f'{{"segments": [{segment}], "language": "en"}}'.encode(),
    }
    for number in range(40):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_bytes(around(mutated(entries.get(kind, GOOD.encode()), rng)))
        path = folder if kind in ("transcript", "steps") else folder / name
        read = ReleaseShards(release, path, tmp_path / f"cache {number}", Sharding(1))
        lines = read.lines("shard-0000")
        if kind in ("sentences", "seconds", "chapters"):
            assert IDS[0] in set(lines["video_id"])
        assert (lines["end_s"] > lines["start_s"]).all()
        assert all(each.encode() for each in problems_of(read))


def test_a_damaged_pickle_is_refused_or_read(tmp_path: Path) -> None:
    rng = random.Random(0)
    content = howtocaption(tmp_path / "whole.pickle").read_bytes()
    refused = 0
    for number in range(150):
        path = tmp_path / f"{number}.pickle"
        path.write_bytes(mutated(content, rng))
        try:
            ReleaseShards("howtocaption", path, tmp_path / "cache", Sharding(1)).prepare()
        except ReleaseError:
            refused += 1
    assert refused > 50
