"""Removal on request: an id leaves every file of the lake, and what was made from it is made again without it."""

from __future__ import annotations

import json
import sqlite3
import zlib
from pathlib import Path

import polars as pl
import pytest

from assets.lake import load_tables
from assets.lake.search_files import Ids, holders
from orchestration.definitions import build_defs
from orchestration.refresh import Refresh
from orchestration.removal import remaining, remove
from orchestration.resources import lake_of
from orchestration.settings import Settings
from tests.world import instance_in

MODELS = {"word_vectors", "joint_embedding", "hero_pretraining"}


GRAPH = "key:products or key:retail_baskets or key:co_purchases or key:graph_nodes or key:graph_edges"


@pytest.mark.campaign
def test_a_removed_product_is_in_no_file(made: tuple[Settings, Path]) -> None:
    settings, state = made
    lake = lake_of(settings)
    lake.removals.write_text("id,reason,date\np007,recalled,2026-11-02\n", encoding="utf-8")
    arrays = lake.root / "arrays"
    assert {path.suffix for path in remaining(lake, arrays, state)} == {".parquet", ".sqlite", ".db"}
    with instance_in(state) as instance:
        assert remove(build_defs(settings), instance, state, print) >= 4
        assert [*remaining(lake, arrays, state)] == []
        refresh = Refresh(build_defs(settings), instance, print)
        (training,) = steps(refresh, "cluster_gcn")
        assert "new content of" in str(refresh._why(training))
        assert refresh.run(GRAPH), refresh.failed
    assert [*remaining(lake, arrays, state)] == []
    lake.close()


@pytest.mark.campaign
def test_a_removed_video_is_in_no_file_and_models_are_trained_again(made: tuple[Settings, Path]) -> None:
    settings, state = made
    lake = lake_of(settings)
    (removed,) = lake.sql(
        "SELECT video_id FROM clips GROUP BY ALL ORDER BY count(*) DESC, video_id LIMIT 1"
    ).fetchall()[0]
    lake.removals.write_text(f"id,reason,date\n{removed},the speaker objects,2026-11-02\n", encoding="utf-8")
    lake.close()
    held = {path.suffix for path in remaining(lake, lake.root / "arrays", state)}
    assert {".parquet", ".lance", ".mp4", ".sqlite", ".db"} <= held, held

    with instance_in(state) as instance:
        assert remove(build_defs(settings), instance, state, print) > 10
    assert [*remaining(lake, lake.root / "arrays", state)] == []
    with instance_in(state) as instance:
        refresh = Refresh(build_defs(settings), instance, print)
        reasons = {step.name: refresh._why(step) for name in MODELS for step in steps(refresh, name)}
        assert all(reasons.values()), reasons
        assert refresh.run(), refresh.failed
    assert {step.name for step in refresh.ran} >= MODELS
    assert [*remaining(lake, lake.root / "arrays", state)] == []
    for name, table in load_tables().items():
        if "video_id" in table.column_types and lake.has(name):
            assert removed not in lake.read(name).pl()["video_id"].to_list(), name
    lake.close()


def steps(refresh: Refresh, name: str) -> list:  # type: ignore[type-arg]
    keys = next(keys for keys in refresh.plan.computations(f"key:{name}"))
    return refresh.plan.steps(keys)


@pytest.mark.parametrize("hidden", ["text", "parquet", "sqlite", "name", "json", "tar"])
def test_an_id_is_found_wherever_it_is(tmp_path: Path, hidden: str) -> None:
    ids = Ids({"video-12", "404"})
    folder = tmp_path / "lake"
    folder.mkdir()
    (folder / "other.txt").write_text("video-123 xvideo-12 404")
    pl.DataFrame({"video_id": ["video-1", "405"], "n": [404, 404]}).write_parquet(folder / "other.parquet")
    assert [*holders([folder], ids)] == []
    path = folder / {"parquet": "a.parquet", "name": "video-12.mp4"}.get(hidden, "a.bin")
    if hidden == "parquet":
        pl.DataFrame({"video_id": ["404"], "lists": [["x"]]}).write_parquet(path)
    elif hidden == "sqlite":
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE answers (key TEXT, body BLOB)")
            body = zlib.compress(b"about video-12")
            database.execute("INSERT INTO answers VALUES ('k', ?)", (body,))
            database.commit()
        database.close()
    elif hidden == "name":
        path.touch()
    else:
        path.write_bytes(b"\x00" * (1 << 24) + json.dumps({"id": "video-12"}).encode())
    assert [*holders([folder], ids)] == [path]
