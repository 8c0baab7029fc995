"""WebVTT and SubRip as people and programs write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.captions.cues import reading_time
from assets.captions.readers import read_captions


def lines(text: str | bytes, format: str = "srt") -> list[tuple[float, float, str]]:
    data = text.encode() if isinstance(text, str) else text
    return [(line.start_s, line.end_s, line.text) for line in read_captions(data, format).lines]


@pytest.mark.parametrize(
    "timing",
    [
        "00:01:05,500 --> 00:01:07,000",
        "00:01:05.5 --> 00:01:07",
        "1:05.500000 --> 1:07.000 align:start",
        "00:01:05,500 -> 00:01:07,000",
        "00:01:05,500 —> 00:01:07,000",
        "00:01:05,500 → 00:01:07,000",
        "00:01:05,500==>00:01:07,000",
        "00:01:05,500 -- > 00:01:07,000",
        "00:01:05:500 --> 00:01:07:000",
        "0:01:05.500,0:01:07.000",
        "00:01:05,500 - 00:01:07,000",
        "00:01:05,500 ➡ 00:01:07,000",
        "00:01:05,500 / 00:01:07,000",
        "1:05.5 ~> 1:07.0",
    ],
)
def test_timings_in_all_their_forms(timing: str) -> None:
    text = f"1\n00:00:01,000 --> 00:00:02,000\nscore the clay\n\n2\n{timing}\njoin the parts\n"
    assert lines(text) == [(1.0, 2.0, "score the clay"), (65.5, 67.0, "join the parts")]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("00:05, 00:06", "a row of clock times is no text"),
        ("00:00:05", "a row of clock times is no text"),
        ("00:00:0x --> 00:00:07,000", "not a timing"),
        ("3 00:00:05,000 -> 00:00:0", "not a timing"),
    ],
)
def test_clock_times_never_become_speech(row: str, problem: str) -> None:
    read = read_captions(f"1\n00:00:01,000 --> 00:00:02,000\nscore the clay\n{row}\n".encode(), "srt")
    assert [line.text for line in read.lines] == ["score the clay"]
    assert [(found.name, found.problem) for found in read.problems] == [("srt captions: line 4", f"{problem}: {row}")]


def test_a_broken_timing_is_named_with_its_text() -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:02,000\nscore it\n\n"
        "2\n00:00:05,000 | until 00:00:06\njoin it\n\n3\n00:00:07 until 00:00:08\nfire it\n"
    )
    read = read_captions(text.encode(), "srt")
    assert [line.text for line in read.lines] == ["score it"]
    assert [found.problem for found in read.problems] == [
        "not a timing: 00:00:05,000 | until 00:00:06 / join it",
        "not a timing: 00:00:07 until 00:00:08 / fire it",
    ]


def test_a_time_of_day_in_a_text_is_speech() -> None:
    assert lines("00:01.000 --> 00:02.000\nwe start at\n5:30 today\n") == [(1.0, 2.0, "we start at 5:30 today")]
    assert lines("00:01.000 --> 00:02.000\nwe start at\n5:30\n") == [(1.0, 2.0, "we start at 5:30")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_the_encoding_is_known_by_the_first_bytes(encoding: str) -> None:
    text = "WEBVTT\r\n\r\n00:01.000 --> 00:02.000\r\ncrème brûlée\r\n"
    assert lines(text.encode(encoding), "vtt") == [(1.0, 2.0, "crème brûlée")]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("salt &amp;amp; pepper", "salt & pepper"),
        ("&lt;b&gt;salt&lt;/b&gt; it&amp;#39;s &amp;lt;i&amp;gt;hot&amp;lt;/i&amp;gt;", "salt it's hot"),
        ('&lt;font color="#CCCCCC"&gt;salt&lt;/font&gt;', "salt"),
        ("salt&lt;br&gt;pepper", "salt pepper"),
        ("less than &lt;5 grams&gt;", "less than <5 grams>"),
    ],
)
def test_markup_is_no_speech_however_often_it_was_escaped(written: str, said: str) -> None:
    assert lines(f"WEBVTT\n\n00:01.000 --> 00:02.000\n{written}\n", "vtt") == [(1.0, 2.0, said)]


def test_markup_between_timed_words_takes_no_time() -> None:
    row = "add<00:00:01.200> &lt;i&gt;the<00:00:01.400> salt&lt;/i&gt;"
    (line,) = read_captions(f"WEBVTT\n\n00:01.000 --> 00:02.000\n{row}\n".encode(), "vtt").lines
    assert line.words == ((1.0, "add"), (1.2, "the"), (1.4, "salt"))


@given(st.integers(1, 40), st.integers(1, 600_000))
def test_a_cue_of_no_length_ends_by_its_words(words: int, gap_ms: int) -> None:
    text = " ".join(["stir"] * words)
    data = b'<transcript><text start="3" dur="0">%s</text><text start="%.3f" dur="1">done</text></transcript>'
    (first, _) = read_captions(data % (text.encode(), 3 + gap_ms / 1000), "srv1").lines
    assert first.end_s - 3 == pytest.approx(min(gap_ms / 1000, reading_time(text)))
    assert reading_time(text) <= 10
