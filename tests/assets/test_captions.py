"""From rolling caption windows to clips."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from assets.captions.fetch import fetch_captions
from assets.captions.segments import clips, follow_each_other
from assets.sources.protocol import CaptionLine, CaptionTrack

COLUMNS = {
    "shard": pl.String,
    "video_id": pl.String,
    "start_s": pl.Float64,
    "end_s": pl.Float64,
    "text": pl.String,
}


def lines(*rows: tuple[float, float, str], duration_s: float | None = None) -> pl.DataFrame:
    frame = pl.DataFrame([("shard-0000", "v", *row) for row in rows], schema=COLUMNS, orient="row")
    return frame.with_columns(duration_s=pl.lit(duration_s, dtype=pl.Float64))


def test_a_line_ends_where_the_next_one_starts() -> None:
    rolling = lines((0.0, 6.0, "now stir the bowl"), (3.0, 9.0, "and pour it"), (6.0, 12.0, "done"), duration_s=8.0)
    cut = follow_each_other(rolling).select("start_s", "end_s", "text").rows()
    assert cut == [(0.0, 3.0, "now stir the bowl"), (3.0, 6.0, "and pour it"), (6.0, 8.0, "done")]


def test_clips_are_numbered_and_cleaned() -> None:
    made = clips(lines((2.0, 4.0, "Now you stir the red bowl"), (0.0, 2.0, "hello")))
    assert made.select("clip_index", "start_s", "caption", "word_count").rows() == [
        (0, 0.0, "hello", 1),
        (1, 2.0, "Now you stir the red bowl", 6),
    ]
    assert made["caption_clean"].to_list()[1] == "stir red bowl"


words = st.lists(st.sampled_from(["stir", "pour", "it's", "bowl"]), min_size=1, max_size=4).map(" ".join)
tracks = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0.1, 20), words).map(lambda t: (t[0], t[0] + t[1], t[2])),
    max_size=20,
    unique_by=lambda line: line[0],
)


@given(tracks)
def test_no_word_is_lost_or_repeated_and_no_time_overlaps(track: list[tuple[float, float, str]]) -> None:
    cut = follow_each_other(lines(*track))
    spoken = sorted(word for _, _, text in track for word in text.split())
    assert sorted(word for text in cut["text"] for word in text.split()) == spoken
    starts, ends = cut["start_s"].to_list(), cut["end_s"].to_list()
    assert all(start < end for start, end in zip(starts, ends, strict=True))
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))


class OneVideo:
    name = "one"

    def captions(self, video_id: str) -> CaptionTrack:
        if video_id == "silent":
            return CaptionTrack("no_captions", error="none")
        return CaptionTrack("ok", "asr", "en", (CaptionLine(0, 2, "it's a bowl"), CaptionLine(1, 3, "stir")))


def test_every_video_gets_an_outcome() -> None:
    fetched, outcomes = fetch_captions(OneVideo(), ["spoken", "silent"], "shard-0000")  # type: ignore[arg-type]
    assert fetched.select("video_id", "line_index", "text").rows() == [
        ("spoken", 0, "it's a bowl"),
        ("spoken", 1, "stir"),
    ]
    assert outcomes.select("video_id", "status", "word_count", "error").rows() == [
        ("spoken", "ok", 4, None),
        ("silent", "no_captions", 0, "none"),
    ]
