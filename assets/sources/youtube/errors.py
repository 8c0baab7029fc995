"""From the errors of the client libraries to the few states that the rest of the system knows.

Belongs here: which error means what. What follows from a state (asking again, waiting) is told in ``journal``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from xml.etree.ElementTree import ParseError

import requests
import youtube_transcript_api as transcripts
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.utils import DownloadError, ExtractorError, YoutubeDLError

from assets.outcomes import FetchError, Outcome, Status
from assets.sources.youtube.polite import PoliteYoutubeDL

MALFORMED = (ParseError, ValueError, KeyError, IndexError, TypeError, AttributeError)
"""What reading an answer raises in either library when it is not of the shape that is expected."""

ADVICE = (
    "YouTube refuses requests from this address. All that was fetched is kept. Wait, ask more slowly "
    "(HOWTO_REQUESTS_PER_SECOND), or go another way (HOWTO_PROXY, HOWTO_COOKIES); then run again"
)

# What a player says in English (both libraries ask for it) of a video that it does not play; the first match counts.
_REASONS: tuple[tuple[Status, re.Pattern[str]], ...] = (
    ("blocked", re.compile(r"not a bot|rate-limited|try again later|captcha|IP is likely being blocked", re.I)),
    ("age_restricted", re.compile(r"inappropriate for some users|confirm your age|age[- ]restricted", re.I)),
    ("retry", re.compile(r"premieres? |will begin|still being processed|processing this video", re.I)),
)


def blocked(said: str, wait: timedelta | None = None) -> FetchError:
    """All requests are refused; says what was said and what can be done."""
    return FetchError(Outcome("blocked", error=f"{_one_line(said)}. {ADVICE}"), wait)


def not_now(said: str, wait: timedelta | None = None) -> FetchError:
    """It did not work this time."""
    return FetchError(Outcome("retry", error=_one_line(said)), wait)


def final(status: Status, said: str) -> FetchError:
    """There is nothing to be had, now or later."""
    return FetchError(Outcome(status, error=_one_line(said)))


def of_reason(said: str) -> FetchError:
    """From what the player says of a video that it does not play; what is not known means that it is unavailable."""
    status: Status = next((status for status, pattern in _REASONS if pattern.search(said)), "unavailable")
    if status == "blocked":
        return blocked(said)
    return not_now(said) if status == "retry" else final(status, said)


def of_ytdlp(error: Exception, ydl: PoliteYoutubeDL) -> FetchError:
    """From an error of yt-dlp, and what it met on the way there."""
    cause = error.exc_info[1] if isinstance(error, DownloadError) and error.exc_info else error
    refusal = cause if isinstance(cause, HTTPError) else getattr(cause, "cause", None)
    refusal = refusal if isinstance(refusal, HTTPError) else ydl.refused
    if refusal is not None and refusal.status == 429:
        return blocked(f"HTTP 429, {refusal.reason}", retry_after(refusal.response.headers.get("Retry-After")))
    if isinstance(cause, ExtractorError) and cause.expected:
        return of_reason(cause.orig_msg)
    said = cause.orig_msg if isinstance(cause, ExtractorError) else f"{type(cause).__name__}: {cause}"
    if refusal is not None and refusal is not cause:
        said = f"{said} (HTTP {refusal.status})"
    return not_now(said)


def of_transcripts(error: Exception) -> FetchError:
    """From an error of youtube-transcript-api, of ``requests`` below it, or of reading what came."""
    if isinstance(error, transcripts.VideoUnplayable):
        return of_reason(". ".join([error.reason or "unplayable", *error.sub_reasons]))
    if isinstance(error, transcripts.RequestBlocked):
        too_many = isinstance(error, transcripts.IpBlocked)
        return blocked("too many requests" if too_many else "sign in to confirm that you are not a bot")
    for kind, status in _FINAL:
        if isinstance(error, kind):
            return final(status, _cause(error))
    return not_now(_cause(error))


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
"""All that youtube-transcript-api lets through."""

YTDLP_ERRORS = (YoutubeDLError, *MALFORMED)
"""All that yt-dlp lets through."""


def retry_after(header: str | None) -> timedelta | None:
    """The header Retry-After, where it gives seconds."""
    return timedelta(seconds=int(header)) if header and header.isdecimal() else None


def _cause(error: Exception) -> str:
    if isinstance(error, transcripts.CouldNotRetrieveTranscript):
        return error.cause or type(error).__name__
    return f"{type(error).__name__}: {error}"


def _one_line(said: str) -> str:
    # yt-dlp goes on to explain the options of its command line.
    return " ".join(said.partition(" Use --")[0].split()).rstrip(".")[:500]
