"""Which answers of a remote source are stored, and when a request is repeated."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.outcomes import FetchError, Outcome, SourceError
from assets.sources.journal import Journal, Patience

START = datetime(2026, 5, 4, tzinfo=UTC)


def unavailable() -> bytes:
    raise FetchError(Outcome("unavailable", error="gone"))


def failing() -> bytes:
    raise FetchError(Outcome("retry", error="broken"))


def test_a_final_answer_is_never_requested_again(tmp_path: Path) -> None:
    answers = iter([b"first", b"second"])
    for _ in range(2):
        journal = Journal(tmp_path / "state" / "journal.sqlite", clock=lambda: START)
        record = journal.recall("captions", "a", lambda: next(answers), "site")
        assert (record.status, record.body, record.attempts, record.fetched_at) == ("ok", b"first", 1, START)
        assert journal.recall("captions", "b", unavailable, "site").error == "gone"
    assert journal.recall("metadata", "a", lambda: next(answers), "site").body == b"second"


def test_waits_double_up_to_the_longest(tmp_path: Path) -> None:
    now = START
    patience = Patience(first_retry=timedelta(hours=1), longest_retry=timedelta(hours=5))
    journal = Journal(tmp_path / "journal.sqlite", patience, lambda: now)
    hours = []
    for _ in range(5):
        record = journal.recall("captions", "a", failing, "site")
        assert record.next_try_at is not None
        hours.append((record.next_try_at - now) / timedelta(hours=1))
        now = record.next_try_at
    assert hours == [1, 2, 4, 5, 5]
    assert patience.after(1000) == timedelta(hours=5)


def test_a_refusal_pauses_one_site_until_it_is_over(tmp_path: Path) -> None:
    def refusing() -> bytes:
        raise FetchError(Outcome("blocked", error="too many"), timedelta(minutes=10))

    now = START
    journal = Journal(tmp_path / "journal.sqlite", clock=lambda: now)
    journal.recall("captions", "a", refusing, "site")
    elsewhere = Journal(tmp_path / "journal.sqlite", clock=lambda: now)
    record = elsewhere.recall("captions", "b", lambda: b"requested", "site")
    assert (record.status, record.error, record.attempts) == ("blocked", "not requested: too many", 0)
    assert record.next_try_at == START + timedelta(minutes=10)
    assert elsewhere.recall("captions", "c", lambda: b"requested", "other site").status == "ok"
    now = START + timedelta(minutes=10)
    assert journal.recall("captions", "a", refusing, "site").attempts == 2
    now += timedelta(minutes=10)
    assert journal.recall("captions", "b", lambda: b"requested", "site").status == "ok"


def test_an_error_that_is_no_answer_leaves_nothing(tmp_path: Path) -> None:
    def misconfigured() -> bytes:
        raise SourceError("no key")

    journal = Journal(tmp_path / "journal.sqlite")
    with pytest.raises(SourceError, match="no key"):
        journal.recall("search", "q", misconfigured, "site")
    assert journal.get("search", "q") is None


def test_threads_share_a_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")

    def work(name: str) -> None:
        for i in range(50):
            journal.recall("captions", f"{name}{i}", lambda: f"{name}{i}".encode() * 100, "site")  # noqa: B023

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = Journal(tmp_path / "journal.sqlite")
    bodies = [record.body for name in "abcd" for i in range(50) if (record := again.get("captions", f"{name}{i}"))]
    assert bodies == [f"{name}{i}".encode() * 100 for name in "abcd" for i in range(50)]


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"something else entirely" * 100)
    with pytest.raises(SourceError, match=r"journal.sqlite: not a journal .* move it away"):
        Journal(tmp_path / "journal.sqlite").get("captions", "a")
