"""From settings to the objects that assets ask for by name.

Belongs here: the one place where a setting becomes a source, a store or an option. Resources that are dataclasses are
options that shape results: a change of one makes the assets that use it out of date (see ``definitions``).
"""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

from assets.captions.sentences import Segmentation
from assets.captions.speech_recognition import Recognition
from assets.card.options import CardOptions
from assets.features.options import FeatureOptions
from assets.features.store import FeatureStore
from assets.graph.options import ClusterGCNOptions, GraphOptions
from assets.hero.options import HeroClipOptions, HeroOptions
from assets.joint_embedding.evaluation.options import BenchmarkOptions, folder_version
from assets.joint_embedding.options import EmbeddingOptions, PairOptions, WordOptions
from assets.lake import Lake
from assets.models.folder import model_version
from assets.models.options import RuntimeOptions
from assets.sharding import Sharding
from assets.sources.folder import FolderSource
from assets.sources.protocol import VideoSource
from assets.sources.retail import CompleteJourney, RetailFiles, RetailSource
from assets.sources.synthetic import SyntheticSource
from assets.splits import SplitOptions
from assets.tasks.review import review_version
from assets.tasks.verbs import TaskRules
from assets.videos.duplicates import DuplicateOptions, EvaluationLists
from assets.videos.filters import Limits
from ml.files import content_hash, file_hash
from ml.hero.clip_store import ClipStore
from ml.joint_embedding.clip_index import ClipIndex
from ml.joint_embedding.pair_store import PairStore
from orchestration.compute import ray_cluster
from orchestration.io_manager import LakeIOManager
from orchestration.settings import UNCATEGORISED, Settings, SettingsError


def video_source(settings: Settings) -> VideoSource:
    """The source that HOWTO_SOURCE names."""
    if settings.source == "folder":
        assert settings.folder is not None
        return FolderSource(settings.folder, settings.categories)
    if settings.source == "youtube":
        return youtube_source(settings)
    if settings.source == "howto100m_release":
        from assets.sources.howto100m_release.source import HowTo100MRelease

        assert settings.release is not None
        return HowTo100MRelease(settings.release, settings.lake.absolute() / "collection" / "release")
    return SyntheticSource(settings.synthetic_tasks, settings.synthetic_videos_per_task, settings.seed)


def youtube_source(settings: Settings) -> VideoSource:
    """YouTube, for the tasks of a file or of WikiHow's site; what either answers is remembered below the lake."""
    from assets.sources.article_files import ArticleFile
    from assets.sources.journal import Journal
    from assets.sources.wikihow import WikiHow, WikiHowOptions
    from assets.sources.youtube.options import YouTubeOptions
    from assets.sources.youtube.source import YouTubeSource

    journal = Journal(settings.lake.absolute() / "collection" / "journal.sqlite")
    wikihow = WikiHowOptions(
        contact=settings.contact,
        base_url=settings.wikihow_url,
        requests_per_second=settings.requests_per_second,
        refresh=timedelta(days=settings.articles_max_age_days),
    )
    quota = settings.media_quota_gb
    options = YouTubeOptions(
        search=settings.search_backend,
        api_key=settings.youtube_api_key,
        subtitles_only=settings.subtitles_only,
        search_max_age_days=settings.search_max_age_days,
        # Two requests a video instead of four, and the time of each word.
        caption_clients=("yt-dlp", "youtube-transcript-api"),
        media_height=settings.media_height,
        media_quota_bytes=int(quota * 1e9) if quota is not None else None,
        requests_per_second=settings.requests_per_second,
        proxy=settings.proxy,
        cookies=settings.cookies,
    )
    articles = ArticleFile(settings.articles) if settings.articles else WikiHow(wikihow, journal)
    return YouTubeSource(articles, journal, options)


def task_rules(settings: Settings) -> TaskRules:
    """Which articles become tasks; a person's decisions are part of the rules."""
    review = (settings.verb_review or settings.lake / "review" / "verbs.csv").absolute()
    return TaskRules(
        settings.categories,
        UNCATEGORISED,
        tagger=settings.tagger,
        undecided=settings.undecided_verbs,
        filtered=settings.source == "howto100m_release",
        review=review,
        review_version=review_version(review),
    )


def evaluation_lists(settings: Settings) -> EvaluationLists:
    """Benchmarks' lists of videos, with a hash of each; a list that is missing is told when it is read."""
    versions = ((name, file_version(path)) for name, path in settings.evaluation_lists)
    return EvaluationLists(dict(settings.evaluation_lists), tuple(versions))


def file_version(path: Path) -> str:
    """Hash of a file, empty where there is none."""
    return file_hash(path, digits=16) if path.is_file() else ""


def stamp(path: Path | None) -> str:
    """Size and time of a file that is too large to be read for its hash."""
    if path is None:
        return ""
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def pair_options(settings: Settings) -> PairOptions:
    """How pairs are made; an earlier model that aligns captions is known by its version."""
    aligner = settings.aligner.absolute() if settings.aligner else None
    version = model_version(aligner / "joint_embedding") if aligner else None
    if aligner and version is None:
        raise SettingsError(f"HOWTO_ALIGNER={settings.aligner}: no model folder joint_embedding is in it")
    return PairOptions(settings.min_clip_s, aligner, version, settings.min_alignment)


def hero_options(settings: Settings) -> HeroOptions:
    """HERO's size and schedule; a vocabulary and a model to start from are known by their content."""
    vocabulary, initial = settings.hero_vocabulary, settings.hero_initial
    files = [vocabulary / name for name in ("vocab.json", "merges.txt")] if vocabulary else []
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise SettingsError(f"HOWTO_HERO_VOCABULARY={vocabulary}: no {' and no '.join(missing)}")
    version = model_version(initial) if initial else None
    if initial and version is None:
        raise SettingsError(f"HOWTO_HERO_INITIAL={initial}: no model folder; python -m ml.hero.checkpoint makes one")
    return HeroOptions(
        seed=settings.seed,
        preset=settings.hero_size,
        steps=settings.hero_steps,
        batch=settings.hero_batch,
        learning_rate=settings.hero_learning_rate,
        fine_tuning_steps=settings.hero_fine_tuning_steps,
        chunk_videos=settings.hero_chunk,
        vocabulary=vocabulary.absolute() if vocabulary else None,
        vocabulary_version="-".join(map(file_version, files)),
        initial=initial.absolute() if initial else None,
        initial_version=version,
        benchmarks=settings.hero_benchmarks.absolute() if settings.hero_benchmarks else None,
    )


def retail_source(settings: Settings) -> RetailSource:
    """The user's own transactions where they are set, else the packaged simulated ones."""
    if settings.transactions is not None and settings.products is not None:
        return RetailFiles(settings.transactions, settings.products)
    return CompleteJourney()


def lake_of(settings: Settings) -> Lake:
    """The tables, wherever the settings put them."""
    return Lake(settings.lake, settings.catalog, settings.data_path)


def build_resources(settings: Settings) -> dict[str, Any]:
    """Every resource by the name that assets use."""
    lake = lake_of(settings)
    root = lake.root
    return {
        "io_manager": LakeIOManager(lake),
        "lake": lake,
        "settings": settings,
        "source": video_source(settings),
        "retail": retail_source(settings),
        "media_root": root / "media",
        "model_root": root / "models",
        "review_root": root / "review",
        "card_root": root / "card",
        "card_options": CardOptions(settings.card_samples, settings.seed),
        "changed_settings": settings.changed(),
        "features": FeatureStore(root / "arrays"),
        "pairs": PairStore(root / "arrays" / "pairs"),
        "pair_options": pair_options(settings),
        "word_options": WordOptions(settings.word_vectors, stamp(settings.word_vectors)),
        "clip_index": ClipIndex(root / "arrays" / "clip_embeddings.lance"),
        "benchmark_options": BenchmarkOptions(
            settings.benchmarks.absolute() if settings.benchmarks else None,
            settings.benchmark_epochs,
            folder_version(settings.benchmarks),
            root / "benchmarks",
        ),
        "runtime_options": RuntimeOptions(
            settings.precision, settings.device, settings.compile, settings.training_processes
        ),
        "device": settings.device,
        "feature_options": FeatureOptions(
            settings.features,
            settings.weights,
            settings.feature_files,
            settings.bfloat16,
            device=settings.device,
            batch=settings.feature_batch,
            compile=settings.compile,
            ray_actors=settings.ray_actors if settings.compute == "ray" else 0,
            ray_gpus=settings.ray_gpus,
        ),
        "ray_cluster": ray_cluster(settings),
        "task_rules": task_rules(settings),
        "evaluation_lists": evaluation_lists(settings),
        "segmentation": Segmentation(settings.segmentation),
        "recognition": Recognition(settings.speech_model),
        "duplicate_options": DuplicateOptions(threshold=settings.duplicate_similarity),
        "limits": Limits(settings.top_results, settings.min_views, settings.max_duration_s, settings.min_words),
        "sharding": Sharding(settings.shards),
        "split": SplitOptions(settings.seed, settings.held_out_share),
        "hero_store": ClipStore(root / "arrays" / "hero_clips"),
        "hero_clip_options": HeroClipOptions(settings.hero_clip_s, settings.hero_interval_s),
        "hero_options": hero_options(settings),
        "graph_options": GraphOptions(
            min_baskets=settings.min_baskets,
            max_basket_items=settings.max_basket_items,
            neighbours=settings.neighbours,
            clusters=settings.gcn_clusters,
            seed=settings.seed,
            measure=settings.edge_measure,
            manufacturer=settings.manufacturer,
            inductive=settings.gcn_inductive,
        ),
        "embedding_options": EmbeddingOptions(
            seed=settings.seed,
            word_dim=settings.word_dim,
            embedding_dim=settings.embedding_dim,
            epochs=settings.embedding_epochs,
            videos_per_batch=settings.embedding_videos_per_batch,
            pairs_per_video=settings.embedding_pairs_per_video,
            learning_rate=settings.embedding_learning_rate,
            lr_decay=settings.embedding_lr_decay,
        ),
        "gcn_options": ClusterGCNOptions(
            seed=settings.seed,
            hidden_dim=settings.gcn_hidden_dim,
            layers=settings.gcn_layers,
            epochs=settings.gcn_epochs,
            clusters_per_batch=settings.gcn_clusters_per_batch,
            diagonal_lambda=settings.gcn_diagonal_lambda,
            neighbour_dropout=settings.gcn_neighbour_dropout,
        ),
    }


def fingerprint(resources: dict[str, Any], names: set[str]) -> str:
    """Hash of the options among the named resources; empty where there are none."""
    options = sorted((name, repr(resources[name])) for name in names if dataclasses.is_dataclass(resources.get(name)))
    return content_hash(options, digits=8) if options else ""
