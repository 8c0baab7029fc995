"""What assets store: violations of rules are counted, and damage is removed before an asset is made again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from assets.features.index import index_version
from assets.features.options import FeatureOptions
from assets.features.store import FeatureStore, Source, VideoRows
from assets.lake import Lake, load_tables
from assets.models.folder import MODEL_FILES
from ml.hero.clip_store import Clip, ClipStore
from orchestration.artifacts.arrays import FeatureArrays, ShardArrays
from orchestration.artifacts.models import damaged_model, model_violations
from orchestration.artifacts.registry import ARRAYS, DAMAGED, artifact_of, repair, stored_version
from orchestration.artifacts.tables import contract_violations
from orchestration.definitions import build_defs
from orchestration.settings import load_settings

SHARD = "shard-0000"
STREAM = "efficientnet_lite0"


def test_rows_that_break_a_contract_are_counted_by_rule(lake: Lake) -> None:
    edges = pl.DataFrame({"node_a": [0, 0, 5], "node_b": [1, 1, 2], "weight": [0.5, 0.5, 0.1]})
    lake.write("graph_edges", edges)
    assert contract_violations(lake, load_tables()["graph_edges"], None) == {
        "(node_a, node_b) is unique": 1,
        "(node_a < node_b)": 1,
    }
    lake.write("graph_edges", edges.head(1))
    assert contract_violations(lake, load_tables()["graph_edges"], None) == {}


def test_a_model_with_a_file_missing_damaged_or_nan_breaks_rules(tmp_path: Path) -> None:
    assert model_violations(tmp_path) == {f"{name} exists": 1 for name in MODEL_FILES}
    for name in MODEL_FILES:
        (tmp_path / name).touch()
    assert model_violations(tmp_path) == {"model.safetensors can be read": 1}
    save_file({"weight": np.array([1.0, np.nan], np.float32)}, tmp_path / "model.safetensors")
    assert model_violations(tmp_path) == {"parameters are finite": 1}


@pytest.mark.parametrize("name", ["metrics.json", "training.jsonl"])
def test_a_shortened_history_of_a_model_is_damage(tmp_path: Path, name: str) -> None:
    from ml.training import write_model_folder

    metrics, history = {"loss": 1.0}, [{"loss": 2.0}, {"loss": 1.0}]
    write_model_folder(tmp_path / "m", {}, {}, metrics, history, inputs={"lake_snapshot": 1})
    assert damaged_model(tmp_path / "m") == []
    path = tmp_path / "m" / name
    path.write_text("{}\n", encoding="utf-8")
    assert damaged_model(tmp_path / "m") == [f"{path} has other content than was recorded"]


def features(store: FeatureStore) -> list[Source]:
    random = np.random.default_rng(0)
    sources = [Source(video_id, "file", "network") for video_id in ("a", "b", "c")]
    rows = [VideoRows(each, np.arange(40.0), random.standard_normal((40, 64)).astype(np.float16)) for each in sources]
    store.array(STREAM, SHARD).append(rows)
    return sources


def index_of(store: FeatureStore) -> pl.DataFrame:
    index = store.array(STREAM, SHARD).index()
    columns = load_tables()["feature_index"].column_types
    given = {
        "shard": SHARD,
        "stream": STREAM,
        "rate_hz": 1.0,
        "dim": 64,
        "extractor": "network",
        "status": "ok",
        "error": None,
    }
    literals = {name: pl.lit(value, pl.String if value is None else None) for name, value in given.items()}
    return index.drop("extractor").with_columns(**literals).select(*columns)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def test_rows_of_features_that_were_damaged_are_removed_and_others_stay(lake: Lake, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "arrays")
    sources = features(store)
    lake.write("feature_index", index_of(store), SHARD, [SHARD])
    resources = {"features": store, "feature_options": FeatureOptions(), "lake": lake}
    version = index_version(store, (STREAM,), SHARD)

    FeatureArrays().repair(resources, SHARD)
    assert index_version(store, (STREAM,), SHARD) == version
    flip(next(store.array(STREAM, SHARD).path.glob("data/*.lance")))
    assert FeatureArrays().version(resources, SHARD) != version
    FeatureArrays().repair(resources, SHARD)
    kept = [*store.array(STREAM, SHARD).finished()]
    assert len(kept) == 2 and set(kept) < set(sources)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:20])


@pytest.mark.parametrize("damage", [truncate, Path.unlink])
@pytest.mark.parametrize("part", ["data/*.lance", "_versions/*.manifest"])
def test_an_array_that_cannot_be_read_is_made_again(tmp_path: Path, damage: Callable[[Path], None], part: str) -> None:
    store = ClipStore(tmp_path / "hero_clips")
    artifact = ARRAYS["hero_clips"]
    assert isinstance(artifact, ShardArrays)
    clips = [Clip("a.0", np.ones((30, 64), np.float16), 2.0, [])]
    store.write(SHARD, clips)
    version = store.version_of(SHARD)
    for file in store.path(SHARD).glob(part):
        damage(file)
    artifact.repair({"hero_store": store}, SHARD)
    store.write(SHARD, clips)
    assert store.version_of(SHARD) == version


def test_damage_that_cannot_be_read_is_another_version_and_is_repaired(tmp_path: Path) -> None:
    defs = build_defs(load_settings(lake=tmp_path / "lake"))
    store: FeatureStore = defs.resources["features"]  # type: ignore[index]
    key = dg.AssetKey("video_features")
    features(store)
    version = stored_version(defs, key, SHARD)
    repair(FeatureArrays(), defs.resources, SHARD, lambda: version)
    assert stored_version(defs, key, SHARD) == version
    for file in store.array(STREAM, SHARD).path.glob("data/*.lance"):
        truncate(file)
    assert stored_version(defs, key, SHARD) == DAMAGED
    repair(FeatureArrays(), defs.resources, SHARD, lambda: version)
    assert not store.array(STREAM, SHARD).path.exists()


def test_an_asset_that_does_not_say_what_it_stores_is_refused() -> None:
    with pytest.raises(ValueError, match=r"asset pancakes: add sql/tables/pancakes\.sql, or a key of assets\.metadata"):
        artifact_of(dg.AssetSpec("pancakes"))
