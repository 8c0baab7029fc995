"""Every caption format gives the same lines; what cannot be used is named."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.captions.cues import CaptionError
from assets.captions.readers import FORMATS, LARGEST_BYTES, read_captions
from assets.captions.segments import resolve_overlaps
from assets.captions.tracks import CaptionLine
from tests.assets.captions import youtube_formats as youtube
from tests.assets.captions.youtube_formats import Said

SAMPLE = [
    Said(919, 5121, ((0, "hello"), (240, "and"), (500, "welcome"))),
    Said(3040, 5000, ((0, "back"), (310, "to"), (480, "it's"), (700, "<my>"), (900, "&"), (1000, "co"))),
    Said(6040, 2000, ((0, "yes"),)),
    Said(7000, 1500, ((0, "yes"),)),
    Said(12000, 900, ((0, "yes"),)),
]


def cut(lines: tuple[CaptionLine, ...]) -> list[tuple[float, float, str]]:
    """The lines as they follow each other."""
    rows = [("s", "v", i, line.start_s, line.end_s, line.text, None, None) for i, line in enumerate(lines)]
    names = ("shard", "video_id", "line_index", "start_s", "end_s", "text", "word_starts_s", "duration_s")
    types = (pl.String, pl.String, pl.Int64, pl.Float64, pl.Float64, pl.String, pl.List(pl.Float64), pl.Float64)
    frame = pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")
    return resolve_overlaps(frame).select("start_s", "end_s", "text").rows()


letters = st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="<>&{}[]\\\ufeff")
words = st.text(letters, min_size=1, max_size=6).filter(lambda word: word.split() == [word] and "-->" not in word)


@st.composite
def recognised(draw: st.DrawFn) -> list[Said]:
    """A recognised track: every line stays on screen until the one after the next starts, or for less."""
    gaps = draw(st.lists(st.integers(100, 4000), min_size=1, max_size=8))
    starts = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    said = draw(st.sampled_from([["yes", "no"], None]))
    one = words if said is None else st.sampled_from(said)
    track = []
    for index, start in enumerate(starts):
        after_next = starts[index + 2] if index + 2 < len(starts) else start + 5000
        duration = draw(st.sampled_from([after_next - start, 90]))
        spoken = draw(st.lists(one, min_size=1, max_size=4))
        track.append(Said(start, duration, tuple((7 * i, word) for i, word in enumerate(spoken))))
    return track


@settings(deadline=None)
@given(recognised())
@example(SAMPLE)
@example([Said(100, 200, ((0, "yes"),)), Said(200, 90, ((0, "yes"),)), Said(300, 5000, ((0, "yes"),))])
def test_all_formats_of_a_recognised_track_say_the_same(track: list[Said]) -> None:
    spoken = cut(read_captions(youtube.json3(track), "json3").lines)
    assert [text for _, _, text in spoken] == [line.text for line in track]
    for format in ("srv1", "srv3", "vtt", "srt", "ttml"):
        read = read_captions(getattr(youtube, format)(track), format)
        assert read.problems == ()
        assert cut(read.lines) == spoken, format


@settings(deadline=None)
@given(recognised())
@example(SAMPLE)
def test_word_times_are_the_same_in_all_formats_that_have_them(track: list[Said]) -> None:
    timed = [tuple(((line.start_ms + offset) / 1000, word) for offset, word in line.words) for line in track]
    for format in ("json3", "srv3"):
        assert [line.words for line in read_captions(getattr(youtube, format)(track), format).lines] == timed
    from_vtt = [line.words for line in read_captions(youtube.vtt(track), "vtt").lines]
    # A line of one word has no time stamp between words, so WebVTT cannot say that it was timed.
    assert from_vtt == [words if len(words) > 1 else () for words in timed]


def test_published_forms_of_one_video() -> None:
    lists = json.dumps({"start": [0, 2.5], "end": [6.0, 4], "text": ["evening stroll", "music, please"]}).encode()
    table = b'start,end,text\r\n0,6.0,evening stroll\r\n2.5,4,"music, please"\r\n'
    expected = (CaptionLine(0.0, 6.0, "evening stroll"), CaptionLine(2.5, 4.0, "music, please"))
    assert read_captions(lists, "json").lines == read_captions(table, "csv").lines == expected


@pytest.mark.parametrize(
    ("format", "data", "message"),
    [
        ("json3", b'{"events": [', "json3 captions: not JSON"),
        ("json3", b"[]", "no list 'events'"),
        ("srv1", b"", "empty file"),
        ("srv1", b"<transcript><text", "not XML"),
        ("srv3", b"<html/>", "its root element is <html>, not <timedtext>"),
        ("ttml", b'<!DOCTYPE t [<!ENTITY a "b">]><tt>&a;</tt>', "declares entities"),
        ("vtt", b"", "empty file"),
        ("vtt", b"1\n00:01.000 --> 00:02.000\na\n", "does not start with WEBVTT"),
        ("vtt", "WEBVTT ü".encode("latin-1"), "not UTF-8"),
        ("srt", b"just text", "no timing line"),
        ("json", b'{"start": [1], "end": [2, 3], "text": []}', "1 starts, 2 ends and 0 texts"),
        ("csv", b"video,text\n", "its header is 'video,text', not start,end,text"),
        ("ttml", b'<tt xmlns:p="http://www.w3.org/ns/ttml#parameter" p:tickRate="0x"/>', "rates .* are broken"),
        ("json", b"[" * 100_000, "not JSON"),
        ("sup", b"", "no reader for the format 'sup'"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(format: str, data: bytes, message: str) -> None:
    with pytest.raises(CaptionError, match=message):
        read_captions(data, format)


@pytest.mark.parametrize(
    ("format", "data", "problem"),
    [
        (
            "json3",
            b'{"events": [{"tStartMs": "x", "segs": []},'
            b' {"tStartMs": 0, "dDurationMs": 1000, "segs": [{"utf8": "a"}]}]}',
            ("event 0", "tStartMs is 'x'"),
        ),
        ("srv1", b'<transcript><text dur="1"/><text start="0" dur="1">a</text></transcript>', ("<text> 0", "start")),
        ("srv3", b'<timedtext><p t="0" d="1000">a</p><p t="9" d="-8">b</p></timedtext>', ("<p> 1", "ends at")),
        ("ttml", b'<tt><body><div><p begin="0s" end="1s">a</p><p begin="x">b</p></div></body></tt>', ("<p> 1", "'x'")),
        ("vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\na\n\n00:xx --> 00:02.000\nb\n", ("line 6", "not a timing")),
        ("srt", b"stray\n\n1\n00:00:00,000 --> 00:00:01,000\na\n", ("line 1", "no timing above: stray")),
        ("srt", b"1\n00:00:00,0 --> 00:00:01,0\na\n2\n00:00:07,0 --> 00:00:06,0\nb\n", ("line 5", "ends at 6 s")),
        ("json", b'{"start": [0, null], "end": [1, 2], "text": ["a", "b"]}', ("line 1", "start is null")),
        ("csv", b"start,end,text\n0,1,a\n1,b\n", ("line 1", "2 fields instead of 3")),
        ("csv", b"start,end,text\n0,1,a\nnan,2,b\n", ("line 1", "start is nan")),
        (
            "json",
            b'{"start": [0, %d], "end": [1, 2], "text": ["a", "b"]}' % 10**400,
            ("line 1", "start is an integer of 1,329 bits"),
        ),
        (
            "srv1",
            b'<transcript><text start="0" dur="1">a</text><text start="1e999999">b</text></transcript>',
            ("1", ""),
        ),
        ("vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\na\n\n9999999:00:00.000 --> 1:00\nb\n", ("line 6", "not a timing")),
    ],
)
def test_a_broken_cue_is_named_and_the_others_stay(format: str, data: bytes, problem: tuple[str, str]) -> None:
    read = read_captions(data, format)
    assert [(line.start_s, line.end_s, line.text) for line in read.lines] == [(0.0, 1.0, "a")]
    (found,) = read.problems
    assert problem[0] in found.name and problem[1] in found.problem


HEADERS = (
    b"",
    b"WEBVTT\n",
    b"start,end,text\n",
    b"\xff\xfe",
    b"[Events]\nDialogue: 0,",
    b"<SYNC Start=5>",
    b"{1}{1}25\n{7}{9}",
)
PIECES = (
    *(
        "00:00:01,000",
        "0:00:02.5",
        "75:99",
        " --> ",
        "->",
        ",",
        "\n",
        "\n\n",
        "7",
        "<",
        ">",
        "&",
        "amp;",
        "{",
        "}",
        "\\p1",
    ),
    *("<c>", "[br]", "<SYNC Start=1>", "<P Class=ENCC>", '{"events": [', '{"tStartMs": 1e400', ', "segs": []}', "]}"),
    *("<tt>", "<body>", '<p begin="1s">', "</p>", "</body>", "</tt>", "<transcript>", "<timedtext>", "\ud83d", "\0"),
    *(
        "Dialogue: 0,0:00:01.00,0:00:02.00,,,0,0,0,,stir",
        "{5}{9}",
        "stir it",
        '<p t="5" d="NaN" w="1"><s ac="0">x</s></p>',
    ),
)
contents = st.binary(max_size=60) | st.lists(st.sampled_from(PIECES) | st.text(max_size=9), max_size=12).map(
    lambda pieces: "".join(pieces).encode("utf-8", "surrogatepass")
)


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(sorted(FORMATS)), st.sampled_from(HEADERS), contents)
def test_any_bytes_are_lines_or_a_named_problem(format: str, header: bytes, data: bytes) -> None:
    try:
        read = read_captions(header + data, format)
    except CaptionError as error:
        assert str(error).startswith(f"{format} captions: ")
        return
    for line in read.lines:
        assert 0 <= line.start_s < line.end_s < 1e8 and line.text == " ".join(line.text.split()) != ""
        assert line.text.encode() and [word for _, word in line.words] in ([], line.text.split())
    assert all(
        problem.name.startswith(f"{format} captions: ") and problem.problem.encode() for problem in read.problems
    )


@pytest.mark.parametrize(
    ("format", "data"),
    [
        ("vtt", b"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n" + b"a\n" * 100_000),
        ("vtt", b"WEBVTT\n\n" + b"00:00:01.000 --> 00:00:02.000\n" + b"<00:00:01.000>a" * 50_000),
        ("srt", b"00:00:01 " + b">" * 1_000_000 + b" 00:00:02\n00:00:01 --> 00:00:02\na\n"),
        ("srt", b"00:00:01 --> 00:00:02\n" + b"&amp;" * 200_000 + b"<font " * 200_000),
        ("srv3", b'<timedtext><p t="0" d="1000">a</p>' + b"<p>" * 50_000 + b"</p>" * 50_000 + b"</timedtext>"),
        ("ttml", b"<tt><body>" + b"<div>" * 50_000 + b"</div>" * 50_000 + b"</body></tt>"),
        ("smi", b"<SYNC Start=1000><P>a" + b"<SYNC Start=1><p class" * 40_000),
        ("ass", b"Dialogue: 0,0:00:01.00,0:00:02.00,,,0,0,0,,a" + b"{" * 500_000),
        ("sub", b"{1}{1}25\n{25}{50}a\n{25}{50}" + b"{y:b" * 200_000),
        ("json3", b'{"events": ' + b"[" * 500_000),
    ],
)
def test_hostile_files_take_linear_time(format: str, data: bytes) -> None:
    """A reader that takes quadratic time does not come to an end here."""
    with suppress(CaptionError):
        assert len(read_captions(data, format).lines) <= 2


def test_a_file_too_large_for_captions_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weld.en.vtt"
    with path.open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    with pytest.raises(CaptionError, match=r"^weld\.en\.vtt: larger than 64 MB"):
        read_captions(path)


def test_the_extension_says_the_format(tmp_path: Path) -> None:
    path = tmp_path / "abc.en.json3"
    path.write_bytes(youtube.json3(SAMPLE))
    assert read_captions(path).lines[0].text == "hello and welcome"
    with pytest.raises(CaptionError, match=r"gone.vtt: .*No such file"):
        read_captions(tmp_path / "gone.vtt")
