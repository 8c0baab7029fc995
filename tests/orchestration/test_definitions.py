"""The definitions as a whole: they load fast and lightly, and the asset graph is under a snapshot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from syrupy.assertion import SnapshotAssertion

from assets.lake import load_tables
from assets.metadata import PART, TABLE
from assets.options import Options, option_fields
from orchestration.artifacts import contract_of
from orchestration.definitions import STAGES, build_defs
from orchestration.settings import load_settings
from tests.world import write_transactions

NO_LINEAGE = dg.TableColumnLineage({})


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
        assert node.description and node.code_version and node.kinds and node.owners, key
        table = contract_of(node.to_asset_spec())
        if table is None:
            assert {TABLE, PART}.isdisjoint(node.metadata), key
            continue
        schema = node.metadata["dagster/column_schema"]
        assert [column.name for column in schema.columns] == list(table.column_types), key
        assert all(column.description for column in schema.columns), key


def test_the_group_of_an_asset_is_its_folder_and_its_page_links_to_the_source(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    assets = Path(__file__).parents[2] / "assets"
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        source, *contract = [Path(link.file_path) for link in node.metadata["dagster/code_references"].code_references]
        assert source.is_file() and all(path.is_file() for path in contract), key
        folders = source.relative_to(assets).parent.parts
        assert (node.group_name, node.tags["system"]) == ("_".join(folders), folders[0]), key
        assert bool(contract) == (contract_of(node.to_asset_spec()) is not None), key
        assert node.tags["stage"] in STAGES.values(), key


def test_the_lineage_of_a_column_names_columns_of_its_inputs(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        for origins in graph.get(key).metadata.get("dagster/column_lineage", NO_LINEAGE).deps_by_column.values():
            for origin in origins:
                assert origin.asset_key in graph.get_ancestor_asset_keys(key), (key, origin)
                assert origin.column_name in load_tables()[origin.asset_key.path[-1]].column_types, (key, origin)
    caption = graph.get(dg.AssetKey("clips")).metadata["dagster/column_lineage"].deps_by_column["caption"]
    assert caption == [dg.TableColumnDep("captions", "text")]


def test_sources_that_change_have_a_freshness_policy(tmp_path: Path) -> None:
    paths = write_transactions(tmp_path, products_each=5, baskets=30)
    graph = build_defs(load_settings(lake=tmp_path / "lake", **paths)).resolve_asset_graph()
    fresh = {key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).freshness_policy}
    assert fresh == {"retail_source"}


def code_versions(**overrides: object) -> dict[str, str | None]:
    graph = build_defs(load_settings(**overrides)).resolve_asset_graph()
    return {key.to_user_string(): graph.get(key).code_version for key in graph.get_all_asset_keys()}


FINE_TUNINGS = {
    "hero_tvr",
    "hero_how2r",
    "hero_didemo",
    "hero_msrvtt",
    "hero_tvqa",
    "hero_how2qa",
    "hero_violin",
    "hero_tvc",
}


FROM_EDGES = {
    "cluster_gcn",
    "depth_study",
    "graph_clusters",
    "graph_construction_study",
    "graph_edges",
    "graph_feature_leakage",
    "graph_node_features",
    "graph_nodes",
    "graph_spectrum",
    "link_prediction_study",
    "memory_study",
    "own_features_study",
    "partition_study",
    "spectral_study",
}


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    return code_versions(lake=tmp_path_factory.mktemp("lake"))


@pytest.mark.parametrize(
    ("changes", "users"),
    [
        ({"min_words": 50}, {"videos"}),
        ({"min_views": 50}, {"candidate_videos", "videos"}),
        ({"neighbours": 9}, FROM_EDGES),
        ({"duplicate_similarity": 0.8, "min_clip_s": 4}, {"video_duplicates", "clip_pairs", "pair_index"}),
        ({"hero_fine_tuning_steps": 10, "card_samples": 3}, {*FINE_TUNINGS, "data_set_card"}),
        ({"device": "cpu", "compile": True, "training_processes": 2, "proxy": "http://user:password@proxy"}, set()),
    ],
)
def test_an_option_makes_just_the_assets_that_use_it_out_of_date(
    unchanged: dict[str, str | None], tmp_path: Path, changes: dict[str, object], users: set[str]
) -> None:
    changed = code_versions(lake=tmp_path, **changes)
    assert {key for key in unchanged if unchanged[key] != changed[key]} == users


def test_a_lake_or_a_file_that_was_moved_makes_nothing_out_of_date(tmp_path: Path) -> None:
    versions = []
    for name in ("here", "there"):
        folder = tmp_path / name
        (folder / "benchmarks" / "crosstask").mkdir(parents=True)
        (folder / "glove.txt").write_text("bread 1 0\n", encoding="utf-8")
        (folder / "benchmarks" / "crosstask" / "tasks.txt").write_text("7\n", encoding="utf-8")
        values = {"word_vectors": folder / "glove.txt", "benchmarks": folder / "benchmarks"}
        versions.append(code_versions(lake=folder / "lake", **values))
    assert versions[0] == versions[1]
    (tmp_path / "there" / "benchmarks" / "crosstask" / "tasks.txt").write_text("8\n", encoding="utf-8")
    changed = code_versions(lake=tmp_path / "there" / "lake", **values)
    assert {"benchmark_videos", "benchmark_evaluation"} <= {key for key in changed if changed[key] != versions[0][key]}
    assert changed["word_vectors"] == versions[0]["word_vectors"]


def test_defaults_are_as_recorded(defs: dg.Definitions, snapshot: SnapshotAssertion) -> None:
    """A value at its default is not in a code version: where a default changes, change the code of its users too."""
    options = {name: each for name, each in (defs.resources or {}).items() if isinstance(each, Options)}
    defaults = {
        f"{name}.{field.name}": repr(field.default)
        for name, each in options.items()
        for field in option_fields(type(each))
        if not field.same_result
    }
    assert defaults == snapshot


def test_loading_takes_neither_torch_nor_lance_and_its_pandas() -> None:
    code = """
import sys
from orchestration.definitions import build_defs
from orchestration.settings import load_settings
from tests.world import write_transactions
build_defs(load_settings())
print(*({"torch", "lance", "pandas"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "")
