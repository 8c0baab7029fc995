"""The content of the YouTube server of the tests: videos, faults, the log of requests, and the answers of the site.

See ``youtube_server`` for the server. Player answers are those recorded in the tests of the installed
youtube-transcript-api. Search pages, caption tracks and files are generated.
"""

from __future__ import annotations

import base64
import html
import io
import json
import urllib.parse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import youtube_transcript_api

Kind = Literal["search", "player", "watch", "timedtext", "media", "data_api"]
Fault = Literal[
    "429", "503", "403", "reset", "drip", "malformed", "empty", "cut", "bot", "age", "removed", "private", "premiere",
    "country", "disabled", "consent", "endless_consent", "recaptcha", "quota", "bad_key",
]  # fmt: skip

RECORDED = Path(youtube_transcript_api.__file__).parent / "test" / "assets"
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
    """What the site knows of a video.

    ``listed`` is whether search shows its length and views, ``license`` what its watch page shows.
    """

    title: str = "How to fold a paper crane"
    duration_s: int = 120
    views: int = 4321
    tracks: tuple[Track, ...] = (Track(),)
    listed: bool = True
    license: str | None = None


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


_REFUSALS: dict[str, str] = {
    "bot": "youtube_request_blocked.innertube.json.static",
    "age": "youtube_age_restricted.innertube.json.static",
    "removed": "youtube_video_unavailable.innertube.json.static",
    "private": "youtube_video_unavailable.innertube.json.static",
    "country": "youtube_video_unavailable.innertube.json.static",
    "premiere": "youtube_video_unavailable.innertube.json.static",
    "disabled": "youtube_transcripts_disabled.innertube.json.static",
}
_SAID = {
    "private": ("LOGIN_REQUIRED", "This video is private"),
    "country": ("UNPLAYABLE", "The uploader has not made this video available in your country"),
    "premiere": ("UNPLAYABLE", "Premieres in 2 hours"),
}


@cache
def recorded_answer(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def refusal(fault: Fault, video_id: str) -> bytes:
    answer = json.loads(recorded_answer(_REFUSALS[fault]))
    if fault in _SAID:
        answer["playabilityStatus"] = {"status": _SAID[fault][0], "reason": _SAID[fault][1]}
    if "videoDetails" in answer:
        answer["videoDetails"]["videoId"] = video_id
    return json.dumps(answer).encode()


@cache
def player(video_id: str, video: Video) -> bytes:
    recorded = json.loads(recorded_answer("youtube.innertube.json.static"))
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


def watch_page(video: Video) -> bytes:
    """The recorded page, with the row of the licence that a video under one has."""
    page = recorded_answer("youtube.html.static")
    if video.license is None:
        return page
    row = {"title": {"simpleText": "License"}, "contents": [{"simpleText": video.license}]}
    container = b'"metadataRowContainerRenderer":{'
    return page.replace(container, container + f'"rows":[{json.dumps({"metadataRowRenderer": row})}],'.encode())


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


def timed_text(video: Video, query: dict[str, str]) -> bytes:
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


def search_page(youtube: YouTube, query: str, page: int) -> bytes:
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


def data_api(youtube: YouTube, query: dict[str, str]) -> bytes:
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
