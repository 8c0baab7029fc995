"""From settings to the objects that assets ask for by name.

Belongs here: the one place where a setting becomes a source, a store or an option. Resources that are dataclasses are
options that shape results: a change of one makes the assets that use it out of date (see ``definitions``).
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

from assets.features.index import BackboneOptions
from assets.features.store import FeatureStore
from assets.graph.options import GraphOptions
from assets.lake import Lake
from assets.sources.folder import FolderSource
from assets.sources.protocol import VideoSource
from assets.sources.retail import CompleteJourney, RetailFiles, RetailSource
from assets.sources.synthetic import SyntheticSource
from assets.splits import SplitOptions
from assets.tasks.verbs import TaskRules
from assets.training.options import ClusterGCNOptions, EmbeddingOptions
from assets.videos.filters import Limits
from assets.videos.sharding import Sharding
from orchestration.io_manager import LakeIOManager
from orchestration.settings import UNCATEGORISED, Settings


def video_source(settings: Settings) -> VideoSource:
    """The source that HOWTO_SOURCE names."""
    if settings.source == "folder":
        assert settings.folder is not None
        return FolderSource(settings.folder, settings.categories)
    return SyntheticSource(settings.synthetic_tasks, settings.synthetic_videos_per_task, settings.seed)


def retail_source(settings: Settings) -> RetailSource:
    """The user's own transactions where they are set, else the packaged simulated ones."""
    if settings.transactions is not None and settings.products is not None:
        return RetailFiles(settings.transactions, settings.products)
    return CompleteJourney()


def build_resources(settings: Settings) -> dict[str, Any]:
    """Every resource by the name that assets use."""
    root = settings.lake.absolute()
    lake = Lake(root, settings.catalog, settings.data_path)
    return {
        "io_manager": LakeIOManager(lake),
        "lake": lake,
        "settings": settings,
        "source": video_source(settings),
        "retail": retail_source(settings),
        "media_root": root / "media",
        "model_root": root / "models",
        "features": FeatureStore(root / "arrays"),
        "device": settings.device,
        "backbone_options": BackboneOptions(settings.backbone),
        "task_rules": TaskRules(settings.categories, UNCATEGORISED),
        "limits": Limits(settings.top_results, settings.min_views, settings.max_duration_s, settings.min_words),
        "sharding": Sharding(settings.shards),
        "split": SplitOptions(settings.seed, settings.held_out_share),
        "graph_options": GraphOptions(
            min_baskets=settings.min_baskets,
            max_basket_items=settings.max_basket_items,
            neighbours=settings.neighbours,
            clusters=settings.gcn_clusters,
            seed=settings.seed,
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
        ),
    }


def fingerprint(resources: dict[str, Any], names: set[str]) -> str:
    """Hash of the options among the named resources; empty where there are none."""
    options = sorted((name, repr(resources[name])) for name in names if dataclasses.is_dataclass(resources.get(name)))
    return hashlib.sha256(repr(options).encode()).hexdigest()[:8] if options else ""
