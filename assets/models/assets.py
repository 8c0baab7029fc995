"""What the assets of all trained models share: provenance, progress in the log, launching, metadata."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.lake import Lake
from assets.metadata import SETTINGS
from assets.models.folder import model_size, model_version
from assets.models.metrics import rounded
from assets.models.provenance import read_models
from assets.models.store import publish
from assets.progress import TrainingProgress
from ml.array_history import newest_versions
from ml.places import place

if TYPE_CHECKING:
    from ml.job import TrainingJob
    from ml.training import ModelFolder


def model_inputs(context: dg.AssetExecutionContext, lake: Lake) -> dict[str, Any]:
    """The provenance of a model, for its ``inputs.json``. See `assets.models.provenance`."""
    spec = context.assets_def.get_asset_spec(context.asset_key)
    settings = spec.metadata.get(SETTINGS, {})
    return {
        "lake_snapshot": lake.snapshot(),
        "code_version": spec.code_version,
        "run_id": context.run.run_id,
        "arrays": newest_versions(place(settings.get("HOWTO_ARRAYS", lake.root)) / "arrays"),
        "settings": settings,
        "models": read_models(lake.root / "models", (dep.asset_key.path[-1] for dep in spec.deps)),
    }


def log_progress(context: dg.AssetExecutionContext, of: int | None = None) -> Callable[[Mapping[str, float]], None]:
    """A function that logs the metrics of a training's step or epoch, of ``of`` epochs, in the run."""
    return TrainingProgress(context.log.info, of)


def run_job(context: dg.AssetExecutionContext, job: "TrainingJob", processes: int) -> "ModelFolder":
    """Train as a job describes and return the model folder; its progress is in the run's log.

    Args:
        processes: of torchrun, which runs ``assets.models.worker``; 0 trains in this process.
    """
    from ml.training import read_model_folder

    if processes:
        model, file = job.output.name, job.output.with_name(f".{job.output.name}.job.json")
        job.write(file)
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [*launcher, "-m", "assets.models.worker", "--model", model, "--job", str(file)]
        dg.PipesSubprocessClient().run(context=context, command=command)
    else:
        job.run(log_progress(context))
    return read_model_folder(job.output)


def trained_model(
    root: Path, name: str, metrics: Mapping[str, float], device: str, more: Mapping[str, Any] | None = None
) -> dg.MaterializeResult:
    """The result of an asset that wrote the model folder ``name``: its content version, and metadata for its page.

    Args:
        root: folder of the model folders.
        metrics: shown with four significant digits.
        device: device that the model was trained on, e.g. ``cuda``.
        more: further metadata.
    """
    folder = Path(root).joinpath(name)
    publish(root, name)
    version = model_version(folder)
    assert version is not None
    inputs = json.loads((folder / "inputs.json").read_text(encoding="utf-8"))
    parameters, size_bytes = model_size(folder)
    about: dict[str, Any] = {
        "path": dg.MetadataValue.path(str(folder)),
        "inputs": dg.MetadataValue.json(inputs),
        "device": device,
        **rounded({"parameters": parameters, "size_mb": size_bytes / 1e6}),
    }
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version), metadata={**about, **rounded(metrics), **(more or {})}
    )
