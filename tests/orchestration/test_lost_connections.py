"""Connections to PostgreSQL and S3 that are lost in the middle are named with the remedy."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import psycopg2
import pytest

from assets.lake import Lake, LakeError
from assets.lake.locks import Locks
from tests.services import Services

ROWS = pl.DataFrame({"video_id": ["v1"], "benchmark": ["A"]})


def test_a_catalog_that_ends_its_connections_costs_nothing(services: Services, tmp_path: Path) -> None:
    lake = services.new_lake(tmp_path / "lake", "lost_catalog")
    lake.write("evaluation_videos", ROWS)
    services.end_connections("lost_catalog")
    lake.write("evaluation_videos", ROWS.with_columns(benchmark=pl.lit("B")))
    assert lake.read("evaluation_videos").fetchall() == [("v1", "B")]


def test_a_lock_that_is_lost_with_its_connection_is_no_success(services: Services, tmp_path: Path) -> None:
    lake = services.new_lake(tmp_path / "lake", "lost_lock")
    lake.snapshot()
    with pytest.raises(psycopg2.OperationalError) as lost, Locks(tmp_path, lake.catalog).held("shard"):
        services.end_connections("lost_lock")
    assert "the connection to the catalog is lost" in str(lake.explain(lost.value)), lost.value


def test_a_store_that_does_not_answer(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = services.new_lake(tmp_path / "lake", "lost_store")
    lake.write("evaluation_videos", ROWS)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    again = Lake(lake.root, lake.catalog, lake.data_path)
    with pytest.raises(duckdb.Error) as lost:
        again.sql("SELECT max(video_id), count(DISTINCT benchmark) FROM evaluation_videos").fetchall()
    assert "the object store cannot be reached" in str(again.explain(lost.value)), lost.value


def test_a_catalog_that_is_not_there(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "postgres:host=127.0.0.1 port=9 password=secret-word dbname=x")
    with pytest.raises(LakeError, match="HOWTO_CATALOG: the connection to the catalog is lost") as refused:
        lake.snapshot()
    assert "secret-word" not in str(refused.value)
