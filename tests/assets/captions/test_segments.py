"""From caption lines to clips: marks, overlaps, sentences."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.captions.marks import speech, speech_with_times
from assets.captions.segments import clips, dropped, resolve_overlaps
from assets.captions.sentences import MissingExtraError, Segmentation, ends_by_pieces, segmented
from assets.lake import load_tables

VIDEOS = pl.DataFrame({"video_id": ["v"]}).with_columns(duration_s=pl.lit(None, pl.Float64))
FETCHES = pl.DataFrame({"video_id": ["v"], "source": ["asr"], "language": ["en"], "language_probability": [None]})

Line = tuple[float, float, str] | tuple[float, float, str, list[float]]


def lines(*rows: Line) -> pl.DataFrame:
    """Rows of ``captions`` for one video: start, end, text and perhaps the words' starts."""
    padded = [(*row, None)[:4] for row in rows]
    return load_tables()["captions"].frame(("shard-0000", "v", i, *row) for i, row in enumerate(padded))


def with_duration(frame: pl.DataFrame, duration_s: float | None = None) -> pl.DataFrame:
    return frame.with_columns(duration_s=pl.lit(duration_s, pl.Float64))


def made(frame: pl.DataFrame, segmentation: Segmentation | None = None) -> pl.DataFrame:
    return clips(frame, VIDEOS, FETCHES, segmentation or Segmentation())


def test_a_line_ends_where_the_next_one_starts() -> None:
    rolling = lines((0.0, 6.0, "now stir the bowl"), (3.0, 9.0, "and pour it"), (6.0, 12.0, "done"))
    cut = resolve_overlaps(with_duration(rolling, 8.0)).select("start_s", "end_s", "text").rows()
    assert cut == [(0.0, 3.0, "now stir the bowl"), (3.0, 6.0, "and pour it"), (6.0, 8.0, "done")]


def test_captions_that_are_no_speech_may_overlap_and_share_a_start() -> None:
    """Captions of a release such as HowToCaption keep their own windows, whatever the segmentation of speech is."""
    written = FETCHES.with_columns(source=pl.lit("howtocaption"))
    frame = lines((4.0, 12.0, "she dices an onion"), (0.0, 8.0, "she peels it"), (0.0, 8.0, "an onion is peeled"))
    of_eight = VIDEOS.with_columns(duration_s=pl.lit(10.0))
    found = clips(frame, of_eight, written, Segmentation("pauses"))
    assert found.select("clip_index", "start_s", "end_s", "caption").rows() == [
        (0, 0.0, 8.0, "she peels it"),
        (1, 0.0, 8.0, "an onion is peeled"),
        (2, 4.0, 10.0, "she dices an onion"),
    ]
    assert set(found["caption_source"]) == {"howtocaption"}


def test_lines_of_the_same_start_are_one_line_with_equal_texts_once() -> None:
    both = lines(
        (1.0, 2.0, "stir", [1.0]),
        (1.0, 3.0, "pour", [1.5]),
        (1.0, 1.5, "stir", [1.0]),
        (5.0, 6.0, "a", [5.0]),
        (5.0, 6.0, "b"),
    )
    assert resolve_overlaps(with_duration(both)).select("end_s", "text", "word_starts_s").rows() == [
        (3.0, "stir pour", [1.0, 1.5]),
        (6.0, "a b", None),
    ]


def test_clips_are_numbered_cleaned_and_name_their_track() -> None:
    found = made(lines((2.0, 4.0, "Now you stir the red bowl"), (0.0, 2.0, ">> hello", [0.5, 0.7])))
    assert found.columns == list(load_tables()["clips"].column_types)
    assert found.select("clip_index", "start_s", "caption", "word_count", "word_starts_s").rows() == [
        (0, 0.0, "hello", 1, [0.7]),
        (1, 2.0, "Now you stir the red bowl", 6, None),
    ]
    assert found["caption_clean"].to_list()[1] == "stir red bowl"
    assert found.select("caption_source", "language", "sentence_index").unique().rows() == [("asr", "en", None)]


def test_every_line_that_becomes_no_clip_has_a_reason() -> None:
    captions = lines((0, 1, "stir"), (1, 2, "[Music]"), (2, 3, "..."), (4, 4, "pour"), (9, 12, "late"), (3, 5, "bowl"))
    reasons = dropped(with_duration(captions, 9.0)).select("line_index", "reason").rows()
    assert reasons == [
        (1, "nothing but sound tags and speaker marks"),
        (2, "no words"),
        (3, "ends before it starts"),
        (4, "starts after the end of the video"),
    ]


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("[Music] stir [ __ ] it", "stir it"),
        ("(upbeat music) stir (two) cups (laughs)", "stir (two) cups"),
        (">> NARRATOR: stir", "stir"),
        ("- Stir. - Pour.", "Stir. Pour."),
        ("Speaker 2: stir", "stir"),
        ("NOTE: stir at 5:30", "NOTE: stir at 5:30"),
        ("well-known sugar - free mix", "well-known sugar - free mix"),
        ("♪ la la ♪", "la la"),
    ],
)
def test_sound_tags_and_speaker_marks_go(shown: str, said: str) -> None:
    assert speech(shown) == said


mark = st.sampled_from(["[Music]", "(applause)", ">>", "♪", "(two", "cups)", "[a b]", "stir", "pour", "5:30"])


@settings(deadline=None)
@given(st.lists(mark, min_size=1, max_size=8))
def test_words_that_stay_keep_their_times(pieces: list[str]) -> None:
    text = " ".join(pieces)
    numbered = [float(i) for i in range(len(text.split()))]
    spoken, starts = speech_with_times(text, numbered)
    assert spoken == speech(text)
    assert [text.split()[int(start)] for start in starts] == spoken.split()


tracks = st.lists(
    st.tuples(
        st.integers(-2, 30).map(float),
        st.floats(0.125, 20),
        st.lists(st.sampled_from(["stir", "it's", "Bowl.", "été", "混ぜる"]), max_size=4),
        st.booleans(),
    ).map(lambda t: (t[0], t[0] + t[1], " ".join(t[2]), [t[0] + 0.01 * i for i in range(len(t[2]))] if t[3] else None)),
    max_size=20,
)


@settings(deadline=None)
@given(tracks, st.sampled_from([Segmentation(), Segmentation("pauses"), Segmentation("pauses", 3, 0.2)]))
def test_no_word_is_lost_or_repeated_and_no_time_overlaps(track: list[Line], segmentation: Segmentation) -> None:
    captions = lines(*track)
    found = made(captions, segmentation)
    unused = dropped(with_duration(captions))["line_index"]
    # Equal lines of one start are one line.
    spoken = {(max(start, 0.0), text) for i, (start, _, text, _) in enumerate(track) if i not in unused}
    kept = sorted(word for _, text in spoken for word in text.split())
    assert sorted(word for text in found["caption"] for word in text.split()) == kept
    starts, ends = found["start_s"].to_list(), found["end_s"].to_list()
    assert all(0 <= start < end for start, end in zip(starts, ends, strict=True))
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    for caption, times in found.select("caption", "word_starts_s").rows():
        assert times is None or len(times) == len(caption.split())


def sentences(segmentation: Segmentation, *rows: Line) -> list[tuple]:
    cut = segmented(resolve_overlaps(with_duration(lines(*rows))), segmentation)
    return cut.select("sentence_index", "start_s", "end_s", "text").rows()


def test_sentences_end_at_punctuation_and_pauses() -> None:
    spoken = ((0.0, 2.0, "Crack two"), (2.0, 4.0, "eggs. Then whisk"), (4.0, 5.0, "them"), (7.0, 8.0, "now salt"))
    assert sentences(Segmentation("pauses"), *spoken) == [
        (0, 0.0, pytest.approx(2 + 2 / 3), "Crack two eggs."),
        (1, pytest.approx(2 + 2 / 3), 5.0, "Then whisk them"),
        (2, 7.0, 8.0, "now salt"),
    ]


def test_a_long_sentence_is_cut_at_a_known_word_and_keeps_its_number() -> None:
    timed = (0.0, 5.0, "a b c d e.", [0.0, 0.5, 1.0, 1.2, 1.4])
    assert sentences(Segmentation("pauses", max_words=3), timed, (5.0, 6.0, "f")) == [
        (0, 0.0, 1.2, "a b c"),
        (0, 1.2, 5.0, "d e."),
        (1, 5.0, 6.0, "f"),
    ]


def test_a_clip_is_split_at_cuts_by_the_times_of_its_words() -> None:
    """Words before a cut at 2.5 s, a silent shot, and a last shot of 0.4 s, whose word goes to the piece before."""
    frame = lines((0.0, 9.4, "now stir it and pour", [0.0, 0.5, 1.0, 7.0, 9.1]), (9.4, 12.0, "done"))
    found = clips(frame, VIDEOS, FETCHES, Segmentation(), {"v": [2.5, 6.0, 9.0], "other": [1.0]})
    assert found.select("clip_index", "start_s", "end_s", "caption", "word_starts_s").rows() == [
        (0, 0.0, 2.5, "now stir it", [0.0, 0.5, 1.0]),
        (1, 6.0, 9.0, "and pour", None),
        (2, 9.4, 12.0, "done", None),
    ]


@settings(deadline=None)
@given(tracks, st.lists(st.floats(0.01, 40), max_size=30).map(sorted), st.sampled_from(["lines", "pauses"]))
def test_no_clip_crosses_a_cut_and_no_word_is_lost(track: list[Line], cuts: list[float], method: Any) -> None:
    captions = lines(*track)
    whole = made(captions, Segmentation(method))
    found = clips(captions, VIDEOS, FETCHES, Segmentation(method), {"v": cuts})
    assert " ".join(found["caption"]).split() == " ".join(whole["caption"]).split()
    for start_s, end_s in found.select("start_s", "end_s").rows():
        assert start_s < end_s and not any(start_s < cut < end_s for cut in cuts)


def test_pieces_of_a_model_end_at_whole_words() -> None:
    words = ["this", "is", "one", "this", "another"]
    assert ends_by_pieces(words, ["this is one ", "this another"]) == [False, False, True, False, True]
    assert ends_by_pieces(words, ["this is one", " this another"]) == [False, False, True, False, True]
    assert ends_by_pieces(words, ["this is o", "ne this another"]) == [False, False, True, False, True]
    with pytest.raises(ValueError, match="changed the text"):
        ends_by_pieces(words, ["This is one. ", "This another."])


@pytest.mark.skipif(find_spec("wtpsplit") is not None, reason="the extra is installed")
def test_the_sentence_model_asks_for_its_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"howto-lake\[sentences\]"):
        sentences(Segmentation("model"), (0.0, 1.0, "stir it"))


@pytest.mark.parametrize("text", ["(music " * 100_000, "(a" + " music" * 100_000, "(" * 500_000, "[" * 500_000])
def test_marks_are_found_in_linear_time(text: str) -> None:
    assert speech(text) == " ".join(text.split())
