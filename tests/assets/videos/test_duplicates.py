"""Near-duplicate videos, found by their captions."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.lake import Lake, load_tables
from assets.videos.duplicates import (
    DuplicateOptions,
    caption_texts,
    near_duplicates,
    shingles,
    similarity,
)

OPTIONS = DuplicateOptions()


def narration(seed: int, words: int = 300) -> list[str]:
    """Words as many as a short video has, drawn from a vocabulary of cooking size; synthetic."""
    rng = random.Random(seed)
    return [f"word{int(rng.paretovariate(0.6)) % 3000}" for _ in range(words)]


def changed(words: list[str], share: float, seed: int = 0) -> list[str]:
    """The same speech recognised again: a share of the words differs."""
    rng = random.Random(seed)
    return [f"misheard{rng.randrange(10**6)}" if rng.random() < share else word for word in words]


def found(said: dict[str, list[str]], options: DuplicateOptions = OPTIONS) -> dict[str, str]:
    """Duplicates by video id; the order of the videos is their rank."""
    texts = {video_id: " ".join(words) for video_id, words in said.items()}

    def read(video_ids: Collection[str] | None) -> Iterator[tuple[str, str]]:
        return ((video_id, text) for video_id, text in texts.items() if video_ids is None or video_id in video_ids)

    ranked = pl.DataFrame({"video_id": list(said), "rank": range(1, len(said) + 1)})
    return dict(near_duplicates(ranked, read, options).select("video_id", "duplicate_of").iter_rows())


def test_the_best_ranked_stays_and_no_duplicate_points_to_a_duplicate() -> None:
    speech = narration(1)
    said = {
        "other": narration(2),
        "original": speech,
        "case and commas": [f"{word.title()}," for word in speech],
        "recognised again": changed(speech, 0.02),
        "recognised twice": changed(changed(speech, 0.02), 0.02, seed=1),
    }
    assert found(said) == dict.fromkeys(["case and commas", "recognised again", "recognised twice"], "original")


def test_the_threshold_is_of_the_exact_sets() -> None:
    speech, alike = narration(3), changed(narration(3), 0.06)
    exact = similarity(shingles(" ".join(speech), 3), shingles(" ".join(alike), 3))
    assert 0.6 < exact < 0.95
    assert found({"a": speech, "b": alike}, DuplicateOptions(threshold=exact)) == {"b": "a"}
    assert found({"a": speech, "b": alike}, DuplicateOptions(threshold=exact + 0.01)) == {}


def test_videos_that_say_little_are_not_judged() -> None:
    assert found({"a": ["thanks", "for", "watching"] * 30, "b": ["thanks", "for", "watching"] * 30, "c": []}) == {}


def test_of_many_pairs_nearly_all_are_found_and_nothing_else() -> None:
    said = {f"original-{seed:03d}": narration(seed) for seed in range(200)}
    said |= {f"upload-{seed:03d}": changed(narration(seed), 0.04) for seed in range(200)}
    pairs = found(said)
    assert all(original.removeprefix("original") == upload.removeprefix("upload") for upload, original in pairs.items())
    assert len(pairs) >= 198


@given(st.lists(st.sampled_from("abcdef"), max_size=30), st.lists(st.sampled_from("abcdef"), max_size=30))
def test_similarity_is_jaccard_s_over_runs_of_words(left: list[str], right: list[str]) -> None:
    sets = [{tuple(words[i : i + 3]) for i in range(len(words) - 2)} for words in (left, right)]
    union = sets[0] | sets[1]
    expected = len(sets[0] & sets[1]) / len(union) if union else 0.0
    assert similarity(shingles(" ".join(left), 3), shingles(" ".join(right), 3)) == pytest.approx(expected)


def test_captions_come_from_the_lake_whole_and_in_order(lake: Lake) -> None:
    for shard, video_id in (("shard-0000", "a"), ("shard-0001", "b"), ("shard-0001", "c")):
        rows = [(shard, video_id, index, float(index), index + 1.0, f"{video_id}{index}", None) for index in (2, 0, 1)]
        frame = load_tables()["captions"].frame(rows)
        if video_id == "c":
            frame = pl.concat([frame, lake.read("captions", [shard]).pl()])
        lake.write("captions", frame, shard)
    texts = caption_texts(lake)
    assert dict(texts(None)) == {"a": "a0 a1 a2", "b": "b0 b1 b2", "c": "c0 c1 c2"}
    assert dict(texts(["c"])) == {"c": "c0 c1 c2"}
