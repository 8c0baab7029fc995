"""Search in the narration by words and by meaning, on a lake of three videos."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.lake import Lake, load_tables
from assets.search.narration import Filters, NarrationArray
from assets.search.passages import write_meaning, write_words
from assets.search.query import parse
from ml.text.sentence_encoder import DIM, packaged_encoder

SAID = {
    "kite": ["now inflate the", "kite with a pump", "don't let go of it"],
    "tyre's": ["inflating the tube of the café's bike", "pump until it is hard"],
    "bread": ["slice the bread", "thinly", "and toast it"],
}


def fill(lake: Lake) -> None:
    """Write the tables that a search reads; each line takes 3 s, and a pause precedes the last one of each video."""

    def rows(table: str, given: list[dict[str, Any]]) -> None:
        always = {"shard": "shard-0000", "rank": 1, "task_id": "t", "kept": True, "source": "folder"}
        contract = load_tables()[table]
        frame = contract.frame(tuple({**always, **row}.get(c.name) for c in contract.columns) for row in given)
        lake.write(table, frame, "shard-0000" if contract.partition_column == "shard" else None)

    clips = []
    for video_id, lines in SAID.items():
        for index, line in enumerate(lines):
            start_s = 3.0 * index + 10.0 * (index == 2)
            of = {"start_s": start_s, "end_s": start_s + 3, "caption": line, "caption_clean": line}
            clips.append({"video_id": video_id, "clip_index": index, "word_count": len(line.split()), **of})
    rows("clips", clips)
    facts = {"kite": ("Sports", "Wind & Co's"), "tyre's": ("Vehicles", None), "bread": ("Food", "Wind & Co's")}
    days = {"kite": date(2020, 5, 1), "tyre's": None, "bread": date(2024, 5, 1)}
    rows(
        "videos",
        [
            {"video_id": each, "title": each, "category_1": facts[each][0], "channel": facts[each][1], "word_count": 9}
            | {"duration_s": 60.0, "upload_date": days[each]}
            for each in SAID
        ],
    )


@pytest.fixture
def words(lake: Lake) -> NarrationArray:
    fill(lake)
    array = NarrationArray(lake.root / "narration_words.lance")
    assert write_words(array, lake) == 8
    return array


def said(words: NarrationArray, text: str, **filters: Any) -> list[tuple[str, float]]:
    return [(each.video_id, each.start_s) for each in words.said(parse(text), 10, Filters(**filters).condition())]


def test_words_are_found_by_stem_phrase_and_exclusion(words: NarrationArray) -> None:
    assert {video for video, _ in said(words, "inflates")} == {"kite", "tyre's"}
    assert said(words, '"inflate the kite"') == [("kite", 0.0)], "a phrase goes on in the next caption line"
    assert {video for video, _ in said(words, "pump -kite")} == {"kite", "tyre's"} - {"kite"}
    assert said(words, "CAFE") and said(words, "don’t") and not said(words, "zeppelin")
    assert said(words, '"it slice"') == []
    assert words.unknown(parse("the zeppelin pump")) == ["zeppelin"]


def test_a_pause_ends_a_passage(words: NarrationArray) -> None:
    assert said(words, '"pump don\'t"') == []
    (first,) = words.said(parse('"inflate the kite"'), 5)
    assert (first.start_s, first.end_s) == (0.0, 6.0)
    assert [line.text for line in words.lines(["tyre's", "none"])["tyre's"]] == SAID["tyre's"]


def test_filters_select_by_facts_of_the_video(words: NarrationArray) -> None:
    assert {video for video, _ in said(words, "inflate", category="Sports")} == {"kite"}
    assert {video for video, _ in said(words, "inflate bread", channel="Wind & Co's")} == {"kite", "bread"}
    assert {video for video, _ in said(words, "pump bread", after=date(2021, 1, 1))} == {"bread"}
    assert said(words, "pump", min_duration_s=61) == [] and said(words, "pump", max_duration_s=60)
    assert said(words, "pump", category="' OR 1=1 --") == []


def test_meaning_finds_what_no_word_says_and_keeps_vectors(lake: Lake, words: NarrationArray) -> None:
    encoder, array = packaged_encoder(), NarrationArray(lake.root / "narration_meaning.lance")
    first = write_meaning(array, lake, encoder.encode, encoder.identity, DIM)
    assert first == {"passages": 8, "encoded": 8}
    version = array.version()
    query = encoder.encode(["blow up a flying toy"])[0]
    assert array.near(query, 3)[0].video_id == "kite"
    assert array.near(query, 3, Filters(category="Food").condition())[0].video_id == "bread"

    def refuse(_: object) -> np.ndarray:
        raise AssertionError("nothing is to be encoded again")

    again = write_meaning(array, lake, refuse, encoder.identity, DIM)
    assert again == {"passages": 8, "encoded": 0} and array.version() == version


def test_a_lake_without_clips_has_no_passages(lake: Lake) -> None:
    for table in ("clips", "videos"):
        contract = load_tables()[table]
        lake.write(table, contract.frame([]), "shard-0000" if table == "clips" else None)
    array = NarrationArray(lake.root / "narration_words.lance")
    assert write_words(array, lake) == 0 and array.version()
    assert array.said(parse("pump"), 5) == [] and array.unknown(parse("pump")) == ["pump"]


@given(st.text(max_size=60))
def test_any_text_is_a_search_or_is_refused_with_a_remedy(text: str) -> None:
    try:
        found = parse(text)
    except ValueError as error:
        assert "add one that is not excluded" in str(error)
    else:
        assert found.text.strip() and all(" " in phrase for phrase in found.phrases)


@pytest.mark.parametrize("text", ["-kite", '-"a b"', '""', "?!", "- -"])
def test_a_text_that_searches_for_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no word to search for"):
        parse(text)


def test_the_encoder_gives_the_published_vectors() -> None:
    """Compare with cosines that sentence-transformers 6.2 computes from the same files."""
    texts = ["inflate a kite", "now we blow up the kite with a pump", "the café's tyre is flat"]
    vectors = packaged_encoder().encode(texts)
    assert (vectors @ vectors.T)[0] == pytest.approx([1.0, 0.749, 0.078], abs=1e-3)
