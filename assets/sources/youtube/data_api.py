"""Searching with the YouTube Data API v3, by key: the documented way, with a daily quota.

Free of charge, a project may request 100 search pages of 50 results per day, so 200 results for 25 tasks.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httplib2
import requests
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError
from yt_dlp.utils import parse_duration

from assets.outcomes import FetchError, Outcome, SourceError
from assets.sources.http import PoliteSession, RateLimiter
from assets.sources.youtube.errors import MALFORMED, not_now, retry_after
from assets.sources.youtube.options import YouTubeOptions
from assets.sources.youtube.search import FIELDS

PAGE = 50
"""Results per page, and ids per request for details: the API's limit."""

_QUOTA = frozenset({"quotaExceeded", "dailyLimitExceeded"})
_TOO_FAST = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
_QUOTA_DAY = ZoneInfo("America/Los_Angeles")


class _Transport:
    """What Google's client expects of httplib2, by ``requests``: httplib2 itself ignores a proxy without PySocks."""

    def __init__(self, session: PoliteSession) -> None:
        self.session = session

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **_: Any
    ) -> tuple[httplib2.Response, bytes]:
        """One request: status and headers, and the body."""
        answer = self.session.request(method, uri, data=body, headers=headers)
        received = {name.lower(): value for name, value in answer.headers.items()}
        received |= {"status": str(answer.status_code), "reason": answer.reason}
        return httplib2.Response(received), answer.content

    def close(self) -> None:
        """Close the connections."""
        self.session.close()


class DataApiSearch:
    """Searches by key, of one thread."""

    def __init__(self, options: YouTubeOptions, limiter: RateLimiter) -> None:
        if not options.api_key:
            raise SourceError("the Data API searches by key: set HOWTO_YOUTUBE_API_KEY, or search with yt-dlp")
        self.subtitles_only = options.subtitles_only
        http = _Transport(PoliteSession(limiter, options.response_timeout_s, options.proxy_address))
        # The description of the API is in the package: no request, and the same for everyone.
        self.api = build("youtube", "v3", developerKey=options.key, http=http, static_discovery=True)

    def search(self, query: str, limit: int) -> bytes:
        """As ``FlatSearch.search``, in a page and a request for details per 50 results.

        Raises:
            FetchError: not all of them were received; SourceError: the key does not work.
        """
        rows: list[dict[str, Any]] = []
        page: str | None = None
        while len(rows) < limit:
            parameters = {
                "part": "snippet",
                "type": "video",
                "q": query,
                "maxResults": min(PAGE, limit - len(rows)),
                "relevanceLanguage": "en",
                **({"videoCaption": "closedCaption"} if self.subtitles_only else {}),
                **({"pageToken": page} if page else {}),
            }
            answer = self._answer(self.api.search().list(**parameters))
            found = {item["id"]["videoId"]: item for item in _items(answer) if _object(item.get("id")).get("videoId")}
            rows.extend(self._details(found))
            page = answer.get("nextPageToken")
            if not page or not found:
                break
        return json.dumps(rows[:limit]).encode()

    def _details(self, found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        if not found:
            return []
        request = self.api.videos().list(part="snippet,contentDetails,statistics", id=",".join(found), maxResults=PAGE)
        details = {str(item.get("id")): item for item in _items(self._answer(request))}
        return [_row(video_id, item, details.get(video_id, {})) for video_id, item in found.items()]

    def _answer(self, request: Any) -> dict[str, Any]:
        try:
            return dict(request.execute())
        except HttpError as error:
            raise of_data_api(error, datetime.now(UTC)) from error
        except (requests.RequestException, *MALFORMED) as error:
            raise not_now(f"{type(error).__name__}: {error}") from error


def _row(video_id: str, found: dict[str, Any], details: dict[str, Any]) -> dict[str, Any]:
    # Titles in search answers have their entities escaped; those in details do not.
    snippet = _object(details.get("snippet")) or _object(found.get("snippet"))
    duration = _object(details.get("contentDetails")).get("duration")
    views = _object(details.get("statistics")).get("viewCount")
    known = {
        "id": video_id,
        "title": snippet.get("title"),
        "channel": snippet.get("channelTitle"),
        "channel_id": snippet.get("channelId"),
        "duration": parse_duration(duration) if isinstance(duration, str) else duration,
        "view_count": int(views) if isinstance(views, str) and views.isdecimal() and len(views) < 20 else views,
        "live_status": snippet.get("liveBroadcastContent"),
    }
    return {name: known.get(name) for name in FIELDS}


def _items(answer: dict[str, Any]) -> list[dict[str, Any]]:
    items = answer.get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def of_data_api(error: HttpError, now: datetime) -> Exception:
    """From an error of the API; a spent quota is renewed at midnight Pacific time."""
    reasons = {detail.get("reason") for detail in error.error_details if isinstance(detail, dict)}
    status = int(error.resp.status)
    if reasons & _QUOTA:
        said = (
            f"the quota of the Data API is spent until midnight Pacific time ({error.reason}). All that was found is "
            "kept. Run again tomorrow, ask Google for more, or search with yt-dlp (HOWTO_SEARCH_BACKEND=yt-dlp)"
        )
        return FetchError(Outcome("blocked", error=said), _until_midnight(now))
    if reasons & _TOO_FAST or status == 429 or status >= 500:
        return not_now(f"Data API: HTTP {status}, {error.reason}", retry_after(error.resp.get("retry-after")))
    return SourceError(f"Data API: HTTP {status}, {error.reason}; check HOWTO_YOUTUBE_API_KEY and what it may do")


def _until_midnight(now: datetime) -> timedelta:
    tomorrow = now.astimezone(_QUOTA_DAY).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), _QUOTA_DAY).astimezone(UTC) - now
