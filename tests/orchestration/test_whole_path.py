"""From the sources to evaluated models, as ``make demo`` does it: once, again, after damage, after a kill."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from assets.lake import Lake, load_tables
from assets.sources.synthetic import SyntheticSource
from orchestration.artifacts import contract_of
from orchestration.definitions import build_defs
from orchestration.refresh import Refresh
from orchestration.settings import Settings
from orchestration.settings.catalogue import environment
from orchestration.shell import statements
from tests.docs.pages import Block, blocks
from tests.world import instance_in, small_settings


def names(steps: list) -> set[str]:
    return {key.to_user_string() for step in steps for key in step.keys}


def versions(lake: Lake) -> dict[str, str]:
    return {table: lake.version(table) for table in load_tables() if lake.has(table)}


@pytest.fixture(scope="module")
def world(made: tuple[Settings, Path]) -> Settings:
    return made[0]


@pytest.fixture(scope="module")
def instance(made: tuple[Settings, Path]) -> Iterator[dg.DagsterInstance]:
    with instance_in(made[1]) as opened:
        yield opened


def test_everything_is_made(world: Settings, instance: dg.DagsterInstance) -> None:
    lake = Lake(world.lake)
    specs = (spec for spec in build_defs(world).resolve_all_asset_specs() if spec.group_name != "availability")
    written = {table.name for spec in specs if (table := contract_of(spec))}
    tables = sorted(name for name in written if not re.search(r"_stud(y|ies)$", name))
    empty = [name for name in tables if lake.sql(f"SELECT count(*) FROM {name}").fetchall() == [(0,)]]
    assert empty == [
        "benchmark_videos",
        "evaluation_videos",
        "source_problems",
        "text_video_index",
        "video_duplicates",
        "visual_duplicates",
    ]
    for model in ("joint_embedding", "hero", "cluster_gcn"):
        made = {path.name for path in (world.lake / "models" / model).iterdir()}
        assert made == {"model.safetensors", "config.json", "metrics.json", "training.jsonl", "inputs.json"}
        inputs = json.loads((world.lake / "models" / model / "inputs.json").read_text())
        assert {"lake_snapshot", "code_version"} <= set(inputs)
    page = instance.get_latest_materialization_event(dg.AssetKey("joint_embedding"))
    assert page and page.asset_materialization
    assert {"curves", "inputs", "path", "validation_R@10"} <= set(page.asset_materialization.metadata)


def test_rejected_rows_stay_with_their_reason(world: Settings) -> None:
    lake = Lake(world.lake)
    reasons = {reason for (reason,) in lake.sql("SELECT DISTINCT reason FROM tasks WHERE NOT kept").fetchall()}
    assert any("is not kept" in reason for reason in reasons)
    assert any("is not physical" in reason for reason in reasons)


def test_the_queries_of_the_documentation_run_as_printed(world: Settings) -> None:
    queries = list(blocks("sql"))
    assert len({query.page for query in queries}) > 5
    shell = duckdb.connect()
    for statement in statements(Lake(world.lake)):
        shell.execute(statement)
    # Made on request only, or where there are raw videos of benchmarks.
    for table in ("availability", "link_rot", "benchmark_leaks", "benchmark_references"):
        shell.execute(load_tables()[table].create_statement.replace("CREATE TABLE IF NOT EXISTS", "CREATE TEMP TABLE"))
    views = shell.execute(
        "SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = 'statistics'"
    ).fetchall()
    assert len(views) > 15
    for schema, view in views:
        shell.execute(f'FROM statistics.{schema}."{view}"').fetchall()
    for query in queries:
        try:
            shell.execute(query.code).fetchall()
        except duckdb.Error as error:
            pytest.fail(f"{query.name}: {error}")


@pytest.mark.parametrize("block", list(blocks("python")), ids=lambda block: block.name)
def test_the_python_of_the_documentation_runs_as_printed(
    block: Block, world: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world.lake.parent)
    exec(compile(block.code, block.name, "exec"), {})


def test_the_shell_shows_the_lake_and_changes_nothing(world: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "current"
    folder.mkdir()

    def shell(lake: Path, *queries: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "ignore", "-m", "orchestration.cli", "sql", "-csv", *queries]
        variables = {**os.environ, "HOWTO_LAKE": str(lake)}
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, cwd=folder)

    counted = shell(world.lake, "SELECT sum(nodes) FROM statistics.graph.labels", "DELETE FROM graph_nodes")
    nodes = Lake(world.lake).sql("SELECT count(*) FROM graph_nodes").fetchall()[0][0]
    assert str(nodes) in counted.stdout.split() and "read-only" in counted.stderr
    assert not list(folder.iterdir())
    missing = shell(tmp_path / "lake")
    assert missing.returncode == 2 and missing.stderr.startswith(f"{tmp_path / 'lake'}: no lake is there")


def test_a_second_run_leaves_everything_alone(world: Settings, instance: dg.DagsterInstance) -> None:
    second = Refresh(build_defs(world), instance)
    assert second.run()
    assert names(second.ran) == {"video_source", "retail_source"}


def test_maintenance_changes_nothing_that_is_in_force(world: Settings, instance: dg.DagsterInstance) -> None:
    lake = Lake(world.lake)
    before = versions(lake)
    done = build_defs(world).resolve_job_def("maintain_lake").execute_in_process(instance=instance)
    assert done.success and {"compact_tables", "expire_snapshots", "clean_up_arrays"} == {
        e.step_key for e in done.get_step_success_events()
    }
    assert versions(lake) == before


def test_a_job_of_the_ui_refreshes_its_part(world: Settings, instance: dg.DagsterInstance) -> None:
    lake = Lake(world.lake)
    before = versions(lake)
    lake.connection.execute("DELETE FROM captions WHERE shard = 'shard-0000'")
    job = build_defs(world).resolve_job_def("collect")
    assert job.execute_in_process(instance=instance).success
    assert versions(lake) == before


def test_deleted_rows_are_made_again_and_nothing_else(world: Settings, instance: dg.DagsterInstance) -> None:
    lake = Lake(world.lake)
    before = versions(lake)
    lake.connection.execute("DELETE FROM clips WHERE shard = 'shard-0001'")
    repair = Refresh(build_defs(world), instance)
    assert repair.run()
    assert [str(step) for step in repair.ran if "source" not in str(step)] == ["clips [shard-0001]"]
    assert versions(lake) == before


def test_a_changed_threshold_reaches_the_models(made_once: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made_once, tmp_path / "made")
    paths = {"transactions": made_once / "transactions.csv", "products": made_once / "products.parquet"}
    with instance_in(folder / "dagster") as instance:
        refresh = Refresh(build_defs(small_settings(folder, min_words=150, **paths)), instance)
        assert refresh.run("+key:joint_embedding or +key:cluster_gcn")
        assert {"videos", "clips", "training_manifest", "joint_embedding"} <= names(refresh.ran)
        assert not {"search_results", "captions", "cluster_gcn", "co_purchases"} & names(refresh.ran)


@pytest.mark.campaign
def test_a_run_killed_at_any_moment_goes_on_to_the_same_tables(world: Settings, tmp_path: Path) -> None:
    settings = small_settings(tmp_path)
    variables = {**os.environ, **environment(settings), "DAGSTER_STATE": str(tmp_path / "dagster")}
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "orchestration.refresh",
        "--select",
        "+key:video_files or +key:clips",
    ]

    def start() -> subprocess.Popen:
        return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    for seconds in (4.0, 8.0):
        process = start()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    stopped = start()
    said = [until(stopped, "  making   ")]
    stopped.send_signal(signal.SIGINT)
    rest, _ = stopped.communicate(timeout=60)
    assert stopped.returncode == 130 and "FAILED" not in rest, [*said, rest]
    assert rest.splitlines()[-1].startswith("Stopped. What was made stays")
    output, _ = (last := start()).communicate(timeout=300)
    assert last.returncode == 0, output

    uninterrupted, resumed = versions(Lake(world.lake)), versions(Lake(settings.lake))
    made_here = {
        "tasks",
        "search_results",
        "candidate_videos",
        "captions",
        "caption_fetches",
        "videos",
        "clips",
        "video_files",
    }
    assert {table: resumed[table] for table in made_here} == {table: uninterrupted[table] for table in made_here}
    assert not list(settings.lake.glob("media/**/*.part"))


def until(process: subprocess.Popen, line: str) -> str:
    """All that a process says up to a line that begins so."""
    assert process.stdout
    said = ""
    while not (said.splitlines() or [""])[-1].startswith(line):
        said += process.stdout.readline() or pytest.fail(said)
    return said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real video files with real defects: good ones, a truncated one, an empty caption file, and worse."""
    folder = tmp_path_factory.mktemp("videos")
    source = SyntheticSource(tasks=12, videos_per_task=2, seed=5)
    for index, video_id in enumerate(["good-1", "good-2", "good-3", "truncated", "mute"]):
        made = source.media(f"synthetic-{index:05d}", folder / "made")
        shutil.copy(made, folder / f"{video_id}.mp4")
        (folder / f"{video_id}.info.json").write_text(json.dumps({"title": f"How to fold a paper crane {index}"}))
        cues = "\n".join(
            f"00:{i:02d}.000 --> 00:{i + 1:02d}.000\ncrane {index} fold {index}-{i} of corner {i}\n" for i in range(40)
        )
        (folder / f"{video_id}.en.vtt").write_text(f"WEBVTT\n\n{cues}")
    shutil.rmtree(folder / "made")
    whole = (folder / "truncated.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "mute.en.vtt").write_text("")
    (folder / "good-3.info.json").write_text("{")
    shutil.copy(folder / "good-1.mp4", folder / "not safe; rm.mp4")
    return folder


def test_bad_files_are_reported_by_name_and_the_rest_goes_on(folder: Path, tmp_path: Path) -> None:
    settings = small_settings(tmp_path, source="folder", folder=folder, categories=("Uncategorised",))
    broken = tmp_path / "transactions.csv"
    broken.write_text(broken.read_text().replace("basket_id", "basket"))
    refresh = Refresh(build_defs(settings), dg.DagsterInstance.ephemeral())
    selection = "key:source_problems or +key:training_manifest or +key:dataset_statistics or +key:cluster_gcn"
    assert not refresh.run(selection)

    failures = {str(step): reason for step, reason in refresh.failed.items()}
    assert set(failures) == {"retail_baskets"}
    assert failures["retail_baskets"].startswith(f"{broken}: no column basket_id; it has basket, ")
    assert {"training_manifest", "dataset_statistics"} <= names(refresh.ran) and "cluster_gcn" in names(refresh.skipped)

    lake = Lake(settings.lake)
    problems = dict(lake.sql("SELECT name, problem FROM source_problems").fetchall())
    assert "not a safe file name" in problems["not safe; rm.mp4"]
    assert "not JSON" in problems["good-3.info.json"]
    fetches = dict(lake.sql("SELECT video_id, error FROM caption_fetches WHERE status != 'ok'").fetchall())
    assert fetches == {"mute": "mute.en.vtt: empty file"}
    files = dict(lake.sql("SELECT video_id, error FROM video_files WHERE status != 'ok'").fetchall())
    assert set(files) == {"truncated"} and "truncated.mp4" in files["truncated"]
    assert lake.sql("SELECT count(DISTINCT video_id) FROM training_manifest").fetchall() == [(3,)]
