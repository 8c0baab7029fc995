"""Connections to the search page: half-open ones are closed, ambiguous requests are refused."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from orchestration.search.protocol import PatientProtocol
from orchestration.search.server import server_config
from orchestration.search.starting import StartingApp


class HastyProtocol(PatientProtocol):
    head_timeout_s = 0.3


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse("fine")

    server = uvicorn.Server(server_config(Starlette(routes=[Route("/", answer)]), HastyProtocol))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()
        server.should_exit = True
        thread.join()


def read_to_end(connection: socket.socket) -> bytes:
    """Everything until the server closes; a server that does not is an error after 20 s."""
    connection.settimeout(20)
    return b"".join(iter(lambda: connection.recv(4096), b""))


def read_until(connection: socket.socket, end: bytes) -> bytes:
    connection.settimeout(20)
    received = b""
    while not received.endswith(end):
        received += connection.recv(4096)
    return received


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_connection_without_a_whole_request_is_closed(address: tuple[str, int], sent: bytes) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(sent)
        assert read_to_end(connection) == b""


def test_a_request_that_comes_byte_by_byte_is_closed_also_after_a_good_one(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_until(connection, b"fine").startswith(b"HTTP/1.1 200")
        with pytest.raises(OSError, match=r"Broken pipe|reset|Bad file"):
            for _ in range(200):
                connection.sendall(b"G")
                time.sleep(0.05)


def test_a_second_host_header_is_refused(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert read_to_end(connection).startswith(b"HTTP/1.1 400")


def test_good_requests_share_a_connection(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        for _ in range(3):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read_until(connection, b"fine").startswith(b"HTTP/1.1 200")
            time.sleep(0.4)  # longer than a head may take


def test_requests_are_answered_while_the_application_is_built() -> None:
    ready, stopped = threading.Event(), threading.Event()

    def build() -> Starlette:
        ready.wait(20)
        return Starlette(routes=[Route("/", lambda _: PlainTextResponse("fine"))])

    with TestClient(StartingApp(build, stopped.set)) as client:
        pages = [client.get(path) for path in ("/", "/healthz", "/api/search?q=a")]
        assert {page.status_code for page in pages} == {503} and pages[1].json()["status"] == "loading"
        assert all("Starting. Loading" in page.text for page in pages)
        ready.set()
        while (page := client.get("/")).status_code == 503:
            time.sleep(0.02)
        assert page.text == "fine" and not stopped.is_set()

    failing = StartingApp(lambda: 1 / 0, stopped.set)
    with TestClient(failing):
        assert stopped.wait(20)
    assert isinstance(failing.problem, ZeroDivisionError)
