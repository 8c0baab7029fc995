"""A server on this machine with OpenAI's interface ``/chat/completions``, which also answers with faults."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body of a response."""


def completion(text: str | None, ended: str = "stop", tokens: tuple[int, int] | None = (100, 20)) -> Answer:
    """A response with a text, as such servers send it."""
    document: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "test-model-2026",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": ended}],
    }
    if tokens:
        document["usage"] = dict(
            zip(("prompt_tokens", "completion_tokens", "total_tokens"), (*tokens, sum(tokens)), strict=True)
        )
    return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()


def refusal(status: int, message: str, **headers: str) -> Answer:
    """A response with an error, as such servers send it."""
    body = json.dumps({"error": {"message": message, "type": "error", "code": None}}).encode()
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, body


def rewritten(prompt: str) -> Answer:
    """A caption per line of the prompt, at its time."""
    lines = (line.partition("s: ") for line in prompt.splitlines())
    return completion("\n".join(f"{second}s: someone shows: {text}" for second, _, text in lines))


@dataclass
class Server:
    """The address of a running server, its requests, and what it answers next: first the faults, then ``answer``."""

    url: str
    answer: Callable[[str], Answer] = rewritten
    faults: list[Answer | str] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.served.requests.append(body)
        self.served.keys.append(self.headers.get("Authorization"))
        answer = (
            self.served.faults.pop(0) if self.served.faults else self.served.answer(body["messages"][-1]["content"])
        )
        if self.path != "/v1/chat/completions":
            answer = refusal(404, f"no such path: {self.path}")
        if answer == "hang up":
            self.close_connection = True
        elif answer == "half":
            self._send(200, {"Content-Length": "1000"}, b'{"choices": [')
            self.close_connection = True
        elif answer == "slowly":
            self._send(200, {"Content-Length": "1000"}, b"{")
            for _ in range(30):
                time.sleep(0.05)
                self.wfile.write(b" ")
            self.close_connection = True
        else:
            assert not isinstance(answer, str)
            status, headers, content = answer
            self._send(status, {**headers, "Content-Length": str(len(content))}, content)

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def handle(self) -> None:
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client did not wait

    def log_message(self, format: str, *args: object) -> None:
        """Requests are in ``Server.requests``."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server on a free port."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server = Server(f"http://127.0.0.1:{http.server_port}/v1")
    http.RequestHandlerClass = type("Handler", (_Handler,), {"served": server})
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
