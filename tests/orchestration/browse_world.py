"""A small lake of kept and dropped videos and clips, for the tests of the browse page; no model is trained."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from fastapi import FastAPI

from assets.captions.fetch import fetch_captions
from assets.captions.segments import clips
from assets.captions.sentences import Segmentation
from assets.features.frames.options import ClipLimits
from assets.features.frames.quality import clip_quality
from assets.lake import Lake, load_tables
from assets.media.files import fetch_files
from assets.sources.synthetic import SyntheticSource
from assets.statistics.probes import PROBES, draw, write_sheet
from assets.tasks.review import write_review
from assets.tasks.verbs import TaskRules, verb_decisions, verdicts
from assets.videos.filters import Limits, candidate_verdicts, video_verdicts
from assets.videos.metadata import fetch_metadata
from assets.videos.search import search_tasks
from orchestration.search.app import build_app
from orchestration.search.browse.labels import Sheets
from orchestration.search.browse.page import BrowsePage
from orchestration.search.corpus import Corpus
from orchestration.search.errors import NotReadyError
from orchestration.search.options import SearchOptions
from tests.orchestration.search_world import library_of

LIMITS = Limits(min_words=150, min_views=1000)
CLIP_LIMITS = ClipLimits(max_words_per_s=3.0, drop_benchmark_leaks=False, benchmarks=True)
SHARD = "shard-0000"
SHOTS = ((0, 0.0, 20.0, None, None, "x"), (1, 20.0, 400.0, "cut", 0.0, "x"))
"""The shots of the videos that have files."""
ATTACK = "</script><script>alert('x')</script><img src=x onerror=alert(1)>"
"""What an uploader may have put into a title."""


class BrowseWorld:
    """The stages from articles to clips, by their own functions, on a synthetic source."""

    def __init__(self, root: Path) -> None:
        self.root, self.media, self.review = root, root / "media", root / "review"
        self.lake, self.verbs = Lake(root / "lake"), root / "review" / "verbs.csv"
        self._make(SyntheticSource(tasks=4, videos_per_task=3))

    def app(self, writable: bool = True, hosts: tuple[str, ...] = ("testserver", "127.0.0.1")) -> FastAPI:
        """The server, whose search has no model."""

        def load() -> Corpus:
            raise NotReadyError("No index here.")

        roots = [self.media]
        sheets = Sheets(self.lake, self.review, self.verbs)
        page = BrowsePage(self.lake, LIMITS, CLIP_LIMITS, sheets, roots, writable)
        options = SearchOptions(hosts=hosts)
        return build_app(library_of(load), roots, options, routers=[page.router()])

    def _make(self, source: SyntheticSource) -> None:
        rules, now = TaskRules(tagger="first_word", review=self.verbs), pl.lit("2026-01-01").str.to_datetime()
        rows = [(a.article_id, a.title, a.url, list(a.categories), source.name, None) for a in source.articles()]
        articles = load_tables()["wikihow_articles"]
        names = list(articles.column_types)
        frame = pl.DataFrame(rows, names, orient="row").with_columns(now.alias(names[-1]))
        tasks = verdicts(frame, rules)
        results, _ = search_tasks(source, tasks, LIMITS.top_results)
        first = pl.col("video_id") == "synthetic-00000"
        results = results.with_columns(title=pl.when(first).then(pl.lit(ATTACK)).otherwise("title"))
        candidates = candidate_verdicts(results, tasks, load_tables()["evaluation_videos"].frame([]), LIMITS)
        ids = sorted(candidates.filter("kept")["video_id"])
        captions, fetches = fetch_captions(source, ids, SHARD)
        metadata = fetch_metadata(source, ids, SHARD)
        pairs = [(ids[1], ids[0], 0.75)]
        duplicates = load_tables()["video_duplicates"].frame(pairs)
        videos = video_verdicts(candidates, fetches, metadata, duplicates, LIMITS)
        kept = videos.filter("kept")
        files = fetch_files(source, kept["video_id"].to_list()[:2], SHARD, self.media)
        made = clips(captions, kept, fetches, Segmentation())
        shots, seconds = (load_tables()[name] for name in ("shots", "frame_statistics"))
        changes = [(SHARD, video, *shot) for video in kept["video_id"][:2] for shot in SHOTS]
        light = [
            (SHARD, video, second, 0.4, 90.0, 0.02, *[None] * 6, "x")
            for video in kept["video_id"][:2]
            for second in range(200)
        ]
        repeats = load_tables()["visual_duplicates"].frame([])
        measured = shots.frame(changes), seconds.frame(light)
        leak = (kept["video_id"][0], "MSR-VTT", "video1", 0.9, 0.5, False, 0.0, "its pictures are those of video1")
        leaks = load_tables()["benchmark_leaks"].frame([leak])
        quality = clip_quality(made, *measured, repeats, leaks, CLIP_LIMITS)
        for name, table in (
            ("shots", measured[0]),
            ("frame_statistics", measured[1]),
            ("clip_quality", quality),
            ("visual_duplicates", repeats),
            ("benchmark_leaks", leaks),
            ("tasks", tasks),
            ("search_results", results),
            ("candidate_videos", candidates),
            ("evaluation_videos", load_tables()["evaluation_videos"].frame([])),
            ("captions", captions),
            ("caption_fetches", fetches),
            ("video_metadata", metadata),
            ("video_duplicates", duplicates),
            ("videos", videos),
            ("video_files", files),
            ("clips", made),
            ("verb_decisions", verb_decisions(tasks, rules)),
        ):
            self.lake.write(name, table)
        write_review(self.verbs, self.lake.read("verb_decisions").pl())
        for probe in PROBES:
            write_sheet(self.review / f"{probe.name}.csv", probe, draw(self.lake, probe, 0))
