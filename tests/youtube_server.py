"""YouTube on the loopback interface: what the real client libraries ask for, answered as the real site answers.

The server is an HTTP proxy that ends TLS itself with a certificate made for the occasion, so the code under test keeps
its real addresses. Player answers and watch pages are those recorded in the tests of the installed
youtube-transcript-api; search pages, caption tracks and files are made here. Each request is logged; each can be made
to fail as the real ones do.
"""

from __future__ import annotations

import base64
import datetime as dt
import html
import http.server
import io
import json
import re
import socket
import ssl
import struct
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import av
import numpy as np
import youtube_transcript_api
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Kind = Literal["search", "player", "watch", "timedtext", "media", "data_api"]
Fault = Literal[
    "429", "503", "403", "reset", "drip", "malformed", "empty", "cut", "bot", "age", "removed", "private", "premiere",
    "disabled", "consent", "endless_consent", "recaptcha", "quota", "bad_key",
]  # fmt: skip

RECORDED = Path(youtube_transcript_api.__file__).parent / "test" / "assets"
HOSTS = ("*.youtube.com", "*.googlevideo.com", "*.googleapis.com")
PAGE = 20

Lines = tuple[tuple[float, float, str], ...]
SPOKEN: Lines = (
    (0.9, 5.1, "so now we are going to fold"),
    (3.4, 4.2, "the corner of the paper"),
    (6.0, 2.5, "like this"),
)


@dataclass(frozen=True)
class Track:
    """A caption track: its language, and lines of (start, duration, text) in seconds.

    One for the authorised is listed for all, but given only with a token that proves a real player.
    """

    language: str = "en"
    recognised: bool = True
    lines: Lines = SPOKEN
    authorised_only: bool = False


@dataclass(frozen=True)
class Video:
    """What the site knows of a video; ``listed`` is whether search shows its length and views."""

    title: str = "How to fold a paper crane"
    duration_s: int = 120
    views: int = 4321
    tracks: tuple[Track, ...] = (Track(),)
    listed: bool = True


@dataclass(frozen=True)
class Request:
    """One logged request: the video or query that it is about, and what else distinguishes it from others."""

    kind: Kind
    key: str
    detail: str


@dataclass
class YouTube:
    """The site: its videos, its faults, and its log. What is not set is made up from the id or the query."""

    videos: dict[str, Video] = field(default_factory=dict)
    results: dict[str, list[str]] = field(default_factory=dict)
    log: list[Request] = field(default_factory=list)
    on_request: Callable[[Request], None] = lambda request: None
    _faults: dict[tuple[Kind, str], list[Fault]] = field(default_factory=dict)

    def fail(self, kind: Kind, key: str, fault: Fault, times: int = 1_000_000) -> None:
        """Let requests of a kind about a video or query (``*``: any) fail, so many times."""
        self._faults[kind, key] = [fault] * min(times, 1000)

    def fault(self, kind: Kind, key: str) -> Fault | None:
        planned = self._faults.get((kind, key)) or self._faults.get((kind, "*"))
        return planned.pop() if planned else None

    def counts(self, key: str | None = None) -> Counter[str]:
        """Logged requests by kind, of one video or query or of all."""
        return Counter(request.kind for request in self.log if key in (None, request.key))

    def video(self, video_id: str) -> Video:
        return self.videos.get(video_id, Video())

    def found(self, query: str) -> list[str]:
        return self.results.get(query, [video_id_of(query, rank) for rank in range(300)])


def video_id_of(query: str, rank: int) -> str:
    """An id of the real form for the result at a rank, from 0."""
    return base64.urlsafe_b64encode(f"{abs(hash_of(query)) % 4096:03x}{rank:05d}".encode())[:11].decode()


def hash_of(text: str) -> int:
    return sum((i + 1) * ord(letter) for i, letter in enumerate(text))


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
            self._answer("search", query, f"{page} {params}", lambda: _search_page(self.server.youtube, query, page))
        else:
            video_id, client = question["videoId"], question["context"]["client"]["clientName"]
            self._answer("player", video_id, client, lambda: self._player(video_id))

    def do_GET(self) -> None:
        address = urllib.parse.urlsplit(self.path)
        query = {name: values[0] for name, values in urllib.parse.parse_qs(address.query).items()}
        youtube: YouTube = self.server.youtube
        if address.path == "/watch":
            self._answer("watch", query["v"], "", lambda: _recorded("youtube.html.static"))
        elif address.path == "/api/timedtext":
            detail = " ".join(filter(None, (query["lang"], query.get("kind"), query.get("tlang"), query.get("fmt"))))
            self._answer("timedtext", query["v"], detail, lambda: _timed_text(youtube.video(query["v"]), query))
        elif address.path == "/videoplayback":
            self._answer("media", query["id"], self.headers.get("Range") or "", lambda: tiny_mp4(48, query["id"]))
        elif address.path.startswith("/youtube/v3/"):
            method = address.path.rsplit("/", 1)[1]
            key = query.get("q") or query["id"]
            self._answer("data_api", key, f"{method} {query.get('pageToken', '')}", lambda: _data_api(youtube, query))
        else:
            raise AssertionError(f"nobody should ask for {self.path}")

    def _player(self, video_id: str) -> bytes:
        return _player(video_id, self.server.youtube.video(video_id))

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
            self._send(make() if given else _recorded(page))
        elif fault == "recaptcha":
            self._send(_recorded("youtube_too_many_requests.html.static"))
        elif fault in ("quota", "bad_key"):
            self._send(json.dumps({"error": _API_ERRORS[fault]}).encode(), _API_ERRORS[fault]["code"])
        elif fault is not None:
            self._send(_refusal(fault, key))
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
_REFUSALS: dict[str, str] = {
    "bot": "youtube_request_blocked.innertube.json.static",
    "age": "youtube_age_restricted.innertube.json.static",
    "removed": "youtube_video_unavailable.innertube.json.static",
    "private": "youtube_video_unavailable.innertube.json.static",
    "premiere": "youtube_video_unavailable.innertube.json.static",
    "disabled": "youtube_transcripts_disabled.innertube.json.static",
}
_SAID = {"private": ("LOGIN_REQUIRED", "This video is private"), "premiere": ("UNPLAYABLE", "Premieres in 2 hours")}


@cache
def _recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def _refusal(fault: Fault, video_id: str) -> bytes:
    answer = json.loads(_recorded(_REFUSALS[fault]))
    if fault in _SAID:
        answer["playabilityStatus"] = {"status": _SAID[fault][0], "reason": _SAID[fault][1]}
    if "videoDetails" in answer:
        answer["videoDetails"]["videoId"] = video_id
    return json.dumps(answer).encode()


@cache
def _player(video_id: str, video: Video) -> bytes:
    recorded = json.loads(_recorded("youtube.innertube.json.static"))
    answer = {name: recorded[name] for name in ("responseContext", "playabilityStatus", "captions", "videoDetails")}
    answer["videoDetails"] |= {
        "videoId": video_id,
        "title": video.title,
        "lengthSeconds": str(video.duration_s),
        "viewCount": str(video.views),
    }
    small = recorded["streamingData"]["formats"][0]
    large = {**small, "itag": 22, "width": 1280, "height": 720, "quality": "hd720", "qualityLabel": "720p"}
    address = f"https://rr1---sn-loopback.googlevideo.com/videoplayback?id={video_id}&itag="
    answer["streamingData"] = {
        "expiresInSeconds": "21540",
        "formats": [{**each, "url": f"{address}{each['itag']}"} for each in (small, large)],
    }
    tracks = answer["captions"]["playerCaptionsTracklistRenderer"]
    tracks["captionTracks"] = [_listed(video_id, track) for track in video.tracks]
    if not video.tracks:
        del answer["captions"]
    return json.dumps(answer).encode()


def _listed(video_id: str, track: Track) -> dict[str, Any]:
    asr = {"kind": "asr"} if track.recognised else {}
    experiment = {"exp": "xpe"} if track.authorised_only else {}
    query = {"v": video_id, **experiment, "lang": track.language, **asr, "signature": "00", "fmt": "srv3"}
    return {
        "baseUrl": f"https://www.youtube.com/api/timedtext?{urllib.parse.urlencode(query)}",
        "name": {"runs": [{"text": f"{track.language}{' (auto-generated)' if track.recognised else ''}"}]},
        "vssId": f"{'a' if track.recognised else ''}.{track.language}",
        "languageCode": track.language,
        **asr,
        "isTranslatable": True,
    }


def _timed_text(video: Video, query: dict[str, str]) -> bytes:
    recognised = query.get("kind") == "asr"
    track = next(t for t in video.tracks if (t.language, t.recognised) == (query["lang"], recognised))
    lines = track.lines
    if "tlang" in query:
        lines = tuple((start, duration, f"[{query['tlang']}] {text}") for start, duration, text in lines)
    if query.get("fmt") == "json3":
        return json.dumps(_json3(lines, recognised)).encode()
    cues = "".join(
        f'<text start="{start}" dur="{duration}">{html.escape(html.escape(text))}</text>'
        for start, duration, text in lines
    )
    return f'<?xml version="1.0" encoding="utf-8" ?><transcript>{cues}</transcript>'.encode()


def _json3(lines: Lines, recognised: bool) -> dict[str, Any]:
    events: list[dict[str, Any]] = [
        {"tStartMs": 0, "dDurationMs": 120_000, "id": 1, "wpWinPosId": 1, "wsWinStyleId": 1}
    ]
    for start, duration, text in lines:
        words = [text]
        if recognised:
            words = [word if i == 0 else f" {word}" for i, word in enumerate(text.split(" "))]
            events.append({"tStartMs": round(start * 1000) - 10, "wWinId": 1, "aAppend": 1, "segs": [{"utf8": "\n"}]})
        segments = [
            {"utf8": word, **({"tOffsetMs": 200 * i, "acAsrConf": 0} if recognised else {})}
            for i, word in enumerate(words)
        ]
        events.append({"tStartMs": round(start * 1000), "dDurationMs": round(duration * 1000), "segs": segments})
    return {"wireMagic": "pb3", "pens": [{}], "wsWinStyles": [{}], "wpWinPositions": [{}], "events": events}


def _search_page(youtube: YouTube, query: str, page: int) -> bytes:
    found = youtube.found(query)
    shown = found[page * PAGE : (page + 1) * PAGE]
    contents = [{"itemSectionRenderer": {"contents": [_result(each, youtube.video(each)) for each in shown]}}]
    if len(found) > (page + 1) * PAGE:
        token = base64.b64encode(json.dumps([query, page + 1]).encode()).decode()
        command = {"continuationCommand": {"token": token, "request": "CONTINUATION_REQUEST_TYPE_SEARCH"}}
        contents.append({"continuationItemRenderer": {"continuationEndpoint": command}})
    if page:
        more = {"appendContinuationItemsAction": {"continuationItems": contents}}
        return json.dumps({"onResponseReceivedCommands": [more]}).encode()
    listed = {"sectionListRenderer": {"contents": contents}}
    return json.dumps({"contents": {"twoColumnSearchResultsRenderer": {"primaryContents": listed}}}).encode()


def _result(video_id: str, video: Video) -> dict[str, Any]:
    minutes, seconds = divmod(video.duration_s, 60)
    known = {
        "lengthText": {"simpleText": f"{minutes}:{seconds:02d}"},
        "viewCountText": {"simpleText": f"{video.views:,} views"},
    }
    return {
        "videoRenderer": {
            "videoId": video_id,
            "title": {"runs": [{"text": video.title}]},
            "ownerText": {
                "runs": [
                    {
                        "text": "Paper School",
                        "navigationEndpoint": {"browseEndpoint": {"browseId": "UCpaperpaperpaperpaperpa"}},
                    }
                ]
            },
            **(known if video.listed else {}),
            "badges": [{"metadataBadgeRenderer": {"style": "BADGE_STYLE_TYPE_SIMPLE", "label": "CC"}}],
        }
    }


def _data_api(youtube: YouTube, query: dict[str, str]) -> bytes:
    if "q" not in query:
        items = [_details(video_id, youtube.video(video_id)) for video_id in query["id"].split(",")]
        return json.dumps({"kind": "youtube#videoListResponse", "items": items}).encode()
    first, count = int(query.get("pageToken") or 0), int(query["maxResults"])
    found = youtube.found(query["q"])
    shown = [
        {
            "id": {"kind": "youtube#video", "videoId": video_id},
            "snippet": {"title": html.escape(youtube.video(video_id).title), "channelTitle": "Paper School"},
        }
        for video_id in found[first : first + count]
    ]
    more = {"nextPageToken": str(first + count)} if first + count < len(found) else {}
    return json.dumps({"kind": "youtube#searchListResponse", **more, "items": shown}).encode()


def _details(video_id: str, video: Video) -> dict[str, Any]:
    minutes, seconds = divmod(video.duration_s, 60)
    return {
        "id": video_id,
        "snippet": {"title": video.title, "channelTitle": "Paper School", "channelId": "UCpaperpaperpaperpaperpa"},
        "contentDetails": {"duration": f"PT{minutes}M{seconds}S"},
        "statistics": {"viewCount": str(video.views)},
    }


@cache
def tiny_mp4(frames: int, seed: str = "") -> bytes:
    """A real file: two seconds of noise, 64 by 48 pixels."""
    rng = np.random.default_rng(hash_of(seed))
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height = 64, 48
        for _ in range(frames):
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


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
