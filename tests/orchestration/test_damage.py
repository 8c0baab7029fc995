"""Damage to stored files is named and made again, and everything else goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.lake import load_tables
from assets.lake.damage import damaged_files
from orchestration.definitions import build_defs
from orchestration.integrity import check_stored
from orchestration.refresh import Refresh
from orchestration.resources import lake_of
from orchestration.settings import Settings
from orchestration.stored import Stored
from tests.world import instance_in, small_settings


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file: Path) -> None:
    """Change one byte and keep the size."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def write_nonsense(file: Path) -> None:
    file.write_text("{", encoding="utf-8")


KINDS: list[tuple[str, Callable[[Path], None]]] = [
    ("tables/main/clips/*shard-0000/*.parquet", Path.unlink),
    ("tables/main/tasks/**/*.parquet", cut),
    ("tables/main/graph_edges/*.parquet", write_nonsense),
    ("arrays/efficientnet_lite0/shard-0000.lance/data/*", cut),
    ("arrays/pairs/shard-0001.lance/data/*", Path.unlink),
    ("arrays/hero_clips/shard-0000.lance/_versions/*.manifest", cut),
    ("arrays/clip_embeddings.lance", shutil.rmtree),
    ("media/**/*.mp4", Path.unlink),
    ("models/word_vectors/metrics.json", Path.unlink),
    ("models/cluster_gcn/inputs.json", write_nonsense),
    ("models/hero_tokenizer/model.safetensors", cut),
    ("card/card.html", Path.unlink),
]

DAMAGED_ASSETS = {
    *(
        "clips",
        "tasks",
        "graph_edges",
        "video_features",
        "clip_pairs",
        "hero_frames",
        "clip_search_index",
        "video_files",
    ),
    *("word_vectors", "cluster_gcn", "hero_tokenizer", "data_set_card"),
}


def damage_all_kinds(lake: Path) -> None:
    """One file of each kind; of arrays every file, because some are of older versions."""
    for pattern, damage in KINDS:
        found = sorted(lake.glob(pattern))
        assert found, pattern
        for path in found if pattern.startswith("arrays") else found[:1]:
            damage(path)


def versions(settings: Settings) -> dict[str, str | None]:
    lake = lake_of(settings)
    return {name: lake.version(name) for name in load_tables() if lake.has(name)}


@pytest.mark.campaign
def test_damage_of_every_kind_is_made_again(made: tuple[Settings, Path]) -> None:
    settings, state = made
    before = versions(settings)
    damage_all_kinds(settings.lake)
    with instance_in(state) as instance:
        damaged = [each for each in check_stored(build_defs(settings), instance) if each.problems]
        named = {each.step.keys[0].path[-1] for each in damaged}
        assert named == DAMAGED_ASSETS, [(str(each.step), each.problems) for each in damaged]
        lines: list[str] = []
        refresh = Refresh(build_defs(settings), instance, lines.append)
        assert refresh.run(), refresh.failed
        assert any("damaged:" in line and "is missing" in line for line in lines)
        remaining = [each for each in check_stored(build_defs(settings), instance) if each.problems]
        assert remaining == []
        again = Refresh(build_defs(settings), instance, lines.append)
        assert again.run() and {step.name for step in again.ran} <= {"video_source", "retail_source"}
    changing = {"evaluations", "video_files"}  # the snapshot of an evaluation, and times of attempts
    after = versions(settings)
    assert {name for name in before if before[name] != after[name]} <= changing


def test_a_changed_byte_is_found_by_the_thorough_check_and_repaired_then(made: tuple[Settings, Path]) -> None:
    settings, state = made
    video = next(settings.lake.glob("media/**/*.mp4"))
    flip(video)
    with instance_in(state) as instance:
        found = list(check_stored(build_defs(settings), instance, "key:video_files"))
        problems = [problem for each in found for problem in each.problems]
        assert problems == [f"{video} has other content than was recorded"]
        assert Refresh(build_defs(settings), instance, print).run("key:video_files")
        found = list(check_stored(build_defs(settings), instance, "key:video_files"))
        assert [problem for each in found for problem in each.problems] == []


@pytest.fixture
def lake_table(made: tuple[Settings, Path]) -> Iterator[Path]:
    path = next((made[0].lake / "tables" / "main" / "captions").glob("*shard-0000/*.parquet"))
    content = path.read_bytes()
    yield path
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, Path.unlink])
def test_damaged_files_of_a_table_are_named(
    made: tuple[Settings, Path], lake_table: Path, damage: Callable[[Path], None]
) -> None:
    lake = lake_of(made[0])
    assert damaged_files(lake, "captions", "shard-0000", read=True) == []
    damage(lake_table)
    found = damaged_files(lake, "captions", "shard-0000", read=False)
    assert len(found) == 1 and str(lake_table) in found[0]
    assert damaged_files(lake, "captions", "shard-0001", read=True) == []


@pytest.mark.parametrize("damage", [cut, Path.unlink, write_nonsense])
def test_requests_of_other_partitions_are_known_though_one_is_damaged(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    settings, table = small_settings(tmp_path), load_tables()["video_files"]
    lake = lake_of(settings)
    for shard in settings.sharding.keys:
        row = {"shard": shard, "video_id": "a", "status": "retry", "attempts": 1, "error": "busy"}
        lake.write("video_files", table.frame([[row.get(name) for name in table.column_types]]), shard)
    key, shards = dg.AssetKey("video_files"), settings.sharding.keys
    for number, shard in enumerate(shards, 1):
        damage(next(settings.lake.glob(f"tables/main/video_files/*{shard}/*.parquet")))
        defs = build_defs(settings)  # a connection without the former content in its cache
        stored = Stored(defs.resolve_all_asset_specs(), defs.resources or {})
        assert {*stored.due(key, shards)} == {*shards[number:]}
        assert sum(len(rows) for rows in stored.requests([key])) == len(shards) - number


@pytest.mark.parametrize(
    ("name", "partition", "pattern", "damage"),
    [
        ("clips", "shard-0000", "tables/main/clips/*shard-0000/*.parquet", Path.unlink),
        ("graph_edges", None, "tables/main/graph_edges/*.parquet", write_nonsense),
        ("video_features", "shard-0000", "arrays/efficientnet_lite0/shard-0000.lance/data/*", cut),
        ("clip_pairs", "shard-0001", "arrays/pairs/shard-0001.lance/data/*", Path.unlink),
        ("clip_search_index", None, "arrays/clip_embeddings.lance/_versions/*.manifest", cut),
        ("video_files", "shard-0000", "media/**/*.mp4", cut),
    ],
)
def test_a_run_without_a_refresh_repairs_what_it_makes(
    name: str, partition: str | None, pattern: str, damage: Callable[[Path], None], made: tuple[Settings, Path]
) -> None:
    """As automation, schedules and the UI launch it."""
    settings, state = made
    files = sorted(settings.lake.glob(pattern))
    assert files
    for file in files:
        damage(file)
    with instance_in(state) as instance:
        defs = build_defs(settings)
        assets = defs.resolve_asset_graph().get(dg.AssetKey(name)).execution_set_asset_keys
        job = defs.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(None, instance, partition, asset_selection=list(assets)).success
        found = [each for each in check_stored(defs, instance, f"key:{name}") if each.step.partition == partition]
    assert found and not any(each.problems for each in found)
