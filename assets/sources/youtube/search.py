"""Searching YouTube with yt-dlp: flat results, no request per video."""

from __future__ import annotations

import json
import urllib.parse
from datetime import datetime
from typing import Any

from assets.sources.http import RateLimiter
from assets.sources.protocol import SAFE_ID, SearchResult, SearchResults
from assets.sources.youtube.errors import YTDLP_ERRORS, of_ytdlp
from assets.sources.youtube.options import YouTubeOptions
from assets.sources.youtube.polite import PoliteYoutubeDL, ydl_params
from assets.values import Fields, shown

WITH_SUBTITLES = "EgQQASgB"
"""The site's own filter "Subtitles/CC", as in the address of a search."""

FIELDS = ("id", "title", "channel", "channel_id", "duration", "view_count", "concurrent_view_count", "live_status")


class FlatSearch:
    """Searches of one thread; 20 results per request."""

    def __init__(self, options: YouTubeOptions, limiter: RateLimiter) -> None:
        params = {
            "extract_flat": True,
            "extractor_args": {
                "youtubetab": {"skip": ["webpage"]},
                # A page that lacks its results must not pass for the last one.
                "youtube": {"raise_incomplete_data": ["1"]},
            },
            **ydl_params(options),
        }
        self.subtitles_only = options.subtitles_only
        self.ydl = PoliteYoutubeDL(params, limiter, options.response_timeout_s)

    def search(self, query: str, limit: int) -> bytes:
        """The first ``limit`` results, best first, as a JSON list of objects with ``FIELDS``.

        Raises:
            FetchError: not all of them were received.
        """
        self.ydl.begin()
        self.ydl.params["playlistend"] = limit
        address = f"ytsearch{limit}:{query}"
        if self.subtitles_only:
            parameters = urllib.parse.urlencode({"search_query": query, "sp": WITH_SUBTITLES})
            address = f"https://www.youtube.com/results?{parameters}"
        try:
            answer = self.ydl.extract_info(address, download=False)
            entries = [entry for entry in answer["entries"] if entry and entry.get("ie_key") == "Youtube"]
            return json.dumps([{name: entry.get(name) for name in FIELDS} for entry in entries[:limit]]).encode()
        except YTDLP_ERRORS as error:
            raise of_ytdlp(error, self.ydl) from error


def read_results(body: bytes, found_at: datetime | None) -> SearchResults:
    """The results of a stored search answer; an odd value costs a field of its result."""
    results, problems = [], []
    for rank, row in enumerate(json.loads(body), 1):
        fields = Fields(row if isinstance(row, dict) else {"id": row}, f"result {rank}")
        result = _result(fields, rank, found_at)
        if result is None:
            problems.append(f"{fields.name} is left out: {shown(fields.fields.get('id'))} is no id")
        else:
            results.append(result)
        problems += [f"{each.name}: {each.problem}" for each in fields.problems]
    return SearchResults(results, tuple(problems))


def _result(fields: Fields, rank: int, found_at: datetime | None) -> SearchResult | None:
    video_id: Any = fields.fields.get("id")
    if not isinstance(video_id, str) or not SAFE_ID.fullmatch(video_id):
        return None
    return SearchResult(
        video_id=video_id,
        title=fields.text("title") or video_id,
        channel=fields.text("channel"),
        duration_s=fields.number("duration", 0),
        view_count=fields.integer("view_count", 0),
        found_at=found_at,
        rank=rank,
    )
