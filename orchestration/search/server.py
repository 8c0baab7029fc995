"""Serving the search page on a socket. It listens before the application, whose imports take seconds, is there."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any

import uvicorn

from orchestration.search.options import SearchOptions
from orchestration.search.protocol import PatientProtocol
from orchestration.search.starting import StartingApp

if TYPE_CHECKING:
    from orchestration.settings import Settings


def serve(settings: Settings, host: str, listening: socket.socket) -> None:
    """Serve the search page on a socket that listens on ``host``, until interrupted."""
    # A page that other machines reach has host names that only its operator knows.
    options = SearchOptions() if _is_loopback(host) else SearchOptions(hosts=("*",), writable=False)

    def build() -> Any:
        from orchestration.search.lake_app import search_app

        return search_app(settings, options)

    def stop() -> None:
        server.should_exit = True

    app = StartingApp(build, stop)
    server = uvicorn.Server(server_config(app))
    server.run(sockets=[listening])
    if app.problem:
        raise app.problem


def server_config(app: Any, protocol: type[PatientProtocol] = PatientProtocol) -> uvicorn.Config:
    """How the search page is served."""
    return uvicorn.Config(app, http=protocol, log_level="warning", proxy_headers=False, server_header=False)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
