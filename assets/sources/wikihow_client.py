"""Requests to a MediaWiki API at a set rate, within robots.txt, repeated while an error may pass."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from protego import Protego
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from assets.outcomes import FetchError, Outcome
from assets.redaction import login_of
from assets.sources.http import PoliteSession, RateLimiter
from assets.sources.journal import Journal
from assets.sources.options import WikiHowOptions
from assets.values import Fields, parse_json, shown

AGENT = "howto-lake"
"""The name of this client in robots.txt."""

_ROBOTS_KEPT = timedelta(days=1)  # RFC 9309, section 2.4
_TEMPORARY_ERRORS = frozenset({"maxlag", "ratelimited", "readonly"})
_LONGEST_WAIT_S = 30 * 24 * 3600.0


class _TemporaryError(Exception):
    """No response this time; ``retry_after_s`` is the wait that the site requires."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class WikiHowClient:
    """One request at a time, at the slower of the own rate and the site's Crawl-delay."""

    def __init__(self, options: WikiHowOptions, journal: Journal) -> None:
        self._options = options
        self._journal = journal
        self._rules: Protego | None = None
        self._limiter = RateLimiter(options.requests_per_second, jitter_s=0)
        self._session = PoliteSession(self._limiter, options.response_timeout_s)
        self._session.auth = login_of(options.base_url)
        self._session.headers["User-Agent"] = f"{AGENT} ({options.contact})"

    def api(self, url: str) -> bytes:
        """The API's response: a JSON object without an error in it.

        Raises:
            FetchError: ``blocked`` when the site refuses, else ``retry``.
        """
        if self._rules is None:
            self._rules = self._read_robots()
            delay = self._rules.crawl_delay(AGENT) or 0
            self._limiter.interval_s = max(self._limiter.interval_s, float(delay))
        if not self._rules.can_fetch(url, AGENT):
            raise _failed(f"robots.txt forbids {urlsplit(url).path} to {AGENT}; use a file of articles instead")
        return self._request(url, _api_response)

    def _read_robots(self) -> Protego:
        """The site's rules. A site without robots.txt allows all; one with a server error allows nothing.

        RFC 9309, section 2.3.1.
        """
        url = f"{self._options.site}/robots.txt"
        record = self._journal.recall("robots.txt", url, lambda: self._request(url, _robots_text), url, _ROBOTS_KEPT)
        if record.status != "ok" or record.body is None:
            raise _failed(f"{url}: {record.error}; without its rules no request is made")
        return Protego.parse(record.body.decode("utf-8", errors="replace"))

    def _request(self, url: str, read: Callable[[requests.Response], bytes]) -> bytes:
        def may_pass(error: BaseException) -> bool:
            return isinstance(error, _TemporaryError) and (error.retry_after_s or 0) <= self._options.longest_wait_s

        back_off = wait_random_exponential(multiplier=self._options.first_wait_s, max=self._options.longest_wait_s)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            required = error.retry_after_s if isinstance(error, _TemporaryError) else None
            return back_off(state) if required is None else required

        retrying = Retrying(
            retry=retry_if_exception(may_pass), wait=wait, stop=stop_after_attempt(self._options.attempts), reraise=True
        )
        try:
            return retrying(lambda: read(self._get(url)))
        except _TemporaryError as error:
            if may_pass(error):
                raise _failed(f"{error} ({self._options.attempts} attempts)") from error
            required = timedelta(seconds=error.retry_after_s or 0)
            raise FetchError(Outcome("blocked", error=f"{error}, and to wait {required}"), required) from error

    def _get(self, url: str) -> requests.Response:
        try:
            response = self._session.get(url, allow_redirects=False)
        except requests.RequestException as error:
            raise _TemporaryError(f"{type(error).__name__}: {error}") from error
        if response.status_code == 429 or response.status_code >= 500:
            raise _TemporaryError(f"the site answers {response.status_code}", _retry_after_s(response))
        return response


def _robots_text(response: requests.Response) -> bytes:
    _no_redirect(response)
    return response.content if response.ok else b""


def _api_response(response: requests.Response) -> bytes:
    """The body of a good response, checked.

    Raises:
        FetchError, _TemporaryError: what the response says instead.
    """
    _no_redirect(response)
    if response.status_code in (401, 403):
        raise FetchError(Outcome("blocked", error=f"the site answers {response.status_code}"))
    if not response.ok:
        raise _failed(f"the site answers {response.status_code}")
    try:
        answer: Any = parse_json(response.content)
    except ValueError as error:
        raise _TemporaryError(f"not JSON ({error}): {response.text[:80]!r}") from error
    if not isinstance(answer, dict):
        raise _TemporaryError(f"{shown(answer)} instead of an object")
    if "error" in answer:
        fields = Fields(answer["error"] if isinstance(answer["error"], dict) else {}, "error")
        code, info = fields.text("code") or "an error", fields.text("info")
        if code in _TEMPORARY_ERRORS or code.startswith("internal_api_error"):
            raise _TemporaryError(f"the API answers {code}: {info}", _retry_after_s(response))
        raise _failed(f"the API answers {code}: {info}")
    return response.content


def _no_redirect(response: requests.Response) -> None:
    if response.is_redirect:
        target = response.headers.get("location")
        raise _failed(f"redirects to {target}; set HOWTO_WIKIHOW_URL to the site's present address")


def _failed(message: str) -> FetchError:
    """No response in this run; the next run requests it again at once."""
    return FetchError(Outcome("retry", error=message), timedelta(0))


def _retry_after_s(response: requests.Response) -> float | None:
    """Seconds that the site requires to wait (RFC 9110, 10.2.3: a number or a date); None without such a header."""
    header = response.headers.get("retry-after", "").strip()
    if header.isdecimal():
        return min(float(header), _LONGEST_WAIT_S)
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
