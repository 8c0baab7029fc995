"""YouTube as a video source that can be interrupted and continued at any moment.

See the other modules of this package for the requests, and ``assets.sources.journal`` for stored answers.
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
from assets.outcomes import FetchError, Outcome, Problem, SourceError
from assets.sources.http import RateLimiter
from assets.sources.journal import Journal, Record
from assets.sources.protocol import Article, ArticleSource, SearchResults, VideoMetadata
from assets.sources.youtube.captions import CaptionClient, TranscriptApiCaptions, YtDlpCaptions, fetch_track, read_track
from assets.sources.youtube.errors import NO_CONNECTION, is_without_connection
from assets.sources.youtube.javascript import missing_runtime
from assets.sources.youtube.media import Downloads, Quota, describe, finished
from assets.sources.youtube.options import YouTubeOptions
from assets.sources.youtube.player import Player, metadata, read_metadata
from assets.sources.youtube.search import FlatSearch, read_results
from assets.values import storable
from ml.files import content_hash

_MOST_WITHOUT_CONNECTION = 3
"""Things in a row, each with all its tries, after which the connection is taken to be down."""
_CONNECTION_PAUSE = timedelta(minutes=5)


class SearchClient(Protocol):
    """A client of searches."""

    def search(self, query: str, limit: int) -> bytes:
        """The first results as a JSON list; raises ``FetchError``."""
        ...


class _Clients(threading.local):
    """Clients of one thread, made when first used: neither library may be shared by threads."""

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

    Every answer is stored in ``journal`` before it is returned: what is final is never requested again, what failed
    temporarily is requested when it is due. After a refusal of all requests, or without a connection, no request is
    made for a while; each then has the outcome ``blocked``.
    """

    name = "youtube"

    def __init__(self, articles: ArticleSource, journal: Journal, options: YouTubeOptions) -> None:
        self.article_source = articles
        self.journal = journal
        self.options = options
        limiter = RateLimiter(options.requests_per_second, options.jitter_s)
        self._clients = _Clients(options, limiter)
        self._quotas: dict[Path, Quota] = {}
        self._without_connection = 0
        self._lock = threading.Lock()

    def version(self) -> str:
        """A hash of the tasks' source and of the options that shape answers; time is not among them.

        Raises:
            SourceError: the players in use need a JavaScript runtime, and there is none.
        """
        if problem := missing_runtime(self.options):
            raise SourceError(problem)
        options = self.options
        shape = (options.search, options.subtitles_only, options.caption_clients, options.media_height)
        # Collections from before this option have the same version as without it.
        page = ("watch_page",) if options.watch_page else ()
        return content_hash((self.article_source.version(), (*shape, *page)))

    def articles(self) -> Iterator[Article]:
        """The articles of the tasks' source."""
        return self.article_source.articles()

    def problems(self) -> list[Problem]:
        """Entries that the tasks' source set aside."""
        return self.article_source.problems()

    def search(self, query: str, limit: int) -> SearchResults:
        """The first results that YouTube shows, best first; see ``VideoSource``."""
        options = self.options
        key = storable(json.dumps([options.search, options.subtitles_only, limit, query], ensure_ascii=False))
        scope = f"data-api {_digest(options.key)}" if options.search == "data-api" else self._scope
        keep_for = timedelta(days=options.search_max_age_days) if options.search_max_age_days is not None else None
        record = self._recall("search", key, lambda: self._clients.searching.search(query, limit), scope, keep_for)
        if record.body is None:
            raise FetchError(record)
        return read_results(record.body, record.fetched_at)

    def metadata(self, video_id: str) -> VideoMetadata:
        """The player's metadata of a video, in one request; with the watch page, which has more, in two."""
        kind = "metadata_of_page" if self.options.watch_page else "metadata"
        return read_metadata(
            self._recall(kind, video_id, lambda: metadata(self._clients.player.info(video_id)), self._scope)
        )

    def probe(self, survey: str, video_id: str) -> Outcome:
        """Whether the video is played here, by one request to the player; each survey requests it again."""

        def play() -> bytes:
            self._clients.player.info(video_id)
            return b""

        return self._recall("availability", f"{survey} {video_id}", play, self._scope)

    def captions(self, video_id: str) -> CaptionTrack:
        """Manual English captions, else recognised, else translated ones; metadata is fetched with them."""
        self.metadata(video_id)
        return read_track(
            self._recall("captions", video_id, lambda: fetch_track(self._clients.captions, video_id), self._scope)
        )

    def media(self, video_id: str, folder: Path) -> Path:
        """The video's file in ``folder/youtube``; an existing one is never fetched again."""
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
            # A run was killed after the file had its name and before the journal had it.
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
        """The address and login that requests come from: another one may get answers where this one is refused."""
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
        return self.journal.recall(kind, key, lambda: self._counted(lambda: again(ask)), scope, keep_for)

    def _counted(self, ask: Callable[[], bytes]) -> bytes:
        """``ask()``; after several things in a row without a connection, all requests pause for a while.

        Raises:
            FetchError: as ``ask``, or ``blocked``.
        """
        try:
            answer = ask()
        except FetchError as error:
            self._without_connection = self._without_connection + 1 if is_without_connection(error) else 0
            if self._without_connection < _MOST_WITHOUT_CONNECTION:
                raise
            reason = f"{error.outcome.error} ({self._without_connection} in a row without a connection)"
            raise FetchError(Outcome("blocked", error=f"{reason}. {NO_CONNECTION}"), _CONNECTION_PAUSE) from error
        self._without_connection = 0
        return answer


def _passes(error: BaseException) -> bool:
    """Whether an error may pass in seconds: it is not known to take a certain time."""
    return isinstance(error, FetchError) and error.outcome.status == "retry" and error.wait is None


def _digest(secret: str | None) -> str:
    return content_hash(secret, digits=8)
