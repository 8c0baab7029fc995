"""Releases for the videos of a lake: their captions next to its own, and in place of its own."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.lake import Lake
from orchestration.definitions import build_defs
from orchestration.refresh import Refresh
from orchestration.settings import Settings
from tests.world import instance_in, small_settings


def write_releases(lake: Lake, folder: Path) -> dict[str, Path]:
    """Sentences that are the lake's own captions, two seconds later; and captions of others of 8 s."""
    rows = lake.sql("SELECT video_id, start_s, end_s, text FROM captions ORDER BY video_id, line_index").fetchall()
    later: dict[str, dict[str, list]] = {}
    written: dict[str, dict[str, list]] = {}
    for video_id, start_s, end_s, text in rows:
        lists = later.setdefault(video_id, {"start": [], "end": [], "text": []})
        for name, value in zip(lists, (start_s + 2, end_s + 2, text), strict=True):
            lists[name].append(value)
        clips = written.setdefault(video_id, {"start": [], "end": [], "text": []})
        for name, own in zip(clips, (int(start_s), int(start_s) + 8, [(f"someone does it: {text}", 0.5)]), strict=True):
            clips[name].append(own)
    (folder / "sentences.json").write_text(json.dumps({**later, "elsewhere01": {"start": [], "end": [], "text": []}}))
    (folder / "captions.pickle").write_bytes(pickle.dumps(written))
    return {"htm_sentences": folder / "sentences.json", "howtocaption": folder / "captions.pickle"}


@pytest.fixture(scope="module")
def followed(made: tuple[Settings, Path]) -> Iterator[tuple[Lake, Settings, dg.DagsterInstance]]:
    settings, records = made
    lake, folder = Lake(settings.lake), settings.lake.parent
    paths = {"transactions": settings.retail.transactions, "products": settings.retail.products}
    settings = small_settings(folder, **paths, caption_releases=write_releases(lake, folder))
    with instance_in(records) as instance:
        refresh = Refresh(build_defs(settings), instance)
        assert refresh.run('+key:"release_captions"'), refresh.failed
        made_now = {key.to_user_string() for step in refresh.ran for key in step.keys}
        assert {"caption_releases", "release_captions", "release_tracks"} <= made_now
        assert not made_now & {"captions", "clips", "joint_embedding", "feature_index"}
        yield lake, settings, instance


def test_releases_are_tracks_of_the_same_videos(followed: tuple[Lake, Settings, dg.DagsterInstance]) -> None:
    lake = followed[0]
    kept = lake.sql("SELECT count(*) FROM candidate_videos WHERE kept").fetchall()[0][0]
    tracks = lake.sql("SELECT caption_source, count(*), count(*) FILTER (status = 'ok') FROM release_tracks GROUP BY 1")
    with_captions = lake.sql("SELECT count(DISTINCT video_id) FROM captions").fetchall()[0][0]
    assert sorted(tracks.fetchall()) == [(name, kept, with_captions) for name in ("howtocaption", "htm_sentences")]
    moved = lake.sql(
        "SELECT count(*) FROM release_captions r JOIN captions c USING (video_id)"
        " WHERE r.caption_source = 'htm_sentences' AND r.start_s = c.start_s + 2 AND r.text = c.text"
    )
    assert moved.fetchall() == lake.sql("SELECT count(*) FROM captions").fetchall()
    assert lake.sql("SELECT caption_source, name, problem FROM release_problems").fetchall() == [
        ("htm_sentences", "sentences.json: elsewhere01", "has no lines")
    ]


def test_tracks_and_the_videos_that_are_left_are_studied(
    followed: tuple[Lake, Settings, dg.DagsterInstance],
) -> None:
    lake, settings, instance = followed
    refresh = Refresh(build_defs(settings), instance)
    studies = ("caption_track_study", "available_benchmark_evaluation")
    assert refresh.run(f'key:"availability" or {" or ".join(f"key:{each}" for each in studies)}'), refresh.failed
    tracks = lake.sql(
        "SELECT caption_source, pairs > 0, time_overlap < 1, word_overlap FROM caption_track_study"
    ).fetchall()
    assert ("htm_sentences", True, True, 1.0) in tracks and ("source", True, False, 1.0) in tracks
    made = instance.get_latest_materialization_event(dg.AssetKey(studies[0]))
    assert made is not None and made.asset_materialization is not None
    assert "data:image/png" in str(made.asset_materialization.metadata["plot"].value)
    # All videos of the synthetic world are there, so that the subset is the whole test set.
    measured = (
        "SELECT benchmark, metric, value FROM evaluations WHERE method = 'zero-shot' AND metric NOT LIKE '%\\_low'"
    )
    subset = f"({measured} AND model = 'available_benchmarks')"
    whole = f"({measured} AND model = 'joint_embedding_benchmarks' AND benchmark NOT LIKE 'LSMDC%')"
    assert lake.sql(f"SELECT count(*) FROM {subset}").fetchall()[0][0] > 20
    assert lake.sql(f"{subset} EXCEPT {whole}").fetchall() == []


def test_clips_can_be_made_from_a_release(followed: tuple[Lake, Settings, dg.DagsterInstance]) -> None:
    lake, settings, instance = followed
    folder = settings.lake.parent
    paths = {"transactions": settings.retail.transactions, "products": settings.retail.products}
    releases = {"howtocaption": folder / "captions.pickle"}
    chosen = small_settings(folder, **paths, caption_releases=releases, captions="howtocaption")
    refresh = Refresh(build_defs(chosen), instance)
    assert refresh.run('+key:"clips"'), refresh.failed
    made = lake.sql(
        "SELECT DISTINCT clips.caption_source, end_s - start_s FROM clips JOIN videos USING (video_id)"
        " WHERE end_s < duration_s"
    )
    assert made.fetchall() == [("howtocaption", 8.0)]
