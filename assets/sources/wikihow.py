"""How-to articles with their categories from WikiHow's MediaWiki API.

Every response is in the journal before the next request, so an interrupted crawl continues where it stopped. See
``wikihow_client`` for the requests.

The API: https://www.mediawiki.org/wiki/API:Continue, https://www.mediawiki.org/wiki/Manual:Maxlag_parameter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from assets.outcomes import Problem, SourceError
from assets.sources.journal import Journal
from assets.sources.options import WikiHowOptions
from assets.sources.protocol import Article
from assets.sources.wikihow_client import WikiHowClient
from assets.values import Fields, parse_json, shown
from ml.files import content_hash

_TITLES_PER_REQUEST = 50  # the API's limit for clients without special rights
_CATEGORY = "Category:"


class WikiHow:
    """The articles of a WikiHow, each with the line of categories that leads to it.

    Raises:
        SourceError: no contact is set.
    """

    name = "wikihow"

    def __init__(self, options: WikiHowOptions, journal: Journal) -> None:
        if not options.contact.strip():
            raise SourceError("WikiHow is requested under your name only: set HOWTO_CONTACT to your address or page")
        self.options = options
        self.journal = journal
        self._client = WikiHowClient(options, journal)

    def version(self) -> str:
        """Changes when a new crawl begins: with the options, or when the last one is out of date."""
        return content_hash((self.options.site, self.options.housekeeping, self._crawl_begun().isoformat()))

    def articles(self) -> Iterator[Article]:
        """Every article of the site; responses of this crawl come from the journal.

        Raises:
            SourceError: robots.txt forbids it, or a request failed; the responses so far are kept.
        """
        yield from self._read()[0]

    def problems(self) -> list[Problem]:
        """Articles whose categories lead to no top level, and what else of a response is not used."""
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
        listed = self._pages(listing, begun)
        pages, problems = listed.by_id, list(listed.problems)
        parents = self._parents((name for page in pages.values() for name in page.categories), begun)
        articles = []
        for page_id, page in sorted(pages.items()):
            line = category_line(page.categories, parents)
            if page.categories and line is None:
                problems.append(Problem(page.title, "its categories form a circle, so it has no category"))
            articles.append(Article(f"wikihow-{page_id}", page.title, page.url, line or ()))
        return articles, problems

    def _crawl_begun(self) -> datetime:
        site = self.options.site
        keep_for = timedelta(days=self.options.max_age_days)
        begun = self.journal.recall("wikihow crawl", site, lambda: b"", site, keep_for).fetched_at
        assert begun is not None
        return begun

    def _parents(self, names: Iterable[str], begun: datetime) -> dict[str, tuple[str, ...]]:
        """The categories above each category, level by level up to those with none."""
        parents: dict[str, tuple[str, ...]] = {}
        level = sorted(set(names))
        while level:
            for start in range(0, len(level), _TITLES_PER_REQUEST):
                chunk = level[start : start + _TITLES_PER_REQUEST]
                titles = "|".join(f"{_CATEGORY}{name}" for name in chunk)
                found = self._pages({"titles": titles, "prop": "categories"}, begun).by_id
                above = {page.title.removeprefix(_CATEGORY): page.categories for page in found.values()}
                parents.update((name, above.get(name, ())) for name in chunk)
            level = sorted({name for above in parents.values() for name in above} - parents.keys())
        return parents

    def _pages(self, query: dict[str, str], begun: datetime) -> _Pages:
        """All pages that a query finds, over all its continuations."""
        common = {"action": "query", "format": "json", "formatversion": "2", "maxlag": "5"}
        query = {**common, "cllimit": "max", "clshow": "!hidden", **query}
        pages = _Pages()
        further: dict[str, str] = {}
        while True:
            answer = self._answer({**query, **further}, begun)
            pages.merge(answer, self.options.housekeeping)
            if "continue" not in answer:
                return pages
            if answer["continue"] == further or not isinstance(answer["continue"], dict):
                known = shown(answer["continue"])
                raise SourceError(f"{self.options.site}: the API continues with {known}, as before; try again later")
            further = {str(name): str(value) for name, value in answer["continue"].items()}

    def _answer(self, query: dict[str, str], begun: datetime) -> dict[str, Any]:
        url = f"{self.options.site}/api.php?{urlencode(sorted(query.items()))}"
        keep_for = self.journal.clock() - begun + timedelta(seconds=1)
        record = self.journal.recall("wikihow", url, lambda: self._client.api(url), self.options.site, keep_for)
        is_of_this_crawl = record.fetched_at is not None and record.fetched_at >= begun
        if record.status != "ok" or not is_of_this_crawl or record.body is None:
            again = f"; not before {record.next_try_at:%Y-%m-%d %H:%M %Z}" if record.status == "blocked" else ""
            raise SourceError(f"{url}: {record.error}; the responses so far are kept, run it again to continue{again}")
        answer: dict[str, Any] = parse_json(record.body)
        return answer


@dataclass
class _Page:
    title: str
    url: str | None
    categories: tuple[str, ...] = ()


@dataclass
class _Pages:
    """Pages by their id, and what of the responses is not used."""

    by_id: dict[int, _Page] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def merge(self, answer: dict[str, Any], left_out: tuple[str, ...]) -> None:
        """Add a response's pages; the categories of one page may come in several responses."""
        query = answer.get("query")
        found = query.get("pages") if isinstance(query, dict) else None
        # Sites before MediaWiki 1.25 give an object by page id; pages that do not exist have no id.
        for page in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
            if not isinstance(page, dict):
                self.problems.append(Problem("a page", f"{shown(page)} instead of an object"))
            elif page.get("missing") in (None, False) and "pageid" in page:
                self._merge_page(page, left_out)

    def _merge_page(self, page: dict[str, Any], left_out: tuple[str, ...]) -> None:
        fields = Fields(page, f"page {shown(page['pageid'])}")
        page_id, title = fields.integer("pageid", 0), fields.text("title")
        if page_id is None or not title:
            self.problems += [*fields.problems, Problem(fields.name, "no id or no title, so it is left out")]
            return
        known = self.by_id.setdefault(page_id, _Page(title, None))
        known.url = fields.text("fullurl") or known.url
        listed = page.get("categories")
        links = [Fields(each, title) for each in (listed if isinstance(listed, list) else ()) if isinstance(each, dict)]
        names = ((link.text("title") or "").removeprefix(_CATEGORY) for link in links)
        new = (name for name in names if name and name not in left_out and name not in known.categories)
        known.categories += tuple(dict.fromkeys(new))
        self.problems += [problem for each in (fields, *links) for problem in each.problems]


def category_line(categories: Iterable[str], parents: dict[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """The shortest line from a top category down to one of an article's own: of the first category that has one.

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
