"""Where the steps of a run execute, and what each asks of a Kubernetes cluster.

Belongs here: from HOWTO_COMPUTE to Dagster's executor. Whatever else runs on a cluster is ``orchestration/deploy``.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import dagster as dg

from orchestration.automation import SELECTIONS
from orchestration.settings import Settings

GPU_POOL = "gpu"
"""The pool of the assets that run networks; their steps get the GPUs of a cluster."""

_GPU_NODES: dict[str, Any] = {
    # The label and the taint that NVIDIA's GPU operator gives to a node with GPUs.
    "node_selector": {"nvidia.com/gpu.present": "true"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
}


def executor(settings: Settings, assets: Sequence[dg.AssetsDefinition]) -> dg.ExecutorDefinition:
    """The executor that HOWTO_COMPUTE names."""
    if settings.compute == "kubernetes":
        from dagster_k8s import k8s_job_executor

        return k8s_job_executor.configured(
            {
                "step_k8s_config": _pod(settings, gpus=0),
                "per_step_k8s_config": {name: _pod(settings, settings.step_gpus) for name in steps_on_gpu(assets)},
            },
            name="kubernetes",
        )
    return dg.multiprocess_executor if settings.compute == "multiprocess" else dg.in_process_executor


def steps_on_gpu(assets: Sequence[dg.AssetsDefinition]) -> list[str]:
    """Names of the steps that run networks: those of assets in ``GPU_POOL``, and of jobs that refresh such assets."""
    on_gpu = [definition for definition in assets if definition.op.pool == GPU_POOL]
    keys = {key for definition in on_gpu for key in definition.keys}
    with warnings.catch_warnings():
        # That Dagster may still change how it reads a selection is the pinned version's matter.
        warnings.simplefilter("ignore", dg.BetaWarning)
        refreshes = [
            f"refresh_{job}"
            for job, selection in SELECTIONS.items()
            if dg.AssetSelection.from_string(selection).resolve(list(assets)) & keys
        ]
    return [*(definition.op.name for definition in on_gpu), *refreshes]


def _pod(settings: Settings, gpus: int) -> dict[str, Any]:
    """What the pod of a step asks for, as ``dagster-k8s/config`` would say it."""
    memory = f"{settings.step_memory_gb:g}G"
    requests: dict[str, str] = {"cpu": f"{settings.step_cpus:g}", "memory": memory}
    limits: dict[str, str] = {"memory": memory} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    return {
        "container_config": {"resources": {"requests": requests, "limits": limits}},
        "pod_spec_config": _GPU_NODES if gpus else {},
    }
