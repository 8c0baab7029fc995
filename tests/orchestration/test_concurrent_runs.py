"""Two runs of the same partition at once: both succeed, and the content is that of one run."""

from __future__ import annotations

import multiprocessing
import shutil
from multiprocessing.connection import Connection
from pathlib import Path

import dagster as dg
import pytest

from orchestration.artifacts import stored_version
from orchestration.definitions import build_defs
from orchestration.failures import innermost_error
from orchestration.settings import Settings
from tests.world import instance_in

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

KINDS: list[tuple[str, str | None, str]] = [
    ("clips", "shard-0000", ""),
    ("video_files", "shard-0000", "media"),
    ("video_features", "shard-0000", "arrays/efficientnet_lite0/shard-0000.lance"),
    ("clip_pairs", "shard-0000", "arrays/pairs/shard-0000.lance"),
    ("hero_frames", "shard-0000", "arrays/hero_clips/shard-0000.lance"),
    ("word_vectors", None, "models/word_vectors"),
    ("cluster_gcn", None, "models/cluster_gcn"),
    ("joint_embedding", None, "models/joint_embedding"),
    ("clip_search_index", None, "arrays/clip_embeddings.lance"),
    ("data_set_card", None, "card"),
]
"""Asset, partition, and what is removed before, so that both runs create it."""


def work(connection: Connection, settings: Settings, state: Path) -> None:
    """A process that materializes what it gets, as a run of the UI does, and answers with the failures."""
    definitions = build_defs(settings)
    job = definitions.resolve_implicit_global_asset_job_def()
    with instance_in(state) as instance:
        connection.send([])
        while (step := connection.recv()) is not None:
            names, partition = step
            found = job.execute_in_process(
                instance=instance,
                asset_selection=[dg.AssetKey(name) for name in names],
                partition_key=partition,
                raise_on_error=False,
                run_config=QUIET,
            )
            failed = [innermost_error(event) for event in found.all_events if event.is_step_failure]
            connection.send(failed if failed or found.success else ["failed"])


@pytest.mark.campaign
def test_two_runs_of_one_partition(made: tuple[Settings, Path]) -> None:
    settings, state = made
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(2)]
    processes = [context.Process(target=work, args=(other, settings, state)) for _, other in pipes]
    for process in processes:
        process.start()
    for _, other in pipes:
        other.close()
    connections = [own for own, _ in pipes]
    assert [each.recv() for each in connections] == [[], []]
    definitions = build_defs(settings)
    graph = definitions.resolve_asset_graph()
    problems = {}
    for name, partition, removed in KINDS:
        key = dg.AssetKey(name)
        together = [each.path[-1] for each in graph.get(key).execution_set_asset_keys or {key}]
        before = stored_version(definitions, key, partition)
        for path in settings.lake.glob(removed) if removed else ():
            shutil.rmtree(path)
        for each in connections:
            each.send((together, partition))
        failed = [each.recv() for each in connections]
        after = stored_version(definitions, key, partition)
        same = after == before or (name == "data_set_card" and after is not None)  # it names the newest snapshot
        print(f"{name}: {failed}, {'same' if same else 'other'} content", flush=True)
        if failed != [[], []] or not same:
            problems[name] = failed, before, after
    for each in connections:
        each.send(None)
    for process in processes:
        process.join()
    assert not problems, problems
