"""From settings to the objects that assets request by name: sources, stores and options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from assets.availability.probes import Prober, SourceProber, YouTubeProber
from assets.contents import Contents
from assets.features.options import FeatureOptions
from assets.features.store import FeatureStore
from assets.graph.options import CoPurchaseOptions
from assets.lake.locks import Locks
from assets.models.store import ModelRoot
from assets.options import Options, fingerprint, narrowed
from assets.search.narration import NarrationArray
from assets.sources.folder import FolderSource
from assets.sources.followups.shards import released
from assets.sources.protocol import VideoSource
from assets.sources.retail import CompleteJourney, RetailFiles, RetailSource
from assets.sources.synthetic import SyntheticSource
from assets.tasks.verbs import TaskRules
from assets.videos.filters import CandidateLimits, SearchLimits
from ml.hero.clip_store import ClipStore
from ml.joint_embedding.clip_index import ClipIndex
from ml.joint_embedding.pair_store import PairStore
from ml.places import place, remote_place
from orchestration.compute import ray_cluster
from orchestration.io_manager import LakeIOManager
from orchestration.settings import Settings
from orchestration.settings.catalogue import changed_settings
from orchestration.stores import lake_of

CONTENTS = "contents.json"
"""File in the lake that remembers hashes of the files that options name."""


def video_source(settings: Settings) -> VideoSource:
    """The source that HOWTO_SOURCE names."""
    sources = settings.sources
    if sources.kind == "folder":
        assert sources.folder is not None
        return FolderSource(sources.folder, settings.task_rules.categories)
    if sources.kind == "youtube":
        return youtube_source(settings)
    if sources.kind == "howto100m_release":
        from assets.sources.howto100m_release.source import HowTo100MRelease

        assert sources.release is not None
        return HowTo100MRelease(sources.release, settings.lake.absolute() / "collection" / "release")
    return SyntheticSource(sources.synthetic_tasks, sources.synthetic_videos_per_task, sources.seed)


def youtube_source(settings: Settings) -> VideoSource:
    """YouTube, for the tasks of a file or of WikiHow's site; the responses of both are stored in the lake."""
    from assets.sources.article_files import ArticleFile
    from assets.sources.journal import Journal
    from assets.sources.wikihow import WikiHow
    from assets.sources.youtube.source import YouTubeSource

    journal = Journal(settings.lake.absolute() / "collection" / "journal.sqlite")
    path = settings.sources.articles
    articles = ArticleFile(path) if path else WikiHow(settings.wikihow, journal)
    # Two requests per video instead of four, and the time of each word.
    options = replace(settings.youtube, caption_clients=("yt-dlp", "youtube-transcript-api"))
    return YouTubeSource(articles, journal, options)


def prober(settings: Settings) -> Prober:
    """What says whether videos can still be watched. The videos of the HowTo100M release are YouTube's."""
    if settings.sources.kind in ("youtube", "howto100m_release"):
        return YouTubeProber(settings.lake.absolute() / "collection" / "journal.sqlite", settings.youtube)
    return SourceProber(video_source(settings))


def task_rules(settings: Settings) -> TaskRules:
    """Which articles become tasks, with the review file; by default nobody judges the verbs of a folder or release."""
    review = settings.task_rules.review or settings.lake / "review" / "verbs.csv"
    verb_filter, chosen = settings.task_rules.verb_filter, settings.sources.kind in ("folder", "howto100m_release")
    filtered = chosen if verb_filter == "auto" else verb_filter == "off"
    return replace(settings.task_rules, review=review.absolute(), filtered=filtered)


def feature_options(settings: Settings) -> FeatureOptions:
    """The feature networks, with Ray actors where HOWTO_COMPUTE names Ray."""
    compute = settings.compute
    actors = compute.ray_actors if compute.executor == "ray" else 0
    return replace(settings.features, ray_actors=actors, ray_gpus=compute.ray_gpus)


def retail_source(settings: Settings) -> RetailSource:
    """The user's own transactions where they are set, else the packaged simulated ones."""
    transactions, products = settings.retail.transactions, settings.retail.products
    return RetailFiles(transactions, products) if transactions and products else CompleteJourney()


def model_root_of(settings: Settings) -> Path:
    """The folder of the model folders, with copies in object storage if HOWTO_ARRAYS names some."""
    folder, copies = settings.lake.absolute() / "models", settings.storage.arrays
    return ModelRoot.of(folder, remote_place(copies) / "models") if copies else folder


def build_resources(settings: Settings) -> dict[str, Any]:
    """Every resource by the name that assets use."""
    lake = lake_of(settings)
    root = lake.root
    releases = root.absolute() / "collection" / "releases"
    arrays = place(settings.storage.arrays or root) / "arrays"
    return {
        "io_manager": LakeIOManager(lake),
        "lake": lake,
        "settings": settings,
        "changed_settings": changed_settings(settings),
        "source": video_source(settings),
        "retail": retail_source(settings),
        "prober": prober(settings),
        "media_root": root / "media",
        "model_root": model_root_of(settings),
        "review_root": root / "review",
        "card_root": root / "card",
        "release_cache": releases,
        "rewriting_replies": root.absolute() / "collection" / "rewriting.sqlite",
        "released_captions": released(settings.followups.chosen(), releases, settings.sharding),
        "features": FeatureStore(arrays, Locks(root.absolute() / "arrays" / ".locks", lake.catalog)),
        "pairs": PairStore(arrays / "pairs"),
        "clip_index": ClipIndex(arrays / "clip_embeddings.lance"),
        "words_array": NarrationArray(arrays / "narration_words.lance"),
        "meaning_array": NarrationArray(arrays / "narration_meaning.lance"),
        "hero_store": ClipStore(arrays / "hero_clips"),
        "device": settings.runtime.device,
        "ray_cluster": ray_cluster(settings),
        **_options(settings, root),
    }


def _options(settings: Settings, root: Path) -> dict[str, Options]:
    clip_limits = replace(settings.clip_limits, benchmarks=settings.benchmarks.raw)
    return {
        "task_rules": task_rules(settings),
        "search_limits": narrowed(settings.limits, SearchLimits),
        "candidate_limits": narrowed(settings.limits, CandidateLimits),
        "limits": settings.limits,
        "evaluation_lists": settings.evaluation_lists,
        "duplicate_options": settings.duplicates,
        "sharding": settings.sharding,
        "segmentation": settings.segmentation,
        "shot_borders": settings.shot_borders,
        "recognition": settings.recognition,
        "feature_options": feature_options(settings),
        "visual_duplicate_options": settings.visual_duplicates,
        "clip_limits": clip_limits,
        "leak_filter": clip_limits.leaks,
        "split": settings.split,
        "runtime_options": settings.runtime,
        "pair_options": settings.pairs,
        "word_options": settings.words,
        "embedding_options": settings.embedding,
        "benchmark_options": replace(settings.benchmarks, made=root / "benchmarks"),
        "benchmark_surveys": settings.benchmark_surveys,
        "text_video_options": settings.text_video,
        "hero_clip_options": settings.hero_clips,
        "hero_options": settings.hero,
        "hero_task_options": settings.hero_tasks,
        "co_purchase_options": narrowed(settings.graph, CoPurchaseOptions),
        "graph_options": settings.graph,
        "gcn_options": settings.gcn,
        "card_options": settings.card,
        "availability_options": settings.availability,
        "rewriting_options": settings.rewriting,
        "matching_options": settings.matching,
        "htm_align_options": settings.htm_align,
        "followup_options": settings.followups,
        "clip_captions": settings.followups.chosen(),
    }


def options_version(resources: Mapping[str, Any], names: set[str], root: Path) -> str:
    """Hash of what changes the result among the options that have these names; empty where there are none.

    Args:
        root: folder of the lake, which remembers hashes of large files.
    """
    return fingerprint({name: resources.get(name) for name in names}, Contents(root / CONTENTS))
