"""Feature rows of a shard, made by networks or read from published files, as the options say. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from assets.features.exchange import PUBLISHED, import_shard
from assets.features.extract import Extraction, Progress, VideoFile, extract_shard
from assets.features.options import FeatureOptions
from assets.features.store import FeatureStore
from ml.training import pick_device
from ml.vision.backbone import Backbone
from ml.vision.presets import Options
from ml.vision.registry import load_backbone


def load_networks(options: FeatureOptions) -> list[Backbone]:
    """The networks with their weights, without those whose features are read from files.

    Raises:
        WeightsError: the weights of a network are missing; the message says where to get them.
    """
    device = str(pick_device(options.device))
    runtime = Options(device=device, autocast=options.bfloat16, compile=options.compile)
    weights, files = dict(options.weights), dict(options.files)
    return [load_backbone(spec, runtime, weights.get(spec.network)) for spec in options.specs if spec.name not in files]


def make_shard(
    options: FeatureOptions,
    files: Sequence[VideoFile],
    videos: Sequence[str],
    store: FeatureStore,
    shard: str,
    progress: Progress,
) -> tuple[list[Extraction], dict[str, tuple[int, str]]]:
    """Fill the shard's arrays of all streams.

    Args:
        files: videos that can be decoded.
        videos: ids of all videos, of which there may be published features.

    Returns:
        The outcomes; and by stream, the dimension of the rows and the fingerprint of the extractor.
    """
    with store.locked(shard):
        return _make_shard(options, files, videos, store, shard, progress)


def _make_shard(
    options: FeatureOptions,
    files: Sequence[VideoFile],
    videos: Sequence[str],
    store: FeatureStore,
    shard: str,
    progress: Progress,
) -> tuple[list[Extraction], dict[str, tuple[int, str]]]:
    backbones = load_networks(options)
    outcomes = _extract(options, files, backbones, store, shard, progress) if backbones else []
    makers = {backbone.name: (backbone.dim, backbone.fingerprint) for backbone in backbones}
    for stream, folder in options.files.items():
        rate_hz = float(options.row_rate(stream))
        read, dim = import_shard(folder, stream, rate_hz, videos, store, shard, progress)
        outcomes += read
        makers[stream] = (dim, PUBLISHED)
    return outcomes, makers


def _extract(
    options: FeatureOptions,
    files: Sequence[VideoFile],
    backbones: Sequence[Backbone],
    store: FeatureStore,
    shard: str,
    progress: Progress,
) -> list[Extraction]:
    if not options.ray_actors:
        return extract_shard(files, backbones, store, shard, progress, options.batch)
    from assets.features.ray_pool import extract_shard_by_ray

    load = partial(load_networks, options)
    return extract_shard_by_ray(
        files, load, store, shard, progress, options.batch, options.ray_actors, options.ray_gpus
    )
