"""The deployment: its manifests, and runs and steps that its settings start as pods.

There is no cluster here. Manifests are rendered and checked against Kubernetes' schemas. The API of a cluster is played
by a server that starts the container of each job as a process of this machine, with the environment of its spec.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import dagster as dg
import kubernetes_validate
import pytest
import yaml
from dagster._core.code_pointer import CodePointer
from dagster._core.launcher import LaunchRunContext
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin

from orchestration.compute import ray_cluster
from orchestration.definitions import build_defs
from orchestration.resources import lake_of
from orchestration.settings import load_settings
from tests.services import Services
from tests.world import write_transactions

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "orchestration" / "deploy"
SCHEMAS = "1.34"
"""The Kubernetes version against whose schemas manifests are checked."""


def render(overlay: str, folder: Path) -> list[dict]:
    """What ``kubectl apply -k`` would send, with secrets made as the README says."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed: manifests cannot be rendered")
    copy = shutil.copytree(DEPLOY, folder / "orchestration" / "deploy")
    subprocess.run(_command_for_secrets(overlay), shell=True, cwd=folder, check=True)
    made = subprocess.run([kubectl, "kustomize", copy / "overlays" / overlay], check=True, capture_output=True)
    return list(yaml.safe_load_all(made.stdout))


def _command_for_secrets(overlay: str) -> str:
    blocks = re.findall(r"```sh\n(.*?)```", (DEPLOY / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if "/secrets.env" in block]
    # The overlay ray is made of minikube's.
    return block if overlay == "ray" else block.replace("overlays/minikube", f"overlays/{overlay}")


@pytest.fixture(scope="module", params=["minikube", "gpu", "ray"])
def manifests(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    return render(request.param, tmp_path_factory.mktemp(request.param))


def named(manifests: list[dict], kind: str, name: str) -> dict:
    (found,) = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def pods(manifests: list[dict]) -> dict[str, dict]:
    """The pod template's spec of each workload."""
    kinds = ("Deployment", "StatefulSet")
    return {m["metadata"]["name"]: m["spec"]["template"]["spec"] for m in manifests if m["kind"] in kinds}


def test_manifests_keep_the_schemas_of_kubernetes(manifests: list[dict]) -> None:
    for manifest in manifests:
        kubernetes_validate.validate(manifest, SCHEMAS, strict=True)
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
    assert len(names) == len(manifests)
    assert {"webserver", "daemon", "code-server", "postgres", "object-store"} == pods(manifests).keys()


def refuse_privileges(pod: dict) -> None:
    """Check what the policy ``restricted`` of the namespace requires of a pod, and that it has limits."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]
        assert not container["image"].endswith(":latest")


def test_every_container_is_bounded_and_watched(manifests: list[dict]) -> None:
    for pod in pods(manifests).values():
        refuse_privileges(pod)
        for container in pod["containers"]:
            assert "livenessProbe" in container
            assert "readinessProbe" in container or not container.get("ports")


def missing(pod: dict, manifests: list[dict]) -> set[tuple[str, str]]:
    """What a pod names and no manifest makes."""
    wanted = set()
    for volume in pod["volumes"]:
        if "configMap" in volume:
            wanted.add(("ConfigMap", volume["configMap"]["name"]))
        if "persistentVolumeClaim" in volume:
            wanted.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
    for source in [source for container in pod["containers"] for source in container.get("envFrom", [])]:
        ((kind, reference),) = source.items()
        wanted.add(({"configMapRef": "ConfigMap", "secretRef": "Secret"}[kind], reference["name"]))
    if "serviceAccountName" in pod:
        wanted.add(("ServiceAccount", pod["serviceAccountName"]))
    return wanted - {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}


def test_what_pods_name_is_there(manifests: list[dict]) -> None:
    for pod in pods(manifests).values():
        assert not missing(pod, manifests)


def test_traffic_is_refused_unless_a_policy_lets_it_pass(manifests: list[dict]) -> None:
    policies = {m["metadata"]["name"]: m["spec"] for m in manifests if m["kind"] == "NetworkPolicy"}
    assert policies["nothing"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    served = {
        m["metadata"]["name"]: (m["spec"]["selector"], m["spec"]["ports"][0]["port"])
        for m in manifests
        if m["kind"] == "Service"
    }
    for name in ("postgres", "object-store", "code-server"):
        selector, port = served[name]
        assert policies[name]["podSelector"]["matchLabels"] == selector
        assert [rule["port"] for rule in policies[name]["ingress"][0]["ports"]] == [port]
    assert "webserver" not in policies, "reached by port-forward alone"


def test_no_budget_holds_up_what_has_one_replica_by_accident(manifests: list[dict]) -> None:
    replicas = {m["metadata"]["name"]: m["spec"]["replicas"] for m in manifests if m["kind"] == "Deployment"}
    budgets = {m["metadata"]["name"] for m in manifests if m["kind"] == "PodDisruptionBudget"}
    assert {"postgres", "object-store"} <= budgets
    assert ("webserver" in budgets) == (replicas["webserver"] > 1)
    assert (
        replicas["daemon"] == 1 and named(manifests, "Deployment", "daemon")["spec"]["strategy"]["type"] == "Recreate"
    )


def test_runs_start_from_the_image_of_the_code_server(manifests: list[dict]) -> None:
    (container,) = pods(manifests)["code-server"]["containers"]
    assert {"name": "DAGSTER_CURRENT_IMAGE", "value": container["image"]} in container["env"]


def test_the_settings_of_the_cluster_are_settings(manifests: list[dict], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in named(manifests, "ConfigMap", "howto-lake")["data"].items():
        if name.startswith("HOWTO_"):
            monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.compute.executor == ("ray" if settings.compute.ray_cluster == "kuberay" else "kubernetes")
    assert settings.storage.data_path == "s3://howto-lake/tables/" and settings.storage.arrays == "s3://howto-lake"
    assert "PGPASSWORD" not in named(manifests, "ConfigMap", "howto-lake")["data"]


def test_images_run_without_root_and_are_built_as_the_readme_says() -> None:
    stages = re.split(r"^FROM ", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    names = {stage.split()[2]: stage for stage in stages}
    assert re.findall(r"^USER (.*)", names["runtime"], re.MULTILINE) == ["1000:1000"]
    for target in re.findall(r"--target (\w+)", (DEPLOY / "README.md").read_text(encoding="utf-8")):
        assert names[target].startswith("runtime AS") and "USER" not in names[target]
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", names["build"], re.MULTILINE)
    assert all((REPOSITORY / path).exists() for line in copied for path in line.split())


def test_nodes_of_ray_are_bounded_and_find_what_they_name(tmp_path: Path) -> None:
    pytest.importorskip("dagster_ray")
    manifests = render("ray", tmp_path)
    cluster = ray_cluster(load_settings(compute="ray", ray_cluster="kuberay", ray_actors=3, ray_gpus=0.5))
    made = cluster.ray_cluster.to_k8s(dg.build_init_resource_context(), image="howto-lake:cpu")
    head, (workers,) = made["spec"]["headGroupSpec"], made["spec"]["workerGroupSpecs"]
    for group, gpus in ((head, {}), (workers, {"nvidia.com/gpu": "1"})):
        template = group["template"]
        pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": "ray", **template["metadata"]}}
        kubernetes_validate.validate(pod, SCHEMAS, strict=True)
        refuse_privileges(pod["spec"])
        assert not missing(pod["spec"], manifests)
        assert pod["spec"]["containers"][0]["resources"]["limits"] == {"memory": "8G", **gpus}
        selector = named(manifests, "NetworkPolicy", "ray")["spec"]["podSelector"]["matchLabels"]
        assert selector.items() <= template["metadata"]["labels"].items()
    assert (workers["replicas"], head["rayStartParams"]) == (3, {"num-cpus": "0"})
    (rule, _) = named(manifests, "Role", "ray")["rules"]
    assert {"create", "get", "delete"} <= set(rule["verbs"])


class OneMachine(ThreadingHTTPServer):
    """The part of a cluster's API that Dagster uses: jobs are created and their state is read."""

    daemon_threads = True

    def __init__(self, manifests: list[dict], folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.manifests, self.folder = manifests, folder
        self.instead: dict[str, str] = {}
        self.jobs: dict[str, dict] = {}
        self.pods: dict[str, subprocess.Popen] = {}

    def make(self, job: dict) -> None:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        environment = {}
        for source in container["envFrom"]:
            environment |= self._data(source)
        environment |= {variable["name"]: variable["value"] for variable in container["env"]}
        name = job["metadata"]["name"]
        folder = self.folder / name
        folder.mkdir()
        image = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}
        with (folder / "log").open("w") as log:
            self.pods[name] = subprocess.Popen(
                container["args"], env=image | environment | self.instead, cwd=folder, stdout=log, stderr=log
            )
        self.jobs[name] = job

    def _data(self, source: dict) -> dict[str, str]:
        if "configMapRef" in source:
            return named(self.manifests, "ConfigMap", source["configMapRef"]["name"])["data"]
        data = named(self.manifests, "Secret", source["secretRef"]["name"])["data"]
        return {name: base64.b64decode(value).decode() for name, value in data.items()}

    def status(self, name: str) -> dict:
        code = self.pods[name].poll()
        return {"active": 1} if code is None else {"succeeded": 1} if code == 0 else {"failed": 1}

    def server_close(self) -> None:
        super().server_close()
        for pod in self.pods.values():
            pod.kill()
            pod.wait()


class _Api(BaseHTTPRequestHandler):
    server: OneMachine

    def do_POST(self) -> None:
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.make(job)
        self._answer(job)

    def do_GET(self) -> None:
        name = self.path.removesuffix("/status").rsplit("/", 1)[1]
        self._answer({**self.server.jobs[name], "status": self.server.status(name)})

    def _answer(self, content: dict) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def machine(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneMachine]:
    """The overlay ``gpu`` on one machine: its settings, with the addresses and folders that there are here."""
    manifests = render("gpu", tmp_path)
    for database in ("dagster", "lake"):
        services.new_database(database)
    with OneMachine(manifests, tmp_path) as machine:
        home = tmp_path / "home"
        home.mkdir()
        cluster = {"clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{machine.server_port}"}}]}
        context = {"contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}]}
        user = {"users": [{"name": "here", "user": {}}], "current-context": "here"}
        (home / "kubeconfig").write_text(yaml.safe_dump(cluster | context | user))
        instance = yaml.safe_load(named(manifests, "ConfigMap", "dagster-instance")["data"]["dagster.yaml"])
        launcher = {"load_incluster_config": False, "kubeconfig_file": str(home / "kubeconfig")}
        instance["run_launcher"]["config"] |= launcher
        (home / "dagster.yaml").write_text(yaml.safe_dump(instance))
        inputs = {f"HOWTO_{name.upper()}": str(path) for name, path in write_transactions(tmp_path).items()}
        machine.instead = services.environment | inputs
        machine.instead |= {"HOWTO_LAKE": str(tmp_path / "lake"), "DAGSTER_STATE": str(tmp_path / "state")}
        machine.instead |= {"HOME": str(tmp_path), "DAGSTER_HOME": str(home)}
        for name, value in (named(manifests, "ConfigMap", "howto-lake")["data"] | machine.instead).items():
            monkeypatch.setenv(name, value)
        Thread(target=machine.serve_forever, daemon=True).start()
        yield machine
        machine.shutdown()


def launch(instance: dg.DagsterInstance, image: str, *assets: str) -> dg.DagsterRun:
    """Start a run as the daemon does, and wait for its end."""
    pointer = CodePointer.from_module("orchestration.definitions", "defs", working_directory=None)
    origin = RepositoryPythonOrigin(sys.executable, pointer, image, DEFAULT_DAGSTER_ENTRY_POINT, None)
    job = build_defs(load_settings()).resolve_implicit_global_asset_job_def()
    keys = {dg.AssetKey(asset) for asset in assets}
    job = job.get_subset(asset_selection=keys)
    run = instance.create_run_for_job(job, asset_selection=keys, job_code_origin=JobPythonOrigin(job.name, origin))
    instance.run_launcher.launch_run(LaunchRunContext(run, None))
    started = time.monotonic()
    while not (run := instance.get_run_by_id(run.run_id)).is_finished:
        assert time.monotonic() - started < 240, "the run does not end"
        time.sleep(0.2)
    return run


@pytest.mark.campaign
def test_runs_and_steps_are_pods_and_networks_get_gpus(machine: OneMachine) -> None:
    (code_server,) = pods(machine.manifests)["code-server"]["containers"]
    with dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]) as instance:
        # cluster_gcn has no graph to learn from yet: its pod starts and says so, and the other step is none the worse.
        run = launch(instance, code_server["image"], "retail_source", "cluster_gcn")
        events = [log.dagster_event for log in instance.all_logs(run.run_id) if log.dagster_event]
    assert [event.step_key for event in events if event.is_step_failure] == ["cluster_gcn"]
    assert [event.step_key for event in events if event.is_step_success] == ["retail_source", "retail_source_schema"]
    settings = load_settings()
    assert lake_of(settings).has("retail_source")

    by_step = {job["metadata"]["labels"].get("dagster/op", "run"): job for job in machine.jobs.values()}
    assert by_step.keys() == {"run", "retail_source", "retail_source_schema", "cluster_gcn"}
    for job in by_step.values():
        kubernetes_validate.validate(job, SCHEMAS, strict=True)
        pod = job["spec"]["template"]
        refuse_privileges(pod["spec"])
        assert not missing(pod["spec"], machine.manifests)
        assert pod["spec"]["containers"][0]["image"] == code_server["image"]
        assert pod["metadata"]["labels"]["howto-lake/role"] == "worker"
    pods_by_step = {step: job["spec"]["template"]["spec"] for step, job in by_step.items()}
    limits = {step: pod["containers"][0]["resources"]["limits"] for step, pod in pods_by_step.items()}
    assert limits["cluster_gcn"] == {"memory": "16G", "nvidia.com/gpu": "1"}
    assert limits["retail_source"] == {"memory": "16G"} and limits["run"] == {"memory": "4Gi"}
    assert pods_by_step["cluster_gcn"]["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert pods_by_step["cluster_gcn"]["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert "nodeSelector" not in pods_by_step["retail_source"]
