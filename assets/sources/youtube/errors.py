"""From the errors of the client libraries to the states of ``assets.outcomes``. See ``journal`` for when to retry."""

from __future__ import annotations

import re
from datetime import timedelta
from xml.etree.ElementTree import ParseError

import requests
import youtube_transcript_api as transcripts
from yt_dlp.networking.exceptions import HTTPError, IncompleteRead, TransportError
from yt_dlp.utils import DownloadError, ExtractorError, YoutubeDLError

from assets.outcomes import FetchError, Outcome, Status
from assets.sources.youtube.polite import PoliteYoutubeDL
from ml.machine import causes

MALFORMED = (ParseError, ValueError, KeyError, IndexError, TypeError, AttributeError)
"""What reading an answer raises in either library when it has another shape than expected."""

ADVICE = (
    "YouTube refuses requests from this address. All that was fetched is kept. Wait, lower the rate "
    "(HOWTO_REQUESTS_PER_SECOND), or use another connection (HOWTO_PROXY, HOWTO_COOKIES); then run again"
)
NO_CONNECTION = "All that was fetched is kept. Check the connection to the internet and HOWTO_PROXY; then run again"

# What a player says in English (both libraries request it) about a video that it does not play; the first match counts.
_REASONS: tuple[tuple[Status, re.Pattern[str]], ...] = (
    ("blocked", re.compile(r"not a bot|rate-limited|try again later|captcha|IP is likely being blocked", re.I)),
    ("age_restricted", re.compile(r"inappropriate for some users|confirm your age|age[- ]restricted", re.I)),
    ("retry", re.compile(r"premieres? |will begin|still being processed|processing this video", re.I)),
)
_REFUSED_PLAYER = frozenset({400, 401, 403})
"""HTTP statuses with which the site refuses one kind of player and not the address of the client."""


def blocked(reason: str, wait: timedelta | None = None) -> FetchError:
    """All requests are refused; with the reason and the remedy."""
    return FetchError(Outcome("blocked", error=f"{_one_line(reason)}. {ADVICE}"), wait)


def not_now(reason: str, wait: timedelta | None = None) -> FetchError:
    """It did not work this time."""
    return FetchError(Outcome("retry", error=_one_line(reason)), wait)


def final(status: Status, reason: str) -> FetchError:
    """There is nothing to fetch, now or later."""
    return FetchError(Outcome(status, error=_one_line(reason)))


def of_reason(reason: str) -> FetchError:
    """From the player's reason for not playing a video; an unknown reason means that the video is unavailable."""
    status: Status = next((status for status, pattern in _REASONS if pattern.search(reason)), "unavailable")
    if status == "blocked":
        return blocked(reason)
    return not_now(reason) if status == "retry" else final(status, reason)


def of_ytdlp(error: Exception, ydl: PoliteYoutubeDL) -> FetchError:
    """From an error of yt-dlp, and the HTTP error before it."""
    cause = _cause_in_ytdlp(error)
    refusal = cause if isinstance(cause, HTTPError) else getattr(cause, "cause", None)
    refusal = refusal if isinstance(refusal, HTTPError) else ydl.refused
    if refusal is not None and refusal.status == 429:
        return blocked(f"HTTP 429, {refusal.reason}", retry_after(refusal.response.headers.get("Retry-After")))
    if isinstance(cause, ExtractorError) and cause.expected:
        return of_reason(cause.orig_msg)
    reason = cause.orig_msg if isinstance(cause, ExtractorError) else f"{type(cause).__name__}: {cause}"
    if refusal is not None and refusal is not cause:
        reason = f"{reason} (HTTP {refusal.status})"
    elif ydl.broken is not None and str(ydl.broken) not in reason:
        reason = f"{reason} ({type(ydl.broken).__name__}: {ydl.broken})"
    return not_now(reason)


def is_refusal_of_player(error: Exception, ydl: PoliteYoutubeDL) -> bool:
    """Whether an error of yt-dlp concerns its kind of player, so that another kind may get an answer.

    So are bot checks and videos that are unavailable to a device; HTTP 429 and missing connections are not.
    """
    if ydl.refused is not None or ydl.broken is not None:
        return ydl.refused is not None and ydl.refused.status in _REFUSED_PLAYER
    cause = _cause_in_ytdlp(error)
    if not isinstance(cause, ExtractorError) or not cause.expected:
        return False
    return of_reason(cause.orig_msg).outcome.status in ("blocked", "unavailable")


def is_without_connection(error: BaseException) -> bool:
    """Whether an error comes from a connection that was not made or broke, and not from an answer."""
    for cause in causes(error):
        if isinstance(cause, HTTPError | IncompleteRead | requests.HTTPError):
            return False
        if isinstance(cause, TransportError | requests.ConnectionError | requests.Timeout | ConnectionError):
            return True
    return False


def _cause_in_ytdlp(error: Exception) -> BaseException:
    return error.exc_info[1] if isinstance(error, DownloadError) and error.exc_info else error


def of_transcripts(error: Exception) -> FetchError:
    """From an error of youtube-transcript-api, of ``requests`` below it, or of reading the answer."""
    if isinstance(error, transcripts.VideoUnplayable):
        return of_reason(". ".join([error.reason or "unplayable", *error.sub_reasons]))
    if isinstance(error, transcripts.RequestBlocked):
        too_many = isinstance(error, transcripts.IpBlocked)
        return blocked("too many requests" if too_many else "sign in to confirm that you are not a bot")
    for kind, status in _FINAL:
        if isinstance(error, kind):
            return final(status, _reason_of(error))
    return not_now(_reason_of(error))


_FINAL: tuple[tuple[type[Exception], Status], ...] = (
    (transcripts.VideoUnavailable, "unavailable"),
    (transcripts.InvalidVideoId, "unavailable"),
    (transcripts.AgeRestricted, "age_restricted"),
    (transcripts.TranscriptsDisabled, "disabled"),
    (transcripts.NoTranscriptFound, "no_captions"),
    (transcripts.NotTranslatable, "no_captions"),
    (transcripts.TranslationLanguageNotAvailable, "no_captions"),
)

TRANSCRIPT_ERRORS = (transcripts.CouldNotRetrieveTranscript, requests.RequestException, *MALFORMED)
"""All errors of youtube-transcript-api."""

YTDLP_ERRORS = (YoutubeDLError, *MALFORMED)
"""All errors of yt-dlp."""


def retry_after(header: str | None) -> timedelta | None:
    """The header Retry-After, where it gives seconds."""
    return timedelta(seconds=min(int(header), 10**7)) if header and header.isdecimal() and len(header) < 20 else None


def _reason_of(error: Exception) -> str:
    if isinstance(error, transcripts.CouldNotRetrieveTranscript):
        return error.cause or type(error).__name__
    return f"{type(error).__name__}: {error}"


def _one_line(reason: str) -> str:
    # yt-dlp continues with the options of its command line.
    return " ".join(reason.partition(" Use --")[0].split()).rstrip(".")[:500]
