"""Searching YouTube with yt-dlp: flat results, no request per video.

Belongs here: the question and the shape of its answer. Which results stay is decided in ``assets/videos/filters``.
"""

from __future__ import annotations

import json
import urllib.parse
from datetime import datetime

from assets.sources.http import RateLimiter
from assets.sources.protocol import SearchResult
from assets.sources.youtube.errors import YTDLP_ERRORS, not_now, of_ytdlp
from assets.sources.youtube.options import YouTubeOptions
from assets.sources.youtube.polite import PoliteYoutubeDL, ydl_params

WITH_SUBTITLES = "EgQQASgB"
"""The site's own filter "Subtitles/CC", as it stands in the address of a search."""

FIELDS = ("id", "title", "channel", "channel_id", "duration", "view_count", "concurrent_view_count", "live_status")


class FlatSearch:
    """Searches of one thread; 20 results a request."""

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
            FetchError: not all of them could be had.
        """
        self.ydl.begin()
        self.ydl.params["playlistend"] = limit
        address = f"ytsearch{limit}:{query}"
        if self.subtitles_only:
            question = urllib.parse.urlencode({"search_query": query, "sp": WITH_SUBTITLES})
            address = f"https://www.youtube.com/results?{question}"
        try:
            answer = self.ydl.extract_info(address, download=False)
            entries = [entry for entry in answer["entries"] if entry and entry.get("ie_key") == "Youtube"]
        except YTDLP_ERRORS as error:
            raise of_ytdlp(error, self.ydl) from error
        if any(not entry.get("id") for entry in entries):
            raise not_now("a search result without an id")
        rows = [{name: entry.get(name) for name in FIELDS} for entry in entries[:limit]]
        return json.dumps(rows, ensure_ascii=False).encode()


def read_results(body: bytes, found_at: datetime | None) -> list[SearchResult]:
    """The results of a search answer as it was remembered."""
    return [
        SearchResult(
            video_id=row["id"],
            title=row["title"] or row["id"],
            channel=row["channel"],
            duration_s=row["duration"],
            view_count=row["view_count"],
            found_at=found_at,
        )
        for row in json.loads(body)
    ]
