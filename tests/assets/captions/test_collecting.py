"""Sources without a network go through the same functions as YouTube, and need no journal."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from assets.captions.fetch import fetch_captions
from assets.media.files import fetch_files
from assets.outcomes import FetchError, Outcome, due, stop_if_blocked
from assets.sources.folder import FolderSource
from assets.sources.protocol import SearchResult
from assets.sources.synthetic import SyntheticSource
from assets.videos.metadata import fetch_metadata
from assets.videos.search import search_tasks


def tasks(*titles: str) -> pl.DataFrame:
    ids = [f"task-{i}" for i, _ in enumerate(titles)]
    return pl.DataFrame({"task_id": ids, "title": titles, "category_1": "Health", "kept": True})


def test_the_synthetic_world_is_collected(tmp_path: Path) -> None:
    source = SyntheticSource(tasks=3, videos_per_task=2, seed=1)
    title = next(iter(source.articles())).title
    results, searches = search_tasks(source, tasks(title), 2)
    assert searches.select("status", "results", "next_try_at").rows() == [("ok", 2, None)]
    videos = results["video_id"].to_list()
    about = fetch_metadata(source, videos, "shard-0000")
    assert about["status"].to_list() == ["ok", "ok"] and about["duration_s"].null_count() == 0
    captions, fetches = fetch_captions(source, videos, "shard-0000")
    assert set(captions["video_id"]) <= set(videos)
    files = fetch_files(source, [*videos, "synthetic-99999"], "shard-0000", tmp_path)
    assert files.select("status", "attempts").rows() == [("ok", 1), ("ok", 1), ("failed", 1)]
    for outcomes in (searches, about, fetches, files):
        stop_if_blocked(outcomes)
        assert due(outcomes.lazy(), fetches["fetched_at"][0]).collect().is_empty()


def test_a_folder_has_the_values_of_its_info_files(tmp_path: Path) -> None:
    info = {"title": "Fold", "duration": 12.5, "language": "en", "tags": ["paper"], "automatic_captions": {"en": []}}
    (tmp_path / "a.info.json").write_text(json.dumps(info))
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"")
    about = fetch_metadata(FolderSource(tmp_path, ()), ["a", "b", "c"], "shard-0000")
    assert about.select("status", "title", "duration_s", "language", "keywords", "asr_captions").rows() == [
        ("ok", "Fold", 12.5, "en", ["paper"], ["en"]),
        ("ok", "b", None, None, [], []),
        ("failed", None, None, None, [], []),
    ]


def test_a_search_without_an_answer_is_a_row() -> None:
    class OneFails:
        name = "one fails"

        def search(self, query: str, limit: int) -> list[SearchResult]:
            if "boat" in query:
                raise FetchError(Outcome("retry", error="no answer"))
            return [SearchResult("v", "Crane", None, None, None)]

    results, searches = search_tasks(OneFails(), tasks("Fold a Crane", "Fold a Boat"), 5)  # type: ignore[arg-type]
    assert results["task_id"].to_list() == ["task-0"]
    assert searches.select("task_id", "status", "results", "error").rows() == [
        ("task-0", "ok", 1, None),
        ("task-1", "retry", 0, "no answer"),
    ]
