"""The lists of the trained models: what they find, and why they refuse what does not fit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from assets.joint_embedding.clip_search import write_clip_index
from assets.joint_embedding.text_video import LakeModel, load_joint_embedding
from assets.search.narration import Passage
from assets.search.query import WordQuery, parse
from ml.hero.clip_store import Clip, ClipStore
from ml.hero.tokenizer import trained
from ml.joint_embedding.clip_index import ClipIndex
from ml.joint_embedding.pair_store import PairStore
from ml.joint_embedding.pairs import VideoPairs
from orchestration.search.app import build_app
from orchestration.search.errors import NotReadyError
from orchestration.search.hero import load_hero
from orchestration.search.hybrid import apart
from orchestration.search.lists import SPARE, WIDEST, Selection, Words
from orchestration.search.options import SearchOptions
from orchestration.search.seen import load_seen
from tests.orchestration.search_world import DIM, World, library_of, results, when_ready


@pytest.fixture
def client(search_world: World) -> Iterator[TestClient]:
    options = SearchOptions(hosts=("testserver",), rate=1000, burst=1000)
    with TestClient(build_app(search_world.library(), [search_world.media], options)) as client:
        yield when_ready(client)


def test_overlapping_clips_are_one_moment(search_world: World) -> None:
    lines = VideoPairs(
        np.array([0.0, 1.0, 20.0]), np.array([6.0, 7.0, 26.0]), ["batter pour"] * 3, np.ones((3, DIM), np.float16), 0, 0
    )
    store = PairStore(search_world.root / "overlapping")
    place = store.write("shard-0000", [("synthetic-00000", lines)], DIM)[0]
    before = search_world.lake.read("training_manifest").pl()
    search_world.lake.write("training_manifest", before.head(1).with_columns(pairs=pl.lit(place.pairs)))
    manifest, index = (
        search_world.lake.read("training_manifest").pl(),
        ClipIndex(search_world.root / "overlapping.lance"),
    )
    write_clip_index(index, store, manifest, LakeModel(load_joint_embedding(search_world.models)))
    found = load_seen(search_world.lake, search_world.models, store, index).find(parse("pour batter"), 5, Selection())
    search_world.lake.write("training_manifest", before)
    assert sorted(moment.start_s for moment in apart(found)) == [0.0, 20.0]


@given(passing=st.lists(st.booleans(), min_size=1, max_size=300), limit=st.integers(1, 40))
def test_a_filter_gives_the_same_moments_before_and_after_the_search(passing: list[bool], limit: int) -> None:
    ranked = [Passage(f"v{number}", 0.0, 1.0, -number) for number in range(len(passing))]
    allowed = [each for each, passes in zip(ranked, passing, strict=True) if passes]
    requests = []

    class Array:
        def said(self, _: WordQuery, most: int, where: str | None) -> list[Passage]:
            requests.append(where)
            return (allowed if where else ranked)[:most]

    videos = {each.video_id for each in allowed}
    selection = Selection("a condition", videos, len(videos) / len(passing))
    assert Words(Array()).find(parse("pour"), limit, selection) == allowed[:limit]  # type: ignore[arg-type]
    assert requests[0] is None or selection.share < SPARE * limit / WIDEST
    if all(passing) and len(passing) >= 2 * limit:
        assert requests == [None]


def test_an_index_of_another_model_is_refused(search_world: World, tmp_path: Path) -> None:
    """Its scores would mean nothing."""
    stored, index = search_world.index.take(np.arange(len(search_world.index))), ClipIndex(tmp_path / "clips.lance")
    for other, dim in ((stored.vectors[:, ::-1], 16), (stored.vectors[:, 1:], 15)):
        index.write([replace(stored, vectors=other)], dim)
        with pytest.raises(NotReadyError, match="index of the clips is of another model"):
            load_seen(search_world.lake, search_world.models, search_world.pairs, index)


def test_hero_finds_moments_within_its_clips(client: TestClient) -> None:
    hero = results(client, "pour the batter", limit=5)["hero"]
    assert hero["message"] is None and len(hero["moments"]) == 5
    for moment in hero["moments"]:
        first = 20.0 * (moment["start_s"] >= 20)
        assert first <= moment["start_s"] < moment["end_s"] <= first + 20, "a moment is within its clip"
    assert len({(moment["video_id"], moment["start_s"]) for moment in hero["moments"]}) == 5


def test_a_list_that_cannot_be_made_has_a_reason_and_the_others_are_searched(
    search_world: World, tmp_path: Path
) -> None:
    def message(store: ClipStore, models: Path) -> str:
        library = library_of(
            search_world.corpus,
            words=search_world.words_list,
            hero=lambda: load_hero(search_world.lake, models, store, search_world.words, None),
        )
        with TestClient(build_app(library, [], SearchOptions(hosts=("testserver",)))) as page:
            lists = results(when_ready(page), "pour")
            assert lists["words"]["moments"] and lists["hero"]["moments"] == []
            assert str(lists["hero"]["message"]) in page.get("/?q=pour").text
        return str(lists["hero"]["message"])

    assert "materialize the assets of the group hero" in message(search_world.clips, tmp_path)
    wide, other = ClipStore(tmp_path / "wide"), tmp_path / "models"
    wide.write(
        "shard-0000", [Clip(f"{v}.{n}", np.ones((10, 9), "f2"), 2.0, []) for v in search_world.ids for n in range(2)]
    )
    assert "features of 9 numbers, but the model reads 8" in message(wide, search_world.models)
    shutil.copytree(search_world.models, other)
    trained(["batter"], 280).write(other / "hero_tokenizer", {})
    assert "another vocabulary" in message(search_world.clips, other)
