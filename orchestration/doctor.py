"""What can be checked before work starts: the settings, the machine, the stores, the weights."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

import duckdb

from assets.lake import Lake, LakeError
from assets.lake.faults import check_catalog
from assets.retention import newest_snapshot_ahead
from ml.places import StoreUnreachableError, reaching, remote_place
from ml.vision.registry import NETWORKS
from orchestration.settings import Settings, SettingsError, load_settings
from orchestration.stores import lake_of, reason
from sql import literal

LEAST_FREE_GB, ENOUGH_FREE_GB = 2.0, 10.0
ENOUGH_MEMORY_GB = 4.0
PORTS = {3000: "howto ui", 8000: "howto search"}

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """The result of one check: ``text`` is what was found and, if it is not ok, what to do."""

    level: Level
    subject: str
    text: str


def examine() -> Iterator[Finding]:
    """All findings. Nothing is written, and no lake is made."""
    yield from _python()
    yield from _machine()
    yield from _ports()
    try:
        settings = load_settings()
    except SettingsError as error:
        yield from (Finding("fail", "settings", line) for line in str(error).splitlines())
        return
    yield Finding("ok", "settings", "all values are valid; howto settings lists them")
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _disk,
        _catalog,
        _object_storage,
        _gpu,
        _weights,
        _javascript,
    )
    for check in checks:
        yield from check(settings)


def _python() -> Iterator[Finding]:
    yield Finding("ok", "python", platform.python_version())  # pip installs this project on no older one than it needs


def _machine() -> Iterator[Finding]:
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    found = f"{os.cpu_count()} CPUs, {memory_gb:.0f} GB of memory"
    if memory_gb < ENOUGH_MEMORY_GB:
        yield Finding("warn", "machine", f"{found}; trainings may need {ENOUGH_MEMORY_GB:.0f} GB")
    else:
        yield Finding("ok", "machine", found)


def _ports() -> Iterator[Finding]:
    for port, command in PORTS.items():
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            yield Finding("warn", f"port {port}", f"another program uses it; choose one with {command} --port")
        else:
            yield Finding("ok", f"port {port}", f"free for {command}")


def _disk(settings: Settings) -> Iterator[Finding]:
    lake = settings.lake.absolute()
    place = next(path for path in (lake, *lake.parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        yield Finding("fail", "lake", f"{place}: no folder that can be written to; choose another with HOWTO_LAKE")
        return
    yield Finding("ok", "lake", f"{settings.lake}{'' if lake.exists() else ' (not made yet)'}")
    free_gb = shutil.disk_usage(place).free / 1e9
    text = f"{free_gb:.0f} GB free at {place}"
    if free_gb < LEAST_FREE_GB:
        yield Finding("fail", "disk", f"{text}; make room: at least {LEAST_FREE_GB:.0f} GB are needed")
    elif free_gb < ENOUGH_FREE_GB:
        yield Finding("warn", "disk", f"{text}; videos and features may need more")
    else:
        yield Finding("ok", "disk", text)


def _catalog(settings: Settings) -> Iterator[Finding]:
    lake = lake_of(settings)
    kind, _, connection = lake.catalog.partition(":")
    try:
        check_catalog(lake.catalog, lake.data_path)
        database = _connected(lake)
        if kind == "postgres":
            database.execute(f"ATTACH {literal(connection)} AS catalog (TYPE postgres, READ_ONLY)")
        elif not lake.is_new:
            lake.snapshot()
            if ahead := newest_snapshot_ahead(lake):
                yield Finding("warn", "clock", ahead)
        yield Finding("ok", "catalog", f"{kind}{', not made yet' if lake.is_new else ''}")
        if lake.data_path.startswith("s3://"):
            database.execute("SELECT count(*) FROM glob(?)", [f"{lake.data_path.rstrip('/')}/*"])
            yield Finding("ok", "data path", lake.data_path)
    except (duckdb.Error, LakeError) as error:
        yield Finding(
            "fail", "catalog", f"{kind}: {reason(error)}; check HOWTO_CATALOG, HOWTO_DATA_PATH and their keys"
        )


def _object_storage(settings: Settings) -> Iterator[Finding]:
    address = settings.storage.arrays
    if address is None:
        return
    try:
        with reaching():
            next(remote_place(address).iterdir(), None)
        yield Finding("ok", "arrays", address)
    except StoreUnreachableError as error:
        yield Finding("fail", "arrays", f"{address}: {error}")


def _connected(lake: Lake) -> duckdb.DuckDBPyConnection:
    """DuckDB with the extensions and keys of a lake, the lake itself not attached."""
    database = duckdb.connect()
    lake.install_extensions()
    *preparations, _ = lake.opening()
    for statement in preparations:
        database.execute(statement)
    return database


def _gpu(settings: Settings) -> Iterator[Finding]:
    import torch

    from ml.training import pick_device

    device = settings.runtime.device
    try:
        picked = pick_device(device)
    except ValueError as error:
        yield Finding("fail", "device", f"{error}; set HOWTO_DEVICE=auto")
        return
    if picked.type == "cpu":
        yield Finding("warn", "device", "cpu: no GPU is found or chosen; large data takes long")
    else:
        name = torch.cuda.get_device_name(picked) if picked.type == "cuda" else str(picked)
        yield Finding("ok", "device", name)


def _weights(settings: Settings) -> Iterator[Finding]:
    for spec in settings.features.specs:
        given = dict(settings.features.weights).get(spec.network)
        if spec.name in dict(settings.features.files):
            yield Finding("ok", spec.name, "its features are read from files")
        elif given is not None:
            yield Finding("ok", spec.name, f"weights of {given.source}")
        else:
            module, _, network = NETWORKS[spec.network].partition(":")
            published = getattr(getattr(import_module(module), network), "published", None)
            if published is None or published.sha256 is None:
                where = f", published at {published.source}" if published else ""
                yield Finding("fail", spec.name, f"no weights{where}; set HOWTO_WEIGHTS={spec.network}=FILE")
            elif Path(published.source).exists():
                yield Finding("ok", spec.name, "weights are installed")
            else:
                yield Finding("ok", spec.name, f"weights are fetched from {published.source} when they are needed")


def _javascript(settings: Settings) -> Iterator[Finding]:
    """yt-dlp runs YouTube's player script; of the runtimes that it knows it uses Deno without being configured."""
    if settings.sources.kind != "youtube":
        return
    from yt_dlp.utils._jsruntime import DenoJsRuntime

    info = DenoJsRuntime().info
    if info is None:
        yield Finding("fail", "deno", "not found, and yt-dlp needs it for YouTube; pip install 'howto-lake[youtube]'")
    elif not info.supported:
        yield Finding("fail", "deno", f"{info.version} is too old for yt-dlp; pip install -U deno")
    else:
        yield Finding("ok", "deno", info.version)
