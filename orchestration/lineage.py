"""OpenLineage events of recorded runs, for catalogs of data outside.

A dataset is a table or other artifact of the lake by the name of its asset; its version is the hash of its content.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import DatasetFacet, dataset_version_dataset, schema_dataset

from orchestration.artifacts import contract_of

PRODUCER = f"howto-lake {version('howto-lake')}"
_INPUT_VERSION = "dagster/input_data_version/"


def client(target: str) -> OpenLineageClient:
    """A client that sends events to an http address, or appends them to a file as lines of JSON."""
    if target.startswith(("http://", "https://")):
        return OpenLineageClient(config={"transport": {"type": "http", "url": target}})
    path = str(Path(target).absolute())
    return OpenLineageClient(config={"transport": {"type": "file", "log_file_path": path, "append": True}})


def run_events(defs: dg.Definitions, instance: dg.DagsterInstance, lake: Path) -> Iterator[RunEvent]:
    """A START and a COMPLETE event per recorded run that made assets, or a FAIL event, oldest first.

    Inputs and outputs have the versions that the run read and made; outputs have the columns of their contract.
    """
    graph, namespace = defs.resolve_asset_graph(), f"howto-lake:{lake.absolute()}"
    records = sorted(instance.get_run_records(), key=lambda record: record.create_timestamp)
    for record in records:
        run = record.dagster_run
        if not run.is_finished or record.start_time is None or record.end_time is None:
            continue
        inputs, outputs = {}, []
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
            event = entry.get_dagster_event()
            key, tags = event.asset_key, event.step_materialization_data.materialization.tags or {}
            if key is None or not graph.has(key):
                continue
            facets = _facets(graph.get(key).to_asset_spec(), tags.get(DATA_VERSION_TAG))
            outputs.append(OutputDataset(namespace, key.to_user_string(), facets=facets))
            for tag, read in tags.items():
                if tag.startswith(_INPUT_VERSION):
                    name = tag.removeprefix(_INPUT_VERSION)
                    inputs[name] = InputDataset(namespace, name, facets={"version": _version(read)})
        if not outputs and run.is_success:
            continue
        names = sorted(key.to_user_string() for key in run.asset_selection or ())
        job = Job(namespace, ",".join(names) or run.job_name)
        ended = RunState.COMPLETE if run.is_success else RunState.FAIL
        for state, seconds in ((RunState.START, record.start_time), (ended, record.end_time)):
            yield RunEvent(
                eventTime=datetime.fromtimestamp(seconds, UTC).isoformat(),
                producer=PRODUCER,
                run=Run(run.run_id),
                job=job,
                eventType=state,
                inputs=[inputs[name] for name in sorted(inputs)],
                outputs=outputs if state is not RunState.START else [],
            )


def _facets(spec: dg.AssetSpec, content: str | None) -> dict[str, DatasetFacet]:
    facets: dict[str, DatasetFacet] = {}
    if content:
        facets["version"] = _version(content)
    if table := contract_of(spec):
        columns = [
            schema_dataset.SchemaDatasetFacetFields(each.name, each.type, each.description) for each in table.columns
        ]
        facets["schema"] = schema_dataset.SchemaDatasetFacet(fields=columns)
    return facets


def _version(content: str) -> DatasetFacet:
    return dataset_version_dataset.DatasetVersionDatasetFacet(content)
