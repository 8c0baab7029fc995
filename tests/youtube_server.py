"""YouTube on the loopback interface: what the real client libraries ask for, answered as the real site answers.

The server is an HTTP proxy that ends TLS itself with a certificate made for the occasion, so the code under test keeps
its real addresses. Each request is logged; each can be made to fail as the real ones do. See ``youtube_answers`` for
the content of the site.
"""

from __future__ import annotations

import base64
import datetime as dt
import http.server
import io
import json
import re
import socket
import ssl
import struct
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.youtube_answers import (
    Fault,
    Kind,
    Request,
    Track,
    Video,
    YouTube,
    data_api,
    player,
    recorded_answer,
    refusal,
    search_page,
    timed_text,
    tiny_mp4,
    video_id_of,
    watch_page,
)

__all__ = [
    "Fault",
    "Kind",
    "Request",
    "Served",
    "Track",
    "Video",
    "YouTube",
    "only_loopback",
    "serving",
    "tiny_mp4",
    "video_id_of",
]

HOSTS = ("*.youtube.com", "*.googlevideo.com", "*.googleapis.com")


@contextmanager
def serving(youtube: YouTube, folder: Path) -> Iterator[Served]:
    """The site behind a proxy on a free port, until the block ends."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.youtube, server.stopping = youtube, threading.Event()  # type: ignore[attr-defined]
    server.tls, ca = _certificates(folder)  # type: ignore[attr-defined]
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that was killed is no error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.server_address[1]}", ca)
    finally:
        server.stopping.set()  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Served:
    """Where the proxy listens, and the certificate authority to trust behind it."""

    proxy: str
    ca: Path


@contextmanager
def only_loopback() -> Iterator[None]:
    """Every connection of this process to another machine, and every look-up of its name, raises."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1"):
            raise AssertionError(f"a test connects to {address}")
        connect(self, address)

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in ("127.0.0.1", "::1", "localhost", None):
            raise AssertionError(f"a test looks up {host}")
        return look_up(host, *args, **kwargs)

    with (
        mock.patch.object(socket.socket, "connect", guarded_connect),
        mock.patch.object(socket, "getaddrinfo", guarded_look_up),
    ):
        yield


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal; requests are in the log of the site."""

    def do_CONNECT(self) -> None:
        self.send_response(200, "Connection established")
        self.end_headers()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), _Unbuffered(self.connection)  # type: ignore[assignment]
        self.close_connection = False

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/youtubei/v1/search"):
            query, page = question.get("query"), 0
            if "continuation" in question:
                query, page = json.loads(base64.b64decode(question["continuation"]))
            params = question.get("params", "")
            self._answer("search", query, f"{page} {params}", lambda: search_page(self.server.youtube, query, page))
        else:
            video_id, client = question["videoId"], question["context"]["client"]["clientName"]
            self._answer("player", video_id, client, lambda: self.player(video_id))

    def do_GET(self) -> None:
        address = urllib.parse.urlsplit(self.path)
        query = {name: values[0] for name, values in urllib.parse.parse_qs(address.query).items()}
        youtube: YouTube = self.server.youtube
        if address.path == "/watch":
            self._answer("watch", query["v"], "", lambda: watch_page(youtube.video(query["v"])))
        elif address.path == "/api/timedtext":
            detail = " ".join(filter(None, (query["lang"], query.get("kind"), query.get("tlang"), query.get("fmt"))))
            self._answer("timedtext", query["v"], detail, lambda: timed_text(youtube.video(query["v"]), query))
        elif address.path == "/videoplayback":
            self._answer("media", query["id"], self.headers.get("Range") or "", lambda: tiny_mp4(48, query["id"]))
        elif address.path.startswith("/youtube/v3/"):
            method = address.path.rsplit("/", 1)[1]
            key = query.get("q") or query["id"]
            self._answer("data_api", key, f"{method} {query.get('pageToken', '')}", lambda: data_api(youtube, query))
        else:
            raise AssertionError(f"nobody should ask for {self.path}")

    def player(self, video_id: str) -> bytes:
        return player(video_id, self.server.youtube.video(video_id))

    def _answer(self, kind: Kind, key: str, detail: str, make: Callable[[], bytes]) -> None:
        youtube: YouTube = self.server.youtube
        request = Request(kind, key, detail)
        youtube.log.append(request)
        youtube.on_request(request)
        fault = youtube.fault(kind, key)
        if fault in ("429", "503", "403"):
            self._send(b"<html>no</html>", int(fault), {"Retry-After": "7200"} if fault == "429" else {})
        elif fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        elif fault == "drip":
            self._drip(make())
        elif fault == "cut":
            body = make()
            self._send(body[: len(body) // 2], length=len(body))
            self.close_connection = True
        elif fault in ("malformed", "empty"):
            self._send(make()[:100] if fault == "malformed" else b"")
        elif fault in ("consent", "endless_consent"):
            page = "youtube_consent_page.html.static"
            given = fault == "consent" and "CONSENT" in self.headers.get("Cookie", "")
            self._send(make() if given else recorded_answer(page))
        elif fault == "recaptcha":
            self._send(recorded_answer("youtube_too_many_requests.html.static"))
        elif fault in ("quota", "bad_key"):
            self._send(json.dumps({"error": _API_ERRORS[fault]}).encode(), _API_ERRORS[fault]["code"])
        elif fault is not None:
            self._send(refusal(fault, key))
        else:
            self._send(make())

    def _send(
        self, body: bytes, status: int = 200, headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        headers = {**(headers or {}), "Content-Type": "application/json; charset=utf-8"}
        if wanted and status == 200:
            first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
            if first < len(body):
                headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
                body, status = body[first : last + 1], 206
            else:
                headers["Content-Range"] = f"bytes */{len(body)}"
                body, status = b"", 416
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        step = max(1, len(body) // 200)  # four seconds at least, and no pause in which a socket would give up
        for i in range(0, len(body), step):
            if self.server.stopping.wait(0.02):
                return
            self.wfile.write(body[i : i + step])


class _Unbuffered(io.RawIOBase):
    """Writes of a TLS connection, each at once."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self.connection = connection

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.connection.sendall(data)
        return len(data)


_API_ERRORS: dict[str, dict[str, Any]] = {
    "quota": {
        "code": 403,
        "message": "The request cannot be completed because you have exceeded your quota.",
        "errors": [{"message": "exceeded", "domain": "youtube.quota", "reason": "quotaExceeded"}],
    },
    "bad_key": {
        "code": 400,
        "message": "API key not valid. Please pass a valid API key.",
        "errors": [{"message": "API key not valid.", "domain": "global", "reason": "badRequest"}],
    },
}


def _certificates(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS for ``HOSTS``, and the file of the authority that vouches for it; both a day old at most."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Loopback authority")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Loopback YouTube")])
    hosts = x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS])
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    ca = (
        _certificate(issuer, issuer, authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
        .sign(authority, hashes.SHA256())
    )
    leaf = (
        _certificate(subject, issuer, key)
        .add_extension(hosts, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(pem) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem")
    return context, folder / "ca.pem"


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )
