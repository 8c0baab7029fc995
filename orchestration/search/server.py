"""Serving the search page: from settings to the application, and the application on a socket."""

from __future__ import annotations

import ipaddress
import socket

import uvicorn
from fastapi import FastAPI

from orchestration.resources import build_resources
from orchestration.search.app import build_app
from orchestration.search.browse.labels import Sheets
from orchestration.search.browse.page import BrowsePage
from orchestration.search.loading import library
from orchestration.search.options import SearchOptions
from orchestration.search.protocol import PatientProtocol
from orchestration.settings import Settings


def search_app(settings: Settings, options: SearchOptions) -> FastAPI:
    """The search page over the lake of these settings."""
    resources = build_resources(settings)
    roots = [resources["media_root"], *([settings.sources.folder] if settings.sources.folder else [])]
    sheets = Sheets(resources["lake"], resources["review_root"], resources["task_rules"].review)
    limits, clip_limits = resources["limits"], resources["clip_limits"]
    browse = BrowsePage(resources["lake"], limits, clip_limits, sheets, roots, options.writable)
    card = resources["card_root"] / "card.html"
    return build_app(library(settings, resources), roots, options, card, [browse.router()])


def serve(settings: Settings, host: str, listening: socket.socket) -> None:
    """Serve the search page on a socket that listens on ``host``, until interrupted."""
    # A page that other machines reach has host names that only its operator knows.
    options = SearchOptions() if _is_loopback(host) else SearchOptions(hosts=("*",), writable=False)
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
