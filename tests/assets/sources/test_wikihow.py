"""The WikiHow client against a server on this machine that answers as MediaWiki does, on good days and bad ones."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from assets.outcomes import SourceError
from assets.sources.journal import Journal
from assets.sources.protocol import Article
from assets.sources.wikihow import WikiHow, WikiHowOptions, category_line

PARENTS = {
    "Chairs": ["Furniture", "Featured Articles"],
    "Furniture": ["Home and Garden"],
    "Home and Garden": ["Categories"],
    "Cats": ["Pets and Animals"],
    "Pets and Animals": ["Categories"],
    "Round": ["About"],
    "About": ["Round"],
}
PAGES = {
    11: ("Bathe a Cat", ["Cats", "Featured Articles"]),
    12: ("Go Round", ["Round"]),
    13: ("Paint a Chair", ["Chairs", "Home and Garden", "Stub"]),
    14: ("Sand a Chair", ["Featured Articles", "Furniture"]),
    15: ("Whistle", []),
}
EXPECTED = {
    "Bathe a Cat": ("Pets and Animals", "Cats"),
    "Go Round": (),
    "Paint a Chair": ("Home and Garden", "Furniture", "Chairs"),
    "Sand a Chair": ("Home and Garden", "Furniture"),
    "Whistle": (),
}


class MediaWiki(ThreadingHTTPServer):
    """Two pages and three category links an answer, so that both continue; ``faults`` come before good answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.robots = (200, "User-agent: *\nDisallow: /Special:\n")
        self.faults: list[Any] = []
        self.requests: list[str] = []
        self.agents: set[str] = set()
        self.hold_at: int | None = None
        self.held = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up, or is killed, is part of these tests."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, query: dict[str, str]) -> dict[str, Any]:
        if "titles" in query:
            names = [title.removeprefix("Category:") for title in query["titles"].split("|")]
            ids = {name: 100 + number for number, name in enumerate(sorted(PARENTS))}
            pages = {ids[name]: (f"Category:{name}", PARENTS[name]) for name in names if name in PARENTS}
            answer = self.categories(pages, {}, query)
            missing = (name for name in names if name not in PARENTS)
            answer["query"]["pages"] += ({"ns": 14, "title": f"Category:{name}", "missing": True} for name in missing)
            return answer
        titles = sorted(title for title, _ in PAGES.values())
        start = titles.index(query["gapcontinue"]) if "gapcontinue" in query else 0
        batch = {number: page for number, page in PAGES.items() if page[0] in titles[start : start + 2]}
        further = {"gapcontinue": titles[start + 2], "continue": "gapcontinue||"} if start + 2 < len(titles) else {}
        return self.categories(batch, further, query)

    def categories(self, pages: dict, further: dict[str, str], query: dict[str, str]) -> dict[str, Any]:
        links = [(number, name) for number, (_, names) in sorted(pages.items()) for name in names]
        start = int(query["clcontinue"]) if "clcontinue" in query else 0
        shown: dict[int, dict[str, Any]] = {
            number: {"pageid": number, "ns": 0, "title": title, "fullurl": f"{self.url}/{title.replace(' ', '-')}"}
            for number, (title, _) in pages.items()
        }
        for number, name in links[start : start + 3]:
            shown[number].setdefault("categories", []).append({"ns": 14, "title": f"Category:{name}"})
        answer: dict[str, Any] = {"query": {"pages": list(shown.values())}}
        if start + 3 < len(links):
            current = {"gapcontinue": query["gapcontinue"]} if "gapcontinue" in query else {}
            return answer | {"continue": {"clcontinue": str(start + 3), "continue": "||info", **current}}
        return answer | {"batchcomplete": True} | ({"continue": further} if further else {})


class Handler(BaseHTTPRequestHandler):
    server: MediaWiki

    def do_GET(self) -> None:
        wiki = self.server
        wiki.agents.add(self.headers["User-Agent"])
        if self.path == "/robots.txt":
            self.reply(wiki.robots[0], wiki.robots[1])
            return
        wiki.requests.append(self.path)
        if wiki.hold_at == len(wiki.requests):
            wiki.held.set()
            time.sleep(60)
        if wiki.faults:
            fault = wiki.faults.pop(0)
            if callable(fault):
                fault(self)
            else:
                self.reply(*fault)
            return
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self.reply(200, json.dumps(wiki.answer(query)))

    def reply(self, status: int, body: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def wiki() -> Iterator[MediaWiki]:
    server = MediaWiki()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def options(wiki: MediaWiki, **changed: Any) -> WikiHowOptions:
    quick = {"requests_per_second": 1e4, "response_timeout_s": 5, "attempts": 3, "first_wait_s": 0.001}
    return replace(WikiHowOptions("me@example.org", wiki.url), **{**quick, **changed})


def source(wiki: MediaWiki, folder: Path, **changed: Any) -> WikiHow:
    return WikiHow(options(wiki, **changed), Journal(folder / "journal.sqlite"))


def lines(articles: Iterator[Article]) -> dict[str, tuple[str, ...]]:
    return {article.title: article.categories for article in articles}


def test_every_article_comes_with_the_line_of_its_categories(wiki: MediaWiki, tmp_path: Path) -> None:
    wikihow = source(wiki, tmp_path)
    articles = list(wikihow.articles())
    assert lines(iter(articles)) == EXPECTED
    assert articles[0] == Article("wikihow-11", "Bathe a Cat", f"{wiki.url}/Bathe-a-Cat", ("Pets and Animals", "Cats"))
    assert [problem.name for problem in wikihow.problems()] == ["Go Round"]
    assert wiki.agents == {"howto-lake (me@example.org)"}
    assert any("clcontinue" in path for path in wiki.requests) and any("gapcontinue" in path for path in wiki.requests)
    assert all("maxlag=5" in path for path in wiki.requests)


def test_no_request_is_repeated_until_the_crawl_is_out_of_date(wiki: MediaWiki, tmp_path: Path) -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    wikihow = WikiHow(options(wiki), Journal(tmp_path / "journal.sqlite", clock=lambda: now[0]))
    version = wikihow.version()
    first = list(wikihow.articles())
    now[0] += timedelta(days=6)
    assert list(wikihow.articles()) == first and wikihow.version() == version
    assert set(Counter(wiki.requests).values()) == {1}
    now[0] += timedelta(days=2)
    assert wikihow.version() != version and list(wikihow.articles()) == first
    assert set(Counter(wiki.requests).values()) == {2}


def lagging(handler: Handler) -> None:
    body = {"error": {"code": "maxlag", "info": "Waiting for db1: 6 seconds lagged", "lag": 6}}
    handler.reply(200, json.dumps(body), Retry_After="0", X_Database_Lag="6")


def resetting(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.close_connection = True


def too_many(handler: Handler) -> None:
    handler.reply(429, "slow down", Retry_After="0")


@pytest.mark.parametrize(
    "fault",
    [(503, "busy"), (200, "<html>"), (200, "[]"), (200, '{"query": '), lagging, resetting, too_many],
    ids=["503", "html", "a list", "half of it", "maxlag", "cut off", "429"],
)
def test_a_passing_fault_is_retried(wiki: MediaWiki, tmp_path: Path, fault: Any) -> None:
    wiki.faults = [fault, fault]
    assert lines(source(wiki, tmp_path).articles()) == EXPECTED
    assert Counter(wiki.requests).most_common(2)[0][1] == 3, "two bad answers, then the good one"


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have slept; nothing sleeps."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def test_a_retry_after_is_waited_for(wiki: MediaWiki, tmp_path: Path, sleeps: list[float]) -> None:
    wiki.faults = [lambda handler: handler.reply(429, "", Retry_After="7")]
    assert lines(source(wiki, tmp_path).articles()) == EXPECTED
    assert [seconds for seconds in sleeps if seconds > 0.1] == [7]


def test_what_stays_bad_ends_the_run_and_the_next_one_goes_on(wiki: MediaWiki, tmp_path: Path) -> None:
    wiki.faults = [*[(503, "busy")] * 3]
    with pytest.raises(SourceError, match=r"answers 503 \(3 attempts\); the responses so far are kept"):
        list(source(wiki, tmp_path).articles())
    assert lines(source(wiki, tmp_path).articles()) == EXPECTED


@pytest.mark.parametrize("fault", [(403, "no"), lambda handler: handler.reply(429, "", Retry_After="7200")])
def test_a_refusal_is_respected_by_the_next_run_too(wiki: MediaWiki, tmp_path: Path, fault: Any) -> None:
    wiki.faults = [fault]
    for _ in range(2):
        with pytest.raises(SourceError, match="not before"):
            list(source(wiki, tmp_path).articles())
    assert len(wiki.requests) == 1


def test_a_body_that_drips_is_not_waited_for(wiki: MediaWiki, tmp_path: Path) -> None:
    def dripping(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(20):
            handler.wfile.write(b" ")
            time.sleep(0.05)
        handler.close_connection = True

    wiki.faults = [dripping]
    assert lines(source(wiki, tmp_path, response_timeout_s=0.2).articles()) == EXPECTED


@pytest.mark.parametrize(
    ("robots", "said"),
    [
        ((200, "User-agent: *\nDisallow: /api.php"), "forbids /api.php"),
        ((200, "User-agent: *\nDisallow: /*action=query"), "forbids /api.php"),
        ((200, "User-agent: howto-lake\nDisallow: /\n\nUser-agent: *\nDisallow:"), "forbids /api.php"),
        ((503, "busy"), "without its rules no request is made"),
    ],
)
def test_robots_txt_is_obeyed(wiki: MediaWiki, tmp_path: Path, robots: tuple[int, str], said: str) -> None:
    wiki.robots = robots
    with pytest.raises(SourceError, match=said):
        list(source(wiki, tmp_path).articles())
    assert wiki.requests == []


@pytest.mark.parametrize(
    "robots", [(404, "none"), (200, ""), (200, "User-agent: *\nDisallow: /*action=edit\nDisallow: /w/")]
)
def test_a_site_without_rules_for_the_api_allows_it(wiki: MediaWiki, tmp_path: Path, robots: tuple[int, str]) -> None:
    wiki.robots = robots
    assert lines(source(wiki, tmp_path).articles()) == EXPECTED


def test_requests_keep_the_slower_of_both_rates(wiki: MediaWiki, tmp_path: Path, sleeps: list[float]) -> None:
    wiki.robots = (200, "User-agent: *\nCrawl-delay: 60\n")
    assert lines(source(wiki, tmp_path).articles()) == EXPECTED
    waits = [0, *(seconds for seconds in sleeps if seconds > 0)]  # no sleep passes, so each wait contains those before
    assert len(waits) >= len(wiki.requests)
    assert all(50 < after - before <= 60 for before, after in pairwise(waits))


def test_errors_of_the_api_and_redirects_are_reported(wiki: MediaWiki, tmp_path: Path) -> None:
    wiki.faults = [(200, '{"error": {"code": "badcontinue", "info": "Invalid continue param."}}')]
    with pytest.raises(SourceError, match="badcontinue: Invalid continue param"):
        list(source(wiki, tmp_path).articles())
    wiki.faults = [lambda handler: handler.reply(301, "", Location="https://elsewhere.example/api.php")]
    with pytest.raises(SourceError, match=r"elsewhere.example.*HOWTO_WIKIHOW_URL"):
        list(source(wiki, tmp_path).articles())


def test_a_contact_is_needed(wiki: MediaWiki, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="HOWTO_CONTACT"):
        source(wiki, tmp_path, contact=" ")


CRAWL = """
import sys
from pathlib import Path
from assets.sources.journal import Journal
from assets.sources.wikihow import WikiHow, WikiHowOptions
options = WikiHowOptions("me@example.org", sys.argv[1], requests_per_second=1e4)
list(WikiHow(options, Journal(Path(sys.argv[2]))).articles())
"""


def test_a_killed_crawl_loses_only_the_question_in_flight(wiki: MediaWiki, tmp_path: Path) -> None:
    in_flight = Counter[str]()
    for answered in (0, 1, 3, 0, 2):
        wiki.hold_at = len(wiki.requests) + answered + 1
        wiki.held.clear()
        crawl = subprocess.Popen([sys.executable, "-c", CRAWL, wiki.url, str(tmp_path / "journal.sqlite")])
        assert wiki.held.wait(30)
        crawl.send_signal(signal.SIGKILL)
        crawl.wait()
        in_flight[wiki.requests[-1]] += 1
    assert lines(source(wiki, tmp_path).articles()) == EXPECTED
    assert {path: times - 1 for path, times in Counter(wiki.requests).items() if times > 1} == in_flight


def test_the_shortest_way_to_a_top_category_wins_and_circles_end() -> None:
    parents = {"Chairs": ("Seats", "Furniture"), "Seats": ("Furniture",), "Furniture": ("Home",), "Home": ()}
    assert category_line(["Chairs"], parents) == ("Home", "Furniture", "Chairs")
    assert category_line(["a", "Home"], {"a": ("b",), "b": ("a",), "Home": ()}) == ("Home",)
    assert category_line(["a"], {"a": ("a",)}) is None


@pytest.mark.parametrize(
    ("page", "title", "problems"),
    [
        ({"pageid": 7, "title": "Fold \ud83d"}, "Fold \ufffd", ["title: holds half"]),
        ({"pageid": 2**70, "title": "Fold"}, None, ["pageid: ", "no id or no title"]),
        ({"pageid": 7, "title": ["Fold"]}, None, ["title: a list of 1", "no id or no title"]),
        (
            {"pageid": 7, "title": "Fold", "categories": [{"title": 5}, 6, {"title": None}]},
            "Fold",
            ["title: 5 instead"],
        ),
        ("a page", None, ["'a page' instead of an object"]),
    ],
)
def test_an_odd_page_costs_no_other_page(
    wiki: MediaWiki, tmp_path: Path, page: Any, title: str | None, problems: list[str]
) -> None:
    answer = {"query": {"pages": [page, {"pageid": 9, "title": "Sew"}]}}
    wiki.faults = [(200, json.dumps(answer))]
    wikihow = source(wiki, tmp_path)
    assert [article.title for article in wikihow.articles()] == [*([title] if title else []), "Sew"]
    found = [each.problem for each in wikihow.problems()]
    assert all(any(each.startswith(start) for each in found) for start in problems), found
