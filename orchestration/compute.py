"""Where the steps of a run execute, and what each requests from a Kubernetes or a Ray cluster.

See `orchestration/deploy` for the rest of a cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import dagster as dg

from orchestration.settings import Settings
from orchestration.settings.model import ComputeSettings
from orchestration.tags import GPU_POOL

NAMESPACE = "howto-lake"
"""Of everything that ``orchestration/deploy`` makes."""

_GPU_NODES: dict[str, Any] = {
    # The label and the taint that NVIDIA's GPU operator gives to a node with GPUs.
    "node_selector": {"nvidia.com/gpu.present": "true"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
}


def executor(settings: Settings, assets: Sequence[dg.AssetsDefinition]) -> dg.ExecutorDefinition:
    """The executor that HOWTO_COMPUTE names."""
    compute = settings.compute
    if compute.executor == "kubernetes":
        from dagster_k8s import k8s_job_executor

        return k8s_job_executor.configured(
            {
                "step_k8s_config": _pod(compute, gpus=0),
                "per_step_k8s_config": {name: _pod(compute, compute.step_gpus) for name in steps_on_gpu(assets)},
            },
            name="kubernetes",
        )
    return dg.multiprocess_executor if compute.executor == "multiprocess" else dg.in_process_executor


def steps_on_gpu(assets: Sequence[dg.AssetsDefinition]) -> list[str]:
    """Names of the steps that run networks: those of assets in ``GPU_POOL``."""
    return [definition.op.name for definition in assets if definition.op.pool == GPU_POOL]


def _pod(compute: ComputeSettings, gpus: int) -> dict[str, Any]:
    """What the pod of a step asks for, as ``dagster-k8s/config`` would say it."""
    memory = f"{compute.step_memory_gb:g}G"
    requests: dict[str, str] = {"cpu": f"{compute.step_cpus:g}", "memory": memory}
    limits: dict[str, str] = {"memory": memory} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    return {
        "container_config": {"resources": {"requests": requests, "limits": limits}},
        "pod_spec_config": _GPU_NODES if gpus else {},
    }


def ray_cluster(settings: Settings) -> object:
    """The resource that creates a run's Ray cluster with KubeRay; the word ``given`` where none has to be created."""
    compute = settings.compute
    if compute.executor != "ray" or compute.ray_cluster == "given":
        return "given"
    from dagster_ray.kuberay import KubeRayCluster, RayClusterConfig, RayClusterSpec

    workers = {
        "groupName": "workers",
        "replicas": compute.ray_actors,
        "minReplicas": compute.ray_actors,
        "maxReplicas": compute.ray_actors,
        "rayStartParams": {},
        "template": _ray_pod(compute, "worker", compute.ray_gpus),
    }
    # The head has no CPU to give, so that every actor is on a worker.
    head = {"serviceType": "ClusterIP", "rayStartParams": {"num-cpus": "0"}, "template": _ray_pod(compute, "head", 0)}
    spec = RayClusterSpec(head_group_spec=head, worker_group_specs=[workers])
    return KubeRayCluster(
        ray_cluster=RayClusterConfig(metadata={"namespace": NAMESPACE}, spec=spec),
        ray_init_options={"log_to_driver": False},
    )


def _ray_pod(compute: ComputeSettings, name: str, gpus: float) -> dict[str, Any]:
    """The pod of a Ray node, with the run's image, the lake's volume and no rights (``overlays/ray``)."""
    memory = f"{compute.step_memory_gb:g}G"
    whole_gpus = {"nvidia.com/gpu": str(ceil(gpus))} if gpus else {}
    container = {
        "name": name,
        "envFrom": [{"configMapRef": {"name": "howto-lake"}}],
        "resources": {
            "requests": {"cpu": f"{compute.step_cpus:g}", "memory": memory},
            "limits": {"memory": memory} | whole_gpus,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "lake", "mountPath": "/lake"}, {"name": "tmp", "mountPath": "/tmp"}],
    }
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "containers": [container],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [
            {"name": "lake", "persistentVolumeClaim": {"claimName": "lake"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    if gpus:
        pod |= {"nodeSelector": _GPU_NODES["node_selector"], "tolerations": _GPU_NODES["tolerations"]}
    return {"metadata": {"labels": {"howto-lake/role": "ray"}}, "spec": pod}
