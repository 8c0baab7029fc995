"""YouTube as a video source that can be stopped and gone on with at any moment.

Belongs here: which question goes to which client, under which name its answer is remembered. Asking is told in the
modules beside this one, remembering in ``assets/sources/journal``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Protocol

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from assets.captions.tracks import CaptionTrack
from assets.outcomes import FetchError, Problem
from assets.sources.http import RateLimiter
from assets.sources.journal import Journal, Record
from assets.sources.protocol import Article, ArticleSource, SearchResult, VideoMetadata
from assets.sources.youtube.captions import CaptionClient, TranscriptApiCaptions, YtDlpCaptions, fetch_track, read_track
from assets.sources.youtube.media import Downloads, Quota, describe, finished
from assets.sources.youtube.options import YouTubeOptions
from assets.sources.youtube.player import Player, metadata, read_metadata
from assets.sources.youtube.search import FlatSearch, read_results
from ml.files import content_hash


class SearchClient(Protocol):
    """Who searches."""

    def search(self, query: str, limit: int) -> bytes:
        """The first results as a JSON list; raises ``FetchError``."""
        ...


class _Clients(threading.local):
    """Clients that are made when first asked, each thread its own: neither library may be shared by threads."""

    def __init__(self, options: YouTubeOptions, limiter: RateLimiter) -> None:
        self.options, self.limiter = options, limiter
        self._downloads: dict[Path, Downloads] = {}

    @cached_property
    def searching(self) -> SearchClient:
        if self.options.search == "data-api":
            # Imported here because only this choice needs it.
            from assets.sources.youtube.data_api import DataApiSearch

            return DataApiSearch(self.options, self.limiter)
        return FlatSearch(self.options, self.limiter)

    @cached_property
    def player(self) -> Player:
        return Player(self.options, self.limiter)

    @cached_property
    def captions(self) -> list[CaptionClient]:
        made: dict[str, CaptionClient] = {
            "youtube-transcript-api": TranscriptApiCaptions(self.options, self.limiter),
            "yt-dlp": YtDlpCaptions(self.player),
        }
        return [made[name] for name in self.options.caption_clients]

    def downloads(self, folder: Path, quota: Quota) -> Downloads:
        if folder not in self._downloads:
            self._downloads[folder] = Downloads(folder, quota, self.options, self.limiter)
        return self._downloads[folder]


class YouTubeSource:
    """Videos of YouTube for the tasks of another source.

    Every answer is remembered in ``journal`` before it is given: what is final is never asked for again, what failed
    for the moment is asked for when it is due. After a refusal of all requests nothing is asked for a while; what is
    then wanted has the outcome ``blocked``.
    """

    name = "youtube"

    def __init__(self, articles: ArticleSource, journal: Journal, options: YouTubeOptions) -> None:
        self.article_source = articles
        self.journal = journal
        self.options = options
        limiter = RateLimiter(options.requests_per_second, options.jitter_s)
        self._clients = _Clients(options, limiter)
        self._quotas: dict[Path, Quota] = {}
        self._lock = threading.Lock()

    def version(self) -> str:
        """A hash of the tasks' source and of the options that shape answers; time is not among them."""
        options = self.options
        shape = (options.search, options.subtitles_only, options.caption_clients, options.media_height)
        return content_hash((self.article_source.version(), shape))

    def articles(self) -> Iterator[Article]:
        """The articles of the tasks' source."""
        return self.article_source.articles()

    def problems(self) -> list[Problem]:
        """What the tasks' source set aside."""
        return self.article_source.problems()

    def search(self, query: str, limit: int) -> list[SearchResult]:
        """The first results that YouTube shows, best first; see ``VideoSource``."""
        options = self.options
        key = json.dumps([options.search, options.subtitles_only, limit, query], ensure_ascii=False)
        scope = f"data-api {_digest(options.key)}" if options.search == "data-api" else self._scope
        keep_for = timedelta(days=options.search_max_age_days) if options.search_max_age_days is not None else None
        record = self._recall("search", key, lambda: self._clients.searching.search(query, limit), scope, keep_for)
        if record.body is None:
            raise FetchError(record)
        return read_results(record.body, record.fetched_at)

    def metadata(self, video_id: str) -> VideoMetadata:
        """What the player says of a video, in one request."""
        return read_metadata(
            self._recall("metadata", video_id, lambda: metadata(self._clients.player.info(video_id)), self._scope)
        )

    def captions(self, video_id: str) -> CaptionTrack:
        """Manual English captions, else recognised, else translated ones; metadata is fetched on the way."""
        self.metadata(video_id)
        return read_track(
            self._recall("captions", video_id, lambda: fetch_track(self._clients.captions, video_id), self._scope)
        )

    def media(self, video_id: str, folder: Path) -> Path:
        """The video's file in ``folder/youtube``; one that is there is never fetched again."""
        folder = folder / self.name
        quota = self._quota(folder)
        path = finished(folder, video_id)
        known = self.journal.get("media", video_id)
        if path is not None:
            return self._checked(path, video_id, known)
        if known is not None and known.status == "ok":
            self.journal.forget("media", video_id)
        quota.claim(0)
        downloads = self._clients.downloads(folder, quota)
        record = self._recall("media", video_id, lambda: downloads.fetch(video_id), self._scope)
        if record.body is None:
            raise FetchError(record)
        return folder / json.loads(record.body)["file"]

    def _checked(self, path: Path, video_id: str, known: Record | None) -> Path:
        if known is None or known.body is None:
            # A run was killed between giving the file its name and remembering it.
            self.journal.put("media", video_id, Record("ok", body=describe(path, {})))
        elif (size := path.stat().st_size) != (fetched := json.loads(known.body)["bytes"]):
            said = f"{path}: {size:,} bytes, but {fetched:,} were fetched; delete it to fetch it again"
            raise FetchError(Record("failed", error=said, attempts=known.attempts))
        return path

    def _quota(self, folder: Path) -> Quota:
        with self._lock:
            if folder not in self._quotas:
                folder.mkdir(parents=True, exist_ok=True)
                self._quotas[folder] = Quota(folder, self.options.media_quota_bytes)
            return self._quotas[folder]

    @property
    def _scope(self) -> str:
        """Who is asked, seen from there: another way out or a login may be answered where this one is refused."""
        return f"youtube {_digest(self.options.proxy_address)} {_digest(str(self.options.cookies))}"

    def _recall(
        self, kind: str, key: str, ask: Callable[[], bytes], scope: str, keep_for: timedelta | None = None
    ) -> Record:
        again = Retrying(
            retry=retry_if_exception(_passes),
            stop=stop_after_attempt(self.options.tries),
            wait=wait_exponential_jitter(
                multiplier=self.options.retry_wait_s, max=300, jitter=self.options.retry_wait_s
            ),
            reraise=True,
        )
        return self.journal.recall(kind, key, lambda: again(ask), scope, keep_for)


def _passes(error: BaseException) -> bool:
    """Whether an error may be over in seconds: it is not known to take a certain time."""
    return isinstance(error, FetchError) and error.outcome.status == "retry" and error.wait is None


def _digest(secret: str | None) -> str:
    return content_hash(secret, digits=8)
