"""What the assets of all trained models share: provenance, progress in the log, launching, metadata."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from assets.lake import Lake
from assets.models.folder import model_version


def model_inputs(context: dg.AssetExecutionContext, lake: Lake) -> dict[str, Any]:
    """What a model was made from, for its ``inputs.json``."""
    code_version = context.assets_def.get_asset_spec(context.asset_key).code_version
    return {"lake_snapshot": lake.snapshot(), "code_version": code_version, "run_id": context.run.run_id}


def told(context: dg.AssetExecutionContext) -> Callable[[dict[str, float]], None]:
    """Progress of a training in the log of its run."""
    return lambda entry: context.log.info(", ".join(f"{name} {value:.4g}" for name, value in entry.items()))


def torchrun(context: dg.AssetExecutionContext, model: str, job: Path, processes: int) -> None:
    """Run a model's training job (``assets.models.worker``) by torchrun, its progress in the run's log."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [*launcher, "-m", "assets.models.worker", "--model", model, "--job", str(job)]
    dg.PipesSubprocessClient().run(context=context, command=command)


def trained_model(folder: Path, metrics: dict[str, float], more: dict[str, Any] | None = None) -> dg.MaterializeResult:
    """What an asset that wrote a model folder tells: its content's version, its inputs, its metrics, and more."""
    version = model_version(folder)
    assert version is not None
    inputs = json.loads((folder / "inputs.json").read_text(encoding="utf-8"))
    told = {"path": dg.MetadataValue.path(str(folder)), "inputs": dg.MetadataValue.json(inputs)}
    rounded = {name: float(f"{value:.4g}") for name, value in metrics.items()}
    return dg.MaterializeResult(data_version=dg.DataVersion(version), metadata={**told, **rounded, **(more or {})})
