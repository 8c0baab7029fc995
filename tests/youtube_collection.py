"""A small collection from search to files, as a process of its own that may be killed at any moment."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import polars as pl
from pydantic import SecretStr

from assets.availability.probes import NoArticles
from assets.captions.fetch import fetch_captions
from assets.media.files import fetch_files
from assets.sharding import Sharding
from assets.sources.journal import Journal
from assets.sources.youtube import YouTubeOptions, YouTubeSource
from assets.videos.metadata import fetch_metadata
from assets.videos.search import search_tasks
from tests.youtube_server import Served, only_loopback

TABLES = ("search_results", "task_searches", "captions", "caption_fetches", "video_metadata", "video_files")
SHARDING = Sharding(2)


def options_for(proxy: str) -> YouTubeOptions:
    """The options of tests: through the proxy, without pauses, and without trust in certificates for yt-dlp."""
    return YouTubeOptions(
        requests_per_second=1e6,
        jitter_s=0,
        tries=1,
        retry_wait_s=0.001,
        response_timeout_s=20.0,
        proxy=SecretStr(proxy),
        yt_dlp={"nocheckcertificate": True},
    )


def tasks(*titles: str) -> pl.DataFrame:
    """Rows of ``tasks`` as far as a search needs them."""
    return pl.DataFrame(
        {
            "task_id": [f"task-{i}" for i, _ in enumerate(titles)],
            "title": titles,
            "category_1": ["Hobbies and Crafts"] * len(titles),
            "kept": [True] * len(titles),
        }
    )


def collect(served: Served, folder: Path, titles: tuple[str, ...], limit: int) -> None:
    """Collect everything for some tasks; the tables are in ``folder`` when it returns."""
    os.environ["REQUESTS_CA_BUNDLE"] = str(served.ca)
    with only_loopback():
        journal = Journal(folder / "collection_state" / "youtube.sqlite")
        options = replace(options_for(served.proxy), caption_clients=("yt-dlp", "youtube-transcript-api"))
        source = YouTubeSource(NoArticles(), journal, options)
        results, searches = search_tasks(source, tasks(*titles), limit)
        parts: dict[str, list[pl.DataFrame]] = {"search_results": [results], "task_searches": [searches]}
        for shard in SHARDING.keys:
            videos = SHARDING.members(set(results["video_id"]), shard)
            captions, fetches = fetch_captions(source, videos, shard)
            metadata = fetch_metadata(source, videos, shard)
            files = fetch_files(source, videos, shard, folder / "media")
            for name, frame in zip(TABLES[2:], (captions, fetches, metadata, files), strict=True):
                parts.setdefault(name, []).append(frame)
    for name, frames in parts.items():
        pl.concat(frames).write_parquet(folder / f"{name}.parquet")
