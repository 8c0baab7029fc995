"""Rolling boxes are recognised by the rows that they take over, and each line is read once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from assets.captions.readers import read_captions
from tests.assets.captions.youtube_formats import clock

LINES = ("warm the milk", "add the yeast", "knead it well", "let it rise", "shape the loaf", "bake it")


def rolling(lines: list[str], settling_ms: int, rows: int) -> bytes:
    """A box that shows each line at its bottom for 700 ms, settles, and holds ``rows`` lines."""
    cues, start = [], 1000
    for index, line in enumerate(lines):
        above = lines[max(index - rows + 1, 0) : index]
        for duration, shown in ((700, [*above, line]), (settling_ms, [*above, line, " "][-rows:])):
            cues.append(f"{clock(start)} --> {clock(start + duration)} align:start\n" + "\n".join(shown) + "\n")
            start += duration
    return ("WEBVTT\n\n" + "\n".join(cues)).encode()


@settings(deadline=None)
@given(st.lists(st.sampled_from(LINES), min_size=2, max_size=6, unique=True), st.integers(10, 900), st.integers(2, 4))
def test_each_line_of_a_rolling_box_is_read_once(lines: list[str], settling_ms: int, rows: int) -> None:
    read = read_captions(rolling(lines, settling_ms, rows), "vtt").lines
    assert [line.text for line in read] == lines
    assert [round(1000 * line.start_s) for line in read] == [1000 + i * (700 + settling_ms) for i in range(len(lines))]


def test_a_line_that_loses_its_word_times_is_the_same_line() -> None:
    cues = """WEBVTT

00:01.000 --> 00:01.900
fill<00:01.300><c> the</c><00:01.500><c> pot</c>

00:01.900 --> 00:02.300
fill the pot

00:09.000 --> 00:09.900
boil<00:09.300><c> it</c>
"""
    assert [(line.end_s, line.text) for line in read_captions(cues.encode(), "vtt").lines] == [
        (2.3, "fill the pot"),
        (9.9, "boil it"),
    ]


def test_a_box_without_cues_that_settle_it_is_known_too() -> None:
    shown = [
        "warm the milk",
        "warm the milk\nadd the yeast",
        "add the yeast\nknead it well",
        "knead it well\nlet it rise",
    ]
    cues = "\n".join(f"{clock(1000 * i)} --> {clock(1000 * (i + 1))}\n{text}\n" for i, text in enumerate(shown))
    read = read_captions(cues.replace(".", ",").encode(), "srt").lines
    assert [line.text for line in read] == ["warm the milk", "add the yeast", "knead it well", "let it rise"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["- Yes.", "- No.", "Again.", "And\nagain."]), min_size=1, max_size=8))
def test_lines_that_people_repeat_stay_as_they_are(said: list[str]) -> None:
    cues = "\n".join(f"{clock(1000 * i)} --> {clock(1000 * (i + 1))}\n{text}\n" for i, text in enumerate(said))
    read = read_captions(f"WEBVTT\n\n{cues}".encode(), "vtt").lines
    assert [line.text for line in read] == [" ".join(text.split()) for text in said]
