"""How-to articles with their categories from WikiHow's MediaWiki API, slowly and by the site's own rules.

Belongs here: what is asked, how it is asked, and how an article's categories become one line from the top level down.
Every answer is in the journal before the next question, so a crawl that is killed goes on where it was. Does not
belong here: which articles become tasks.

The API: https://www.mediawiki.org/wiki/API:Continue, https://www.mediawiki.org/wiki/Manual:Maxlag_parameter.
"""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit
from urllib.robotparser import RobotFileParser

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from assets.outcomes import FetchError, Outcome, Problem, SourceError
from assets.sources.journal import Journal
from assets.sources.options import WikiHowOptions
from assets.sources.protocol import Article
from ml.files import content_hash

AGENT = "howto-lake"
"""The name by which robots.txt may speak of this client."""

_TITLES_A_REQUEST = 50  # the API's limit for clients without special rights
_ROBOTS_KEPT = timedelta(days=1)  # RFC 9309, section 2.4
_PASSING_ERRORS = frozenset({"maxlag", "ratelimited", "readonly"})


class _PassingError(Exception):
    """No answer this time; ``retry_after_s`` is what the site asks for."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class WikiHow:
    """The articles of a WikiHow, each with the line of categories that leads to it.

    Raises:
        SourceError: no contact is set.
    """

    name = "wikihow"

    def __init__(self, options: WikiHowOptions, journal: Journal) -> None:
        if not options.contact.strip():
            raise SourceError("WikiHow is asked under your name only: set HOWTO_CONTACT to an address or page of yours")
        self.options = options
        self.journal = journal
        self._client = _PoliteClient(options, journal)

    def version(self) -> str:
        """Changes when a new crawl begins: with the options, or when the last one is out of date."""
        asked = (self.options.base_url, self.options.housekeeping, self._crawl_begun().isoformat())
        return content_hash(asked)

    def articles(self) -> Iterator[Article]:
        """Every article of the site, from the journal as far as it goes.

        Raises:
            SourceError: robots.txt forbids it, or an answer could not be had; what was answered so far is kept.
        """
        yield from self._read()[0]

    def problems(self) -> list[Problem]:
        """Articles whose categories lead to no top level."""
        return self._read()[1]

    def _read(self) -> tuple[list[Article], list[Problem]]:
        begun = self._crawl_begun()
        listing = {
            "generator": "allpages",
            "gapnamespace": "0",
            "gapfilterredir": "nonredirects",
            "gaplimit": "max",
            "prop": "categories|info",
            "inprop": "url",
        }
        pages = self._pages(listing, begun)
        parents = self._parents((name for page in pages.values() for name in page.categories), begun)
        articles, problems = [], []
        for page_id, page in sorted(pages.items()):
            line = category_line(page.categories, parents)
            if page.categories and line is None:
                problems.append(Problem(page.title, "its categories lead round in a circle: it stays without one"))
            articles.append(Article(f"wikihow-{page_id}", page.title, page.url, line or ()))
        return articles, problems

    def _crawl_begun(self) -> datetime:
        site = self.options.base_url
        keep_for = timedelta(days=self.options.max_age_days)
        begun = self.journal.recall("wikihow crawl", site, lambda: b"", site, keep_for).fetched_at
        assert begun is not None
        return begun

    def _parents(self, names: Iterable[str], begun: datetime) -> dict[str, tuple[str, ...]]:
        """The categories above each category, level by level up to those with none."""
        parents: dict[str, tuple[str, ...]] = {}
        level = sorted(set(names))
        while level:
            for start in range(0, len(level), _TITLES_A_REQUEST):
                chunk = level[start : start + _TITLES_A_REQUEST]
                titles = "|".join(f"Category:{name}" for name in chunk)
                found = self._pages({"titles": titles, "prop": "categories"}, begun)
                above = {page.title.removeprefix("Category:"): page.categories for page in found.values()}
                parents.update((name, above.get(name, ())) for name in chunk)
            level = sorted({name for above in parents.values() for name in above} - parents.keys())
        return parents

    def _pages(self, question: dict[str, str], begun: datetime) -> dict[int, _Page]:
        """All pages that answer a question, over all its continuations, by page id."""
        common = {"action": "query", "format": "json", "formatversion": "2", "maxlag": "5"}
        asked = {**common, "cllimit": "max", "clshow": "!hidden", **question}
        pages: dict[int, _Page] = {}
        further: dict[str, str] = {}
        while True:
            answer = self._answer({**asked, **further}, begun)
            _merge(pages, answer, self.options.housekeeping)
            if "continue" not in answer:
                return pages
            if answer["continue"] == further:
                raise SourceError(f"{self.options.base_url}: the API continues with what was just asked: {further}")
            further = answer["continue"]

    def _answer(self, question: dict[str, str], begun: datetime) -> dict[str, Any]:
        url = f"{self.options.base_url}/api.php?{urlencode(sorted(question.items()))}"
        keep_for = self.journal.clock() - begun + timedelta(seconds=1)
        record = self.journal.recall("wikihow", url, lambda: self._client.api(url), self.options.base_url, keep_for)
        is_of_this_crawl = record.fetched_at is not None and record.fetched_at >= begun
        if record.status != "ok" or not is_of_this_crawl or record.body is None:
            again = f"; not before {record.next_try_at:%Y-%m-%d %H:%M %Z}" if record.status == "blocked" else ""
            raise SourceError(f"{url}: {record.error}; what was answered so far is kept, run it again to go on{again}")
        answer: dict[str, Any] = json.loads(record.body)
        return answer


@dataclass
class _Page:
    title: str
    url: str | None
    categories: tuple[str, ...] = ()


def _merge(pages: dict[int, _Page], answer: dict[str, Any], passed_over: tuple[str, ...]) -> None:
    """Add an answer's pages; the categories of one page may come in several answers."""
    found = answer.get("query", {}).get("pages", [])
    # Sites before MediaWiki 1.25 give an object by page id; pages that do not exist have no id of their own.
    for page in found.values() if isinstance(found, dict) else found:
        if page.get("missing") not in (None, False) or "pageid" not in page:
            continue
        known = pages.setdefault(int(page["pageid"]), _Page(page["title"], None))
        known.url = page.get("fullurl", known.url)
        names = (each["title"].removeprefix("Category:") for each in page.get("categories", ()))
        known.categories += tuple(name for name in names if name not in passed_over and name not in known.categories)


def category_line(categories: Iterable[str], parents: dict[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """The shortest line from a top category down to one of an article's own: the first category's that has one.

    Args:
        categories: an article's own categories, in the site's order.
        parents: the categories above each category; one with none is a top category.

    Returns:
        The line, top first; None where every way up is a circle.
    """
    for category in categories:
        below: dict[str, str | None] = {category: None}
        waiting = deque([category])
        while waiting:
            name = waiting.popleft()
            if not parents.get(name):
                line: list[str] = []
                step: str | None = name
                while step is not None:
                    line.append(step)
                    step = below[step]
                return tuple(line)
            for above in parents[name]:
                if above not in below:
                    below[above] = name
                    waiting.append(above)
    return None


class _PoliteClient:
    """One request at a time: not faster than allowed, nothing that robots.txt forbids, whole in time or not at all."""

    def __init__(self, options: WikiHowOptions, journal: Journal) -> None:
        self._options = options
        self._journal = journal
        self._interval_s = 1 / options.requests_per_second
        self._next = 0.0
        self._rules: RobotFileParser | None = None
        self._http = httpx.Client(
            headers={"User-Agent": f"{AGENT} ({options.contact})"}, timeout=options.response_timeout_s
        )

    def api(self, url: str) -> bytes:
        """The API's answer: a JSON object without an error in it.

        Raises:
            FetchError: ``blocked`` when the site refuses, else ``retry``.
        """
        if self._rules is None:
            self._rules = self._read_robots()
            self._interval_s = max(self._interval_s, float(self._rules.crawl_delay(AGENT) or 0))
        if not allows(self._rules, url):
            raise _failed(f"robots.txt forbids {urlsplit(url).path} to {AGENT}; use a file of articles instead")
        return self._ask(url, _api_answer)

    def _read_robots(self) -> RobotFileParser:
        """The site's rules; a site without any allows all, one that cannot tell allows nothing (RFC 9309, 2.3.1)."""
        url = f"{self._options.base_url}/robots.txt"
        record = self._journal.recall("robots.txt", url, lambda: self._ask(url, _robots_text), url, _ROBOTS_KEPT)
        if record.status != "ok" or record.body is None:
            raise _failed(f"{url}: {record.error}; without its rules nothing is asked")
        rules = RobotFileParser()
        rules.parse(record.body.decode("utf-8", errors="replace").splitlines())
        return rules

    def _ask(self, url: str, answer_of: Callable[[httpx.Response], bytes]) -> bytes:
        def may_pass(error: BaseException) -> bool:
            return isinstance(error, _PassingError) and (error.retry_after_s or 0) <= self._options.longest_wait_s

        backing_off = wait_random_exponential(multiplier=self._options.first_wait_s, max=self._options.longest_wait_s)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked_for = error.retry_after_s if isinstance(error, _PassingError) else None
            return backing_off(state) if asked_for is None else asked_for

        retrying = Retrying(
            retry=retry_if_exception(may_pass), wait=wait, stop=stop_after_attempt(self._options.attempts), reraise=True
        )
        try:
            return retrying(lambda: answer_of(self._get(url)))
        except _PassingError as error:
            if may_pass(error):
                raise _failed(f"{error} ({self._options.attempts} attempts)") from error
            wanted = timedelta(seconds=error.retry_after_s or 0)
            raise FetchError(Outcome("blocked", error=f"{error}, and to wait {wanted}"), wanted) from error

    def _get(self, url: str) -> httpx.Response:
        """One request in its turn, its body read whole."""
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + self._interval_s
        deadline = time.monotonic() + self._options.response_timeout_s
        try:
            with self._http.stream("GET", url) as response:
                body = b"".join(_until(deadline, response.iter_bytes()))
        except httpx.RequestError as error:
            raise _PassingError(f"{type(error).__name__}: {error}") from error
        if response.status_code == 429 or response.is_server_error:
            raise _PassingError(f"the site answers {response.status_code}", _retry_after_s(response))
        headers = {name: value for name, value in response.headers.items() if name != "content-encoding"}
        return httpx.Response(response.status_code, headers=headers, content=body)


def allows(rules: RobotFileParser, url: str) -> bool:
    """Whether robots.txt lets this client ask for an address.

    The standard library's parser takes a "*" inside a path for itself; here a Disallow with one counts as RFC 9309
    (2.2.3) reads it.
    """
    if not rules.can_fetch(AGENT, url):
        return False
    entries = [*rules.entries, rules.default_entry]  # type: ignore[attr-defined]
    entry = next((each for each in entries if each is not None and each.applies_to(AGENT)), None)
    asked = url.removeprefix("://".join(urlsplit(url)[:2]))
    forbidden = (unquote(line.path) for line in entry.rulelines if not line.allowance) if entry else ()
    return not any("*" in path and _pattern(path).match(unquote(asked)) for path in forbidden)


def _pattern(path: str) -> re.Pattern[str]:
    whole = path.endswith("$")
    return re.compile(".*".join(map(re.escape, path.removesuffix("$").split("*"))) + ("$" if whole else ""))


def _until(deadline: float, parts: Iterator[bytes]) -> Iterator[bytes]:
    # The client's own time limit starts anew with every byte, so that a body which drips never runs into it.
    for part in parts:
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the answer was not whole in time")
        yield part


def _robots_text(response: httpx.Response) -> bytes:
    if response.is_redirect:
        raise _failed(f"leads on to {response.headers.get('location')}; set HOWTO_WIKIHOW_URL to where the site is")
    return response.content if response.is_success else b""


def _api_answer(response: httpx.Response) -> bytes:
    """The body of a good answer, checked.

    Raises:
        FetchError, _PassingError: what the answer says instead.
    """
    if response.is_redirect:
        raise _failed(f"leads on to {response.headers.get('location')}; set HOWTO_WIKIHOW_URL to where the site is")
    if response.status_code in (401, 403):
        raise FetchError(Outcome("blocked", error=f"the site answers {response.status_code}"))
    if not response.is_success:
        raise _failed(f"the site answers {response.status_code}")
    try:
        answer = json.loads(response.content)
    except ValueError as error:
        raise _PassingError(f"not JSON ({error}): {response.text[:80]!r}") from error
    if not isinstance(answer, dict):
        raise _PassingError(f"a JSON {type(answer).__name__} instead of an object")
    if "error" in answer:
        code, info = answer["error"].get("code"), answer["error"].get("info")
        if code in _PASSING_ERRORS or str(code).startswith("internal_api_error"):
            raise _PassingError(f"the API answers {code}: {info}", _retry_after_s(response))
        raise _failed(f"the API answers {code}: {info}")
    return response.content


def _failed(message: str) -> FetchError:
    """No answer in this run; the next run asks again at once."""
    return FetchError(Outcome("retry", error=message), timedelta(0))


def _retry_after_s(response: httpx.Response) -> float | None:
    """Seconds that the site asks to wait (RFC 9110, 10.2.3: a number or a date); None where it says nothing."""
    said = response.headers.get("retry-after", "").strip()
    if said.isdigit():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
