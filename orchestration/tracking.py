"""Trained models of the lake as runs of MLflow: settings, metrics by epoch, files, and the snapshot of their inputs."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from assets.models.folder import MODEL_FILES, model_version
from assets.models.provenance import Provenance
from assets.redaction import protect_credentials, redact

# MLflow reads these when it is imported: it would report its use to its authors, and wait for minutes for a server.
for _name, _value in (("MLFLOW_DISABLE_TELEMETRY", "true"), ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")):
    os.environ.setdefault(_name, _value)

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Dataset, DatasetInput, Metric, Param, ViewType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from mlflow.tracking.context.registry import resolve_tags  # noqa: E402

MODEL, VERSION = "howto.model", "howto.version"
"""Tags of a run: the name of the model, and its content version."""
DATABASE = "sqlite:///"
MOST_METRICS, MOST_PARAMS = 1000, 100
"""What one request of MLflow may hold."""
LONGEST_PARAM, LONGEST_TAG = 6000, 5000
_NOT_IN_A_NAME = re.compile(r"[^\w\-. :/]", re.ASCII)


class TrackingError(Exception):
    """MLflow cannot take the models; the message names the address and what is wrong."""


def log_models(
    address: str, experiment: str, model_root: Path, lake: Path, names: Sequence[str]
) -> Iterator[tuple[str, str | None]]:
    """Log each version of a model once. Yields its name, and the id of the new run; None if MLflow has this version.

    A run that an interrupted call has left is not counted, so that the next call logs the model again.

    Args:
        address: of MLflow: of its server (http), or of its database, such as ``sqlite:///mlflow.db``.
        model_root: folder of the model folders.
        lake: folder of the lake, which the runs name.

    Raises:
        TrackingError: MLflow does not answer, or refuses the address.
    """
    protect_credentials(address)
    if not address.startswith(("http://", "https://", DATABASE)):
        raise TrackingError(f"{redact(address)}: MLflow's address must begin with http://, https:// or {DATABASE}")
    try:
        client = MlflowClient(tracking_uri=address)
        found = client.get_experiment_by_name(experiment)
        number = found.experiment_id if found else client.create_experiment(experiment, _files_of(address))
        for name in names:
            yield name, _logged(client, number, name, model_root / name, lake)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = redact(" ".join(str(error).split())[:500])
        raise TrackingError(f"{redact(address)}: MLflow: {reason}; check the address") from error


def _files_of(address: str) -> str | None:
    """Where the files of an experiment are kept: by the server, or in a folder next to the database."""
    if not address.startswith(DATABASE):
        return None
    return (Path(address.removeprefix(DATABASE)).absolute().parent / "mlartifacts").as_uri()


def _logged(client: MlflowClient, experiment: str, name: str, folder: Path, lake: Path) -> str | None:
    version = str(model_version(folder))
    known = f"tags.`{MODEL}` = '{name}' AND tags.`{VERSION}` = '{version}' AND attributes.status = 'FINISHED'"
    if client.search_runs([experiment], known, ViewType.ACTIVE_ONLY, 1):
        return None
    made = Provenance.read(folder)
    trained_ms = int((folder / "model.safetensors").stat().st_mtime * 1000)
    tags = resolve_tags({"mlflow.source.name": "howto-lake"}) | _tags(name, version, made)
    run = client.create_run(experiment, trained_ms, tags, run_name=f"{name}@{version[:8]}").info.run_id
    try:
        source = json.dumps({"lake": str(lake), "snapshot": made.snapshot})
        snapshot = Dataset("howto-lake", str(made.snapshot), "ducklake", source)
        client.log_inputs(run, [DatasetInput(snapshot, [])])
        params = [Param(key, value) for key, value in _params(folder, made).items()]
        for first in range(0, len(params), MOST_PARAMS):
            client.log_batch(run, params=params[first : first + MOST_PARAMS])
        metrics = list(_metrics(folder, trained_ms))
        for first in range(0, len(metrics), MOST_METRICS):
            client.log_batch(run, metrics=metrics[first : first + MOST_METRICS])
        for file in MODEL_FILES:
            if (folder / file).is_file():
                client.log_artifact(run, str(folder / file))
    except BaseException:
        client.set_terminated(run, "FAILED")
        raise
    client.set_terminated(run, "FINISHED", trained_ms)
    return run


def _tags(name: str, version: str, made: Provenance) -> dict[str, str]:
    """What the model is and what it was made from."""
    tags = {
        MODEL: name,
        VERSION: version,
        "howto.snapshot": str(made.snapshot),
        "howto.code_version": made.code_version or "unknown",
        "howto.dagster_run": made.run_id or "unknown",
        "howto.arrays": json.dumps(dict(made.arrays), sort_keys=True)[:LONGEST_TAG],
    }
    return tags | {f"howto.input.{model}": version for model, (version, _) in made.models.items()}


def _params(folder: Path, made: Provenance) -> dict[str, str]:
    """The configuration of the model, and the settings that differ from the default."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    params = {_named(key): value for key, value in _flat(config) if len(value) <= LONGEST_PARAM}
    return params | {_named(key): value[:LONGEST_PARAM] for key, value in made.settings.items()}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(name with dots, value) of each value of nested objects; lists are JSON."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value)


def _metrics(folder: Path, trained_ms: int) -> Iterator[Metric]:
    """The numbers of each epoch, and those of the model, whose step is its own epoch if it has one."""
    epochs = (folder / "training.jsonl").read_text(encoding="utf-8").splitlines()
    for step, line in enumerate(epochs, start=1):
        record = json.loads(line)
        yield from _of_record("training.", record, trained_ms, int(record.get("epoch", step)))
    measured = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    yield from _of_record("", measured, trained_ms, int(measured.get("epoch") or 0))


def _of_record(prefix: str, record: Mapping[str, Any], trained_ms: int, step: int) -> Iterator[Metric]:
    for key, value in record.items():
        if isinstance(value, int | float) and math.isfinite(value):
            yield Metric(_named(prefix + key), float(value), trained_ms, step)


def _named(name: str) -> str:
    """A name that MLflow accepts."""
    return _NOT_IN_A_NAME.sub("_", name)[:250]
