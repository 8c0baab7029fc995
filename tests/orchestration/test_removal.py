"""Removal on request: an id leaves every file of the lake, and what was made from it is made again without it."""

from __future__ import annotations

import json
import sqlite3
import zlib
from dataclasses import replace
from pathlib import Path

import boto3
import dagster as dg
import polars as pl
import pytest
from pydantic import SecretStr

from assets.lake import Lake, load_tables
from assets.lake.search_files import Ids, holders
from assets.models.store import publish
from ml.files import whole_folder
from orchestration.cli import main
from orchestration.definitions import build_defs
from orchestration.refresh import Refresh
from orchestration.removal import not_searched, remaining, remove
from orchestration.resources import lake_of
from orchestration.settings import Settings
from orchestration.settings.model import StorageSettings
from tests.services import BUCKET, Services
from tests.world import instance_in, small_settings

OUTSIDE = "backups and other copies of the lake"
MODELS = {"word_vectors", "joint_embedding", "hero_pretraining"}


GRAPH = "key:products or key:retail_baskets or key:co_purchases or key:graph_nodes or key:graph_edges"


def remaining_in(settings: Settings, state: Path) -> list[str]:
    with instance_in(state) as instance:
        return [str(each) for each in remaining(build_defs(settings), instance, state)]


@pytest.mark.campaign
def test_a_removed_product_is_in_no_file(made: tuple[Settings, Path]) -> None:
    settings, state = made
    lake = lake_of(settings)
    lake.removals.write_text("id,reason,date\np000,recalled,2026-11-02\n", encoding="utf-8")
    assert {Path(each).suffix for each in remaining_in(settings, state)} >= {".parquet", ".sqlite", ".db"}
    with instance_in(state) as instance:
        assert remove(build_defs(settings), instance, state, print) >= 4
    assert remaining_in(settings, state) == []
    with instance_in(state) as instance:
        refresh = Refresh(build_defs(settings), instance, print)
        (training,) = steps(refresh, "cluster_gcn")
        assert "new content of" in str(refresh._why(training))
        assert refresh.run(GRAPH), refresh.failed
    assert remaining_in(settings, state) == []
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
    held = {Path(each).suffix for each in remaining_in(settings, state)}
    assert {".parquet", ".lance", ".mp4", ".sqlite", ".db"} <= held, held

    with instance_in(state) as instance:
        assert remove(build_defs(settings), instance, state, print) > 10
    assert remaining_in(settings, state) == []
    with instance_in(state) as instance:
        refresh = Refresh(build_defs(settings), instance, print)
        reasons = {step.name: refresh._why(step) for name in MODELS for step in steps(refresh, name)}
        assert all(reasons.values()), reasons
        assert refresh.run(), refresh.failed
    assert {step.name for step in refresh.ran} >= MODELS
    assert remaining_in(settings, state) == []
    for name, table in load_tables().items():
        if "video_id" in table.column_types and lake.has(name):
            assert removed not in lake.read(name).pl()["video_id"].to_list(), name
    lake.close()


def steps(refresh: Refresh, name: str) -> list:  # type: ignore[type-arg]
    keys = next(keys for keys in refresh.plan.computations(f"key:{name}"))
    return refresh.plan.steps(keys)


def test_ids_are_removed_from_object_storage_and_from_servers(services: Services, tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    services.new_database("dagster_records")
    lake = services.new_lake(tmp_path / "lake", "removal")
    storage = StorageSettings(SecretStr(lake.catalog), lake.data_path, f"s3://{BUCKET}/removal-models")
    settings = replace(small_settings(tmp_path), storage=storage)
    definitions, url = build_defs(settings), f"postgresql+psycopg2://{services.login}/dagster_records"
    overrides = {"storage": {"postgres": {"postgres_url": url}}}
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster"), overrides=overrides) as instance:
        refresh = Refresh(definitions, instance, print)
        assert refresh.run("+key:products or +key:retail_baskets"), refresh.failed
        models = (definitions.resources or {})["model_root"]
        for text in ("about p000", "nothing"):
            with whole_folder(Path(models) / "old") as folder:
                (folder / "metrics.json").write_text(text)
            publish(models, "old")
        lake.removals.write_text("id,reason,date\np000,recalled,2026-11-02\n", encoding="utf-8")

        found = [str(each) for each in remaining(definitions, instance, None)]
        places = {"tables": f"s3://{BUCKET}/removal/", "models": f"s3://{BUCKET}/removal-models/models/old/"}
        for place in (*places.values(), "catalog, table ducklake"):
            assert any(each.startswith(place) for each in found), (place, found)
        assert "database dagster_records, table event_logs" in found
        assert remove(definitions, instance, None, print) >= 4
        assert [str(each) for each in remaining(definitions, instance, None)] == []
        assert [*not_searched(definitions, instance)] == [OUTSIDE, "log files and backups of PostgreSQL"]
        keeping = {"Status": "Enabled"}
        boto3.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=keeping)
        older = f"older versions of objects (versioning of the bucket {BUCKET} is enabled)"
        assert [*not_searched(definitions, instance)][1] == older
        boto3.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
        assert lake.sql("SELECT count(*) FROM products WHERE product_id = 'p000'").fetchall() == [(0,)]
        assert (models / "old" / "metrics.json").read_text() == "nothing"


@pytest.mark.parametrize("place", ["ids.csv", "link/ids.csv"])
def test_the_list_may_be_another_file(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"LAKE": "lake", "REMOVALS": place}.items():
        monkeypatch.setenv(f"HOWTO_{name}", value)
    for name in ("DAGSTER_HOME", "DAGSTER_STATE"):
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    rows = pl.DataFrame({"video_id": ["video-1", "video-2"], "benchmark": ["A", "A"]})
    Lake(tmp_path / "lake").write("evaluation_videos", rows)
    (tmp_path / "link").symlink_to("lake")
    Path(place).write_text("id,reason,date\nvideo-1,the speaker objects,2026-11-02\n", encoding="utf-8")
    assert main(["remove", "--check"]) == 1
    assert ".parquet" in capsys.readouterr().out
    assert main(["remove"]) == main(["remove", "--check"]) == 0
    assert f"Not searched: {OUTSIDE}.\n" in capsys.readouterr().out
    assert Path(place).exists() and not Path("lake/removals.csv").exists()
    assert Lake(tmp_path / "lake").read("evaluation_videos").fetchall() == [("video-2", "A")]


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
