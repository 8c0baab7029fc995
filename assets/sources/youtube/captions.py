"""Caption tracks from YouTube by either library, and the choice of a video's best track.

See ``assets.captions`` for the formats and for rolling windows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Protocol

import youtube_transcript_api as transcripts
from youtube_transcript_api.proxies import GenericProxyConfig
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.utils import update_url_query

from assets.captions.cues import CaptionError, Captions, Cue, captions, plain
from assets.captions.json3 import read_json3
from assets.captions.problems import set_aside
from assets.captions.tracks import CaptionSource, CaptionTrack
from assets.outcomes import FetchError, Status
from assets.sources.http import PoliteSession, RateLimiter
from assets.sources.journal import Record
from assets.sources.youtube.errors import TRANSCRIPT_ERRORS, YTDLP_ERRORS, final, not_now, of_transcripts, of_ytdlp
from assets.sources.youtube.options import YouTubeOptions
from assets.sources.youtube.player import SPOKEN, WITHHELD, Player, own_tracks

ENGLISH = "en"

_TRANSLATION_REFUSED = "HTTP 429 for a machine translation"
_TRANSLATION_PAUSE = timedelta(hours=1)


class CaptionClient(Protocol):
    """A library that requests captions."""

    def fetch(self, video_id: str) -> bytes:
        """The best track: manual English, else recognised English, else one translated to English.

        Returns:
            A JSON object with ``client``, ``source``, ``language`` and the track as ``json3`` or ``snippets``.

        Raises:
            FetchError: there is none, or the request failed.
        """
        ...


class YtDlpCaptions:
    """Tracks that the player's answer lists, as json3: lines, and the time of each recognised word."""

    def __init__(self, player: Player) -> None:
        self.player = player

    def fetch(self, video_id: str) -> bytes:
        """See ``CaptionClient``; one request in addition to the player's answer."""
        info, ydl = self.player.answer(video_id)
        source, language, address = _listed_best(info)
        ydl.begin()
        try:
            body = ydl.urlopen(address).read()
        except YTDLP_ERRORS as error:
            if source == "translated" and isinstance(error, HTTPError) and error.status == 429:
                # Machine translations have a much lower limit than the rest, and say nothing about the rest.
                raise not_now(_TRANSLATION_REFUSED, _TRANSLATION_PAUSE) from error
            raise of_ytdlp(error, ydl) from error
        if not body.strip():
            raise not_now("empty caption track (YouTube answers so when it requires another authorisation)")
        return _answer("yt-dlp", source, language, "json3", body.decode(errors="replace"))


def _listed_best(info: dict[str, Any]) -> tuple[CaptionSource, str, str]:
    manual, recognised = own_tracks(info.get("subtitles")), own_tracks(info.get("automatic_captions"))
    kinds: tuple[tuple[CaptionSource, dict[str, str]], ...] = (("manual", manual), ("asr", recognised))
    for source, tracks in kinds:
        if english := best_english(tracks):
            return source, english.removesuffix(SPOKEN), tracks[english]
    if info[WITHHELD]:
        raise not_now("caption tracks are listed, but not given without another authorisation (PO token)")
    foreign = next(iter([*manual.values(), *recognised.values()]), None)
    if foreign is None:
        raise final("disabled", "no caption tracks")
    return "translated", ENGLISH, update_url_query(foreign, {"tlang": ENGLISH})


class TranscriptApiCaptions:
    """Tracks by youtube-transcript-api: lines only; three requests. For one thread."""

    def __init__(self, options: YouTubeOptions, limiter: RateLimiter) -> None:
        proxy = GenericProxyConfig(options.proxy_address, options.proxy_address) if options.proxy else None
        session = PoliteSession(limiter, options.response_timeout_s, options.proxy_address)
        self.api = transcripts.YouTubeTranscriptApi(proxy, session)

    def fetch(self, video_id: str) -> bytes:
        """See ``CaptionClient``."""
        try:
            choices = list(_choices(listed := self.api.list(video_id)))
            if not choices:
                raise transcripts.NoTranscriptFound(video_id, [ENGLISH], listed)
            source, fetched = self._first(choices)
        except TRANSCRIPT_ERRORS as error:
            raise of_transcripts(error) from error
        snippets = [(snippet.start, snippet.duration, snippet.text) for snippet in fetched]
        return _answer("youtube-transcript-api", source, fetched.language_code, "snippets", snippets)

    def _first(
        self, choices: list[tuple[CaptionSource, transcripts.Transcript]]
    ) -> tuple[CaptionSource, transcripts.FetchedTranscript]:
        withheld: Exception | None = None
        for source, track in choices:
            if withheld is not None and source == "translated":
                break
            try:
                return source, track.fetch()
            except transcripts.PoTokenRequired as error:
                withheld = error
            except transcripts.IpBlocked as error:
                if source == "translated":
                    raise not_now(_TRANSLATION_REFUSED, _TRANSLATION_PAUSE) from error
                raise
        assert withheld is not None
        raise withheld


def _choices(listed: transcripts.TranscriptList) -> Iterator[tuple[CaptionSource, transcripts.Transcript]]:
    """English tracks and translations of a list, best first."""
    sources: tuple[tuple[CaptionSource, bool], ...] = (("manual", False), ("asr", True))
    for source, recognised in sources:
        of_kind = {track.language_code: track for track in listed if track.is_generated == recognised}
        if english := best_english(of_kind):
            yield source, of_kind[english]
    for track in listed:
        if any(language.language_code == ENGLISH for language in track.translation_languages):
            yield "translated", track.translate(ENGLISH)


def best_english(languages: Iterable[str]) -> str | None:
    """The language code that is English: ``en`` itself (of which yt-dlp marks the spoken one), then a variety of it."""
    english = [code for code in languages if code == ENGLISH or code.startswith(f"{ENGLISH}-")]
    return min(english, key=lambda code: (code != ENGLISH, code != ENGLISH + SPOKEN, code), default=None)


def fetch_track(clients: Iterable[CaptionClient], video_id: str) -> bytes:
    """The first client's track that there is and that can be read.

    Raises:
        FetchError: no client has one. One kind of client may be refused what another gets, so the outcome is the one
            with the best prospects; a refusal of all requests ends the search at once.
    """
    errors: list[FetchError] = []
    for client in clients:
        try:
            body = client.fetch(video_id)
            read_lines(body)
        except FetchError as error:
            if error.outcome.status == "blocked":
                raise
            errors.append(error)
        except CaptionError as error:
            errors.append(not_now(str(error)))
        else:
            return body
    raise min(errors, key=lambda error: _PROSPECTS.index(error.outcome.status))


_PROSPECTS: tuple[Status, ...] = ("retry", "no_captions", "disabled", "age_restricted", "unavailable")


def read_track(record: Record) -> CaptionTrack:
    """The stored track of a video, or why there is none."""
    known = json.loads(record.body) if record.body else {}
    read = read_lines(record.body) if record.body else Captions(())
    return CaptionTrack(
        record.status,
        known.get("source"),
        known.get("language"),
        read.lines,
        error=record.error or set_aside(read),
        attempts=record.attempts,
        fetched_at=record.fetched_at,
        next_try_at=record.next_try_at,
    )


def read_lines(body: bytes) -> Captions:
    """The lines of a fetched track, and its cues that cannot be used.

    Raises:
        CaptionError: it is not in its format.
    """
    answer = json.loads(body)
    if "json3" in answer:
        return read_json3(answer["json3"].encode(), "json3")
    snippets = (Cue(f"line {i}", s, s + length, plain(text)) for i, (s, length, text) in enumerate(answer["snippets"]))
    return captions("youtube-transcript-api", snippets)


def _answer(client: str, source: CaptionSource, language: str, form: str, track: object) -> bytes:
    answer = {"client": client, "source": source, "language": language, form: track}
    return json.dumps(answer).encode()
