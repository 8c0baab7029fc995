"""A collection that is killed at random moments goes on to the same tables, and never asks twice for what it has."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import polars as pl

from tests.youtube_collection import TABLES, collect
from tests.youtube_server import Request, Served, Track, Video, YouTube, serving

KILLS = 20
MOST_REQUESTS = 7
TITLES = ("Fold a Crane", "Fold a Boat")
LIMIT = 9
GERMAN = ((0.0, 2.0, "wir falten die Ecke"),)


def site() -> YouTube:
    """Two searches that share videos, some of which are gone, closed, broken or foreign."""
    youtube = YouTube()
    for i, title in enumerate(TITLES):
        youtube.results[f"how to {title.lower()}"] = [f"folding{i * 7 + rank:04d}" for rank in range(LIMIT)]
    youtube.videos["folding0002"] = Video("Nur auf Deutsch", tracks=(Track("de", lines=GERMAN),))
    youtube.fail("player", "folding0003", "removed")
    youtube.fail("player", "folding0005", "age")
    youtube.fail("player", "folding0006", "disabled")
    youtube.fail("timedtext", "folding0009", "malformed")
    youtube.fail("watch", "folding0007", "reset")
    youtube.fail("media", "folding0010", "503")
    return youtube


def finished(folder: Path) -> set[tuple[str, str]]:
    """Kinds of requests, with what they are about, that must not come any more."""
    path = folder / "collection_state" / "youtube.sqlite"
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as journal:
        try:
            known = set(journal.execute("SELECT kind, key FROM answers"))
        except sqlite3.OperationalError:  # killed before the tables were made
            return set()
    done = {("search", key.split('"')[-2]) for kind, key in known if kind == "search"}
    done |= {(kind, key) for source, key in known if source == "captions" for kind in ("watch", "timedtext")}
    done |= {("media", key) for kind, key in known if kind == "media"}
    return done | {("player", key) for _, key in known if {("captions", key), ("media", key)} <= known}


class Killer:
    """Kills the running process some requests after its start, a little later at random, from the server's threads."""

    def __init__(self, youtube: YouTube) -> None:
        self.random = random.Random(3)
        self.countdown = threading.Semaphore(0)
        youtube.on_request = self.count

    def count(self, _: Request) -> None:
        self.countdown.release()

    def kill(self, process: multiprocessing.Process) -> bool:
        """Whether it was still running."""
        while self.countdown.acquire(blocking=False):
            pass
        for _ in range(self.random.randint(1, MOST_REQUESTS)):
            self.countdown.acquire(timeout=10)
        time.sleep(self.random.choice([0, 0.002, 0.01, 0.03]))
        running = process.is_alive()
        process.kill()
        process.join()
        return running


def tables(folder: Path, at_any_time: bool) -> dict[str, pl.DataFrame]:
    frames = {name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    if at_any_time:
        frames = {name: frame.select(pl.exclude("^.*_at$")) for name, frame in frames.items()}
    return frames


def start(served: Served, folder: Path) -> multiprocessing.Process:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.youtube_collection", "yt_dlp.extractor.youtube", "pyarrow"])
    process = processes.Process(target=collect, args=(served, folder, TITLES, LIMIT))
    process.start()
    return process  # type: ignore[return-value]


def run_through(served: Served, folder: Path) -> None:
    process = start(served, folder)
    process.join()
    assert process.exitcode == 0


def kill_again_and_again(served: Served, youtube: YouTube, folder: Path) -> set[tuple[str, str]]:
    """Kill a collection, and check each time that nothing was requested that was finished at the kill before."""
    killer, done, seen = Killer(youtube), set[tuple[str, str]](), 0
    for _ in range(KILLS):
        assert killer.kill(start(served, folder)), "it ran when it was killed"
        assert not done & {(request.kind, request.key) for request in youtube.log[seen:]}
        done, seen = finished(folder), len(youtube.log)
    return done


def test_a_collection_killed_twenty_times_ends_as_if_it_had_run_through(tmp_path: Path) -> None:
    through, killed = tmp_path / "through", tmp_path / "killed"
    with serving(youtube := site(), tmp_path / "certificates") as served:
        run_through(served, through)
        uninterrupted = len(youtube.log)

    with serving(youtube := site(), tmp_path / "certificates") as served:
        done = kill_again_and_again(served, youtube, killed)
        seen = len(youtube.log)
        run_through(served, killed)
        requests, resumed = len(youtube.log), tables(killed, at_any_time=False)
        run_through(served, killed)
        again = tables(killed, at_any_time=False)

    kinds = Counter(kind for kind, _ in done)
    assert kinds["search"] == 2 and kinds["timedtext"] > 3 and kinds["media"] > 0, f"killed in every stage: {kinds}"
    assert not done & {(request.kind, request.key) for request in youtube.log[seen:]}
    assert requests - uninterrupted < KILLS * MOST_REQUESTS, "a kill costs what was under way"
    for name, frame in tables(through, at_any_time=True).items():
        assert frame.rows() == tables(killed, at_any_time=True)[name].rows(), name
    assert set(resumed["caption_fetches"]["status"]) == {"ok", "unavailable", "age_restricted", "disabled", "retry"}
    assert not list(killed.glob("media/**/*.part"))

    assert len(youtube.log) == requests, "a finished collection sends no request"
    assert all(again[name].equals(resumed[name]) for name in TABLES), "to the very moment of each fetch"
