"""What settings need of each other and of the installation. See `assets.options` for checks of single values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from assets.features.options import feature_networks
from assets.joint_embedding.options import OPEN_CLIP, S3D
from assets.options import web_address
from assets.redaction import redact
from assets.tasks.titles import FIRST_WORD
from ml.places import S3
from ml.vision.presets import PUBLISHED
from orchestration.settings.model import Settings

CATALOGS = {"sqlite": None, "postgres": "duckdb_extension_postgres_scanner"}
"""Kinds of catalogs, and the module that each needs in addition."""

_PROXIES = ("http://", "https://", "socks4://", "socks4a://", "socks5://", "socks5h://")


def problems(settings: Settings) -> list[str]:
    """What keeps these settings from working, a line per problem."""
    checks: tuple[Callable[[Settings], Iterator[str]], ...] = (
        _sources,
        _licenses,
        _storage,
        _addresses,
        _tasks,
        _extras,
        _features,
    )
    return [problem for check in checks for problem in check(settings)]


def _sources(settings: Settings) -> Iterator[str]:
    sources, retail = settings.sources, settings.retail
    if sources.kind == "folder" and sources.folder is None:
        yield "HOWTO_SOURCE=folder: set HOWTO_FOLDER to the folder of videos"
    if sources.kind == "howto100m_release" and sources.release is None:
        yield "HOWTO_SOURCE=howto100m_release: set HOWTO_RELEASE to the folder of its files"
    if sources.kind == "youtube" and sources.articles is None and not settings.wikihow.contact.strip():
        yield "HOWTO_SOURCE=youtube: set HOWTO_ARTICLES to a file of tasks, or HOWTO_CONTACT for WikiHow"
    if settings.youtube.search == "data-api" and not settings.youtube.key:
        yield "HOWTO_SEARCH_BACKEND=data-api: set HOWTO_YOUTUBE_API_KEY"
    yield from settings.followups.problems()
    yield from settings.rewriting.problems()
    if settings.rewriting.url is not None and settings.followups.captions == "rewritten":
        yield "HOWTO_REWRITING_URL: clips of HOWTO_CAPTIONS=rewritten would be rewritten again; set only one of them"
    if (retail.transactions is None) != (retail.products is None):
        yield "HOWTO_TRANSACTIONS and HOWTO_PRODUCTS: set both or neither"


def _licenses(settings: Settings) -> Iterator[str]:
    """A filter on licences keeps nothing where the source does not give them."""
    sources, youtube = settings.sources, settings.youtube
    if not settings.limits.licenses:
        return
    if sources.kind == "youtube" and not youtube.watch_page and not youtube.cookies:
        yield "HOWTO_LICENSES: licences are on the watch page of a video: set HOWTO_WATCH_PAGE=1 too"
    if sources.kind == "howto100m_release":
        yield "HOWTO_LICENSES: the HowTo100M release has no licences, so no video would be kept; do not set it"


def _storage(settings: Settings) -> Iterator[str]:
    if settings.lake.exists() and not settings.lake.is_dir():
        yield f"HOWTO_LAKE={settings.lake}: is a file; name a folder"
    catalog, data_path = settings.storage.catalog, settings.storage.data_path
    if catalog is not None:
        kind, colon, rest = catalog.get_secret_value().partition(":")
        if kind not in CATALOGS or not colon or not rest:
            yield f"HOWTO_CATALOG: must begin with {' or '.join(f'{name}:' for name in CATALOGS)}, then the connection"
        elif not _installed(CATALOGS[kind]):
            yield "HOWTO_CATALOG: a PostgreSQL catalog needs the extra cluster: pip install 'howto-lake[cluster]'"
    if data_path is not None and "://" in data_path:
        if not data_path.startswith("s3://"):
            yield f"HOWTO_DATA_PATH={redact(data_path)}: must be a folder or begin with s3://"
        elif not _installed("duckdb_extension_httpfs"):
            yield f"HOWTO_DATA_PATH={redact(data_path)}: needs the extra cluster: pip install 'howto-lake[cluster]'"
    arrays = settings.storage.arrays
    if arrays is not None:
        if not arrays.startswith(S3) or not arrays.removeprefix(S3).strip("/"):
            yield f"HOWTO_ARRAYS={redact(arrays)}: must begin with s3:// and a bucket"
        elif not _installed("boto3"):
            yield f"HOWTO_ARRAYS={redact(arrays)}: needs the extra cluster: pip install 'howto-lake[cluster]'"


def _addresses(settings: Settings) -> Iterator[str]:
    webhook, proxy = settings.operations.alert_webhook, settings.youtube.proxy_address
    if webhook is not None:
        try:
            web_address(webhook.get_secret_value())
        except ValueError as error:
            yield f"HOWTO_ALERT_WEBHOOK: {error}"
    if proxy is not None and not proxy.startswith(_PROXIES):
        yield f"HOWTO_PROXY: must begin with one of {', '.join(_PROXIES)}"


def _tasks(settings: Settings) -> Iterator[str]:
    tagger, categories = settings.task_rules.tagger, settings.task_rules.categories
    if tagger != FIRST_WORD and not Path(tagger).is_dir() and not _installed(tagger):
        yield f"HOWTO_TAGGER={tagger}: no such spaCy model is installed; install it, or set {FIRST_WORD}"
    if len(set(categories)) < len(categories):
        yield f"HOWTO_CATEGORIES={','.join(categories)}: must not have a category twice"


def _extras(settings: Settings) -> Iterator[str]:
    compute, networks = settings.compute, {spec.network for spec in feature_networks(settings.features.networks)}
    needed = (
        (bool(settings.recognition.model), "faster_whisper", "HOWTO_SPEECH_MODEL", "asr"),
        (settings.segmentation.method == "model", "wtpsplit", "HOWTO_SEGMENTATION=model", "sentences"),
        (compute.executor == "kubernetes", "dagster_k8s", "HOWTO_COMPUTE=kubernetes", "cluster"),
        (compute.executor == "ray", "ray", "HOWTO_COMPUTE=ray", "ray"),
        (
            compute.executor == "ray" and compute.ray_cluster == "kuberay",
            "dagster_ray",
            "HOWTO_RAY_CLUSTER=kuberay",
            "cluster,ray",
        ),
        (
            settings.text_video.model.startswith(OPEN_CLIP),
            "open_clip",
            f"HOWTO_TEXT_VIDEO_MODEL={settings.text_video.model}",
            "vision",
        ),
        *(
            (library in networks, library, f"HOWTO_FEATURES={settings.features.networks}", "vision")
            for library in _VISION
        ),
    )
    for wanted, module, setting, extra in needed:
        if wanted and not _installed(module):
            yield f"{setting}: {module} is not installed: pip install 'howto-lake[{extra}]'"


_VISION = ("open_clip", "timm")


def _features(settings: Settings) -> Iterator[str]:
    if settings.text_video.model == S3D and S3D not in settings.features.weights:
        yield "HOWTO_TEXT_VIDEO_MODEL=s3d: needs its weights: HOWTO_WEIGHTS=s3d=FILE, with s3d_dict.npy next to it"
    streams = settings.features.streams
    unknown = [stream for stream in settings.features.files if stream not in streams]
    if unknown:
        yield (
            f"HOWTO_FEATURE_FILES: {', '.join(unknown)} is no stream of HOWTO_FEATURES={settings.features.networks};"
            f" its streams are {', '.join(streams)}"
        )
    for spec in settings.features.specs:
        if spec.network == PUBLISHED and spec.name not in settings.features.files:
            yield (
                f"HOWTO_FEATURES={settings.features.networks}: {spec.name} exists as published files only;"
                f" name their folder: HOWTO_FEATURE_FILES={spec.name}=FOLDER"
            )


def _installed(module: str | None) -> bool:
    if module is None:
        return True
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # the module is in a package that is missing, or the name is no module's
        return False
