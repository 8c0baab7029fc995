"""The definitions as a whole: they load fast and lightly, and the asset graph is under a snapshot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from syrupy.assertion import SnapshotAssertion

from assets.lake import load_tables
from assets.metadata import PART, table_of
from orchestration.definitions import build_defs
from orchestration.settings import load_settings


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_defs(load_settings(lake=tmp_path_factory.mktemp("lake")))


def test_the_asset_graph_is_as_agreed(defs: dg.Definitions, snapshot: SnapshotAssertion) -> None:
    graph = defs.resolve_asset_graph()
    found = {}
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        found[key.to_user_string()] = {
            "group": node.group_name,
            "inputs": sorted(parent.to_user_string() for parent in node.parent_keys),
            "partitions": len(node.partitions_def.get_partition_keys()) if node.partitions_def else 0,
            "kinds": sorted(node.kinds),
            "owners": list(node.owners),
            "pools": sorted(node.pools or []),
            "automated": node.automation_condition is not None,
            "checks": sorted(check.name for check in node.check_keys),
        }
    assert found == snapshot


def test_everything_loads_as_the_ui_loads_it(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)


def test_jobs_and_schedules_are_as_agreed(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    assert {"collect", "build_features", "train", "everything", "maintain_lake"} <= set(repository.job_names)
    assert {schedule.default_status for schedule in repository.schedule_defs} == {dg.DefaultScheduleStatus.STOPPED}


def test_every_asset_says_what_it_is(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.code_version, key
        table = table_of(key.path[-1], node.metadata)
        if table in load_tables():
            schema = node.metadata["dagster/column_schema"]
            assert all(column.description for column in schema.columns), key
        else:
            assert PART not in node.metadata


def test_an_option_makes_just_the_assets_that_use_it_out_of_date(tmp_path: Path) -> None:
    def code_versions(**overrides: object) -> dict[str, str | None]:
        graph = build_defs(load_settings(lake=tmp_path, **overrides)).resolve_asset_graph()
        return {key.to_user_string(): graph.get(key).code_version for key in graph.get_all_asset_keys()}

    before, after = code_versions(), code_versions(min_words=50)
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {"search_results", "task_searches", "candidate_videos", "videos"}
    assert before == code_versions(device="cpu")


def test_loading_takes_no_torch() -> None:
    code = """
import sys
from orchestration.definitions import build_defs
from orchestration.settings import load_settings
build_defs(load_settings())
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0
