"""Serving the search page: from settings to the application, and the application on a socket."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI

from ml.lance_arrays import array_versions
from orchestration.resources import build_resources
from orchestration.search.app import build_app
from orchestration.search.library import Library
from orchestration.search.options import SearchOptions
from orchestration.search.protocol import PatientProtocol
from orchestration.settings import Settings

if TYPE_CHECKING:
    from orchestration.search.hero_moments import Corpus


def search_app(settings: Settings, options: SearchOptions) -> FastAPI:
    """The search page over the lake of these settings."""
    resources = build_resources(settings)
    models, index = resources["model_root"], resources["clip_index"]

    def load() -> Corpus:
        # Torch takes longer to import than the page to answer.
        from orchestration.search.hero_moments import load_corpus
        from orchestration.search.moments import configured_model, load_moments

        own = None if settings.text_video.own else configured_model(resources)
        moments = load_moments(resources["lake"], models, resources["pairs"], index, own)
        return load_corpus(moments, resources["lake"], models, resources["hero_store"])

    def version() -> Hashable:
        weights = [models / name / "model.safetensors" for name in ("word_vectors", "joint_embedding", "hero")]
        return *map(_changed, weights), *array_versions(index.path)

    roots = [resources["media_root"], *([settings.sources.folder] if settings.sources.folder else [])]
    return build_app(Library(load, version), roots, options, resources["card_root"] / "card.html")


def _changed(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None


def serve(settings: Settings, host: str, listening: socket.socket) -> None:
    """Serve the search page on a socket that listens on ``host``, until interrupted."""
    # A page that other machines reach has host names that only its operator knows.
    options = SearchOptions() if _is_loopback(host) else SearchOptions(hosts=("*",))
    app = search_app(settings, options)
    uvicorn.Server(server_config(app)).run(sockets=[listening])


def server_config(app: FastAPI, protocol: type[PatientProtocol] = PatientProtocol) -> uvicorn.Config:
    """How the search page is served."""
    return uvicorn.Config(app, http=protocol, log_level="warning", proxy_headers=False, server_header=False)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
