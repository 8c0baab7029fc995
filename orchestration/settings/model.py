"""The class of all settings. Each part is the options class of a system; those of the machinery are here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, SecretStr

from assets.availability.options import AvailabilityOptions
from assets.captions.rewriting.options import RewritingOptions
from assets.captions.sentences import Segmentation
from assets.captions.shot_borders import ShotBorders
from assets.captions.speech_recognition import Recognition
from assets.card.options import CardOptions
from assets.features.frames.options import ClipLimits, VisualDuplicateOptions
from assets.features.options import FeatureOptions
from assets.graph.options import ClusterGCNOptions, GraphOptions
from assets.hero.options import HeroClipOptions, HeroOptions, HeroTaskOptions
from assets.joint_embedding.evaluation.options import BenchmarkOptions, SurveyOptions
from assets.joint_embedding.htm_align.options import HtmAlignOptions
from assets.joint_embedding.options import EmbeddingOptions, PairOptions, TextVideoOptions, WordOptions
from assets.joint_embedding.rewritten.options import MatchingOptions
from assets.models.options import RuntimeOptions
from assets.options import AnyPath, ExistingFile, Options, Seed, Variable, text_with_home
from assets.sharding import Sharding
from assets.sources.followups.options import FollowUpOptions
from assets.sources.options import RetailOptions, SourceOptions, WikiHowOptions
from assets.sources.youtube.options import YouTubeOptions
from assets.splits import SplitOptions
from assets.tasks.verbs import TaskRules
from assets.videos.duplicates import DuplicateOptions
from assets.videos.filters import Limits
from assets.videos.id_lists import EvaluationLists


class SettingsError(ValueError):
    """A setting is wrong; each line names the variable, its value and what is allowed."""


def _catalog_with_home(value: object) -> object:
    if isinstance(value, str) and value.startswith("sqlite:"):
        return f"sqlite:{text_with_home(value.removeprefix('sqlite:'))}"
    return value


@dataclass(frozen=True)
class StorageSettings(Options):
    """Where tables, arrays and models are stored, if not in the folder of the lake."""

    group: ClassVar = "Storage"

    catalog: Annotated[
        SecretStr | None,
        BeforeValidator(_catalog_with_home),
        Field(description="DuckLake catalog: sqlite:PATH or postgres:CONNECTION; not set: catalog.sqlite in the lake"),
    ] = None
    data_path: Annotated[
        str | None,
        BeforeValidator(text_with_home),
        Field(description="folder or s3:// address of the Parquet files; not set: tables/ in the lake"),
    ] = None
    arrays: Annotated[
        str | None,
        Field(description="s3:// address below which arrays and models are stored; not set: in the lake"),
    ] = None


@dataclass(frozen=True)
class OperationSettings(Options):
    """Maintenance and alerts."""

    group: ClassVar = "Operations"

    removals: Annotated[
        ExistingFile | None,
        Field(
            description="CSV list of ids that must not be stored, with the columns id, reason, date; not set:"
            " removals.csv in the lake"
        ),
    ] = None
    retention_days: Annotated[int, Field(ge=1, description="days for which old snapshots stay readable")] = 30
    damage_check_hours: Annotated[
        float,
        Field(ge=0, description="hours after which automation compares again what is stored with what was recorded"),
    ] = 24
    alert_webhook: Annotated[
        SecretStr | None, Field(description="address to which failed runs are posted, in Slack's format")
    ] = None


@dataclass(frozen=True)
class ComputeSettings(Options):
    """Where the steps of a run execute, and the resources that they get."""

    group: ClassVar = "Compute"

    executor: Annotated[
        Literal["in_process", "multiprocess", "kubernetes", "ray"],
        Variable("compute"),
        Field(
            description="where steps execute: in the process of the run, in a process each, in a pod each (extra"
            " cluster), or in the process of the run with Ray actors for the videos (extra ray)"
        ),
    ] = "in_process"
    jobs: Annotated[
        int | None,
        Field(
            ge=1,
            description="processes in which a refresh runs steps at once on this machine; not set: one per core and"
            " 4 GB of memory; 1: in the process of the refresh",
        ),
    ] = None
    ray_cluster: Annotated[
        Literal["given", "kuberay"],
        Field(
            description="Ray cluster for HOWTO_COMPUTE=ray: given is the one of RAY_ADDRESS or this machine, kuberay"
            " creates one per run (extras cluster and ray, in Kubernetes)"
        ),
    ] = "given"
    ray_actors: Annotated[int, Field(ge=1, description="Ray actors that process videos under HOWTO_COMPUTE=ray")] = 2
    ray_gpus: Annotated[float, Field(ge=0, description="GPUs, or a share of one, per Ray actor")] = 0
    step_cpus: Annotated[float, Field(gt=0, description="CPUs that the pod of a step requests from Kubernetes")] = 1
    step_memory_gb: Annotated[float, Field(gt=0, description="GB of memory that the pod of a step gets")] = 8
    step_gpus: Annotated[int, Field(ge=0, description="GPUs that the pod of a step in the pool gpu gets")] = 0


@dataclass(frozen=True)
class Settings(Options):
    """The settings in force. A variable that is not set takes the preset's value, then the default."""

    group: ClassVar = "General"

    preset: Annotated[
        Literal["demo", "paper"], Field(description="demo: defaults for a laptop; paper: the published values")
    ] = "demo"
    seed: Seed = 0
    lake: Annotated[AnyPath, Field(description="folder of the lake: tables, arrays, models, media")] = Path("lake")

    storage: StorageSettings = field(default_factory=StorageSettings)
    operations: OperationSettings = field(default_factory=OperationSettings)
    sources: SourceOptions = field(default_factory=SourceOptions)
    wikihow: WikiHowOptions = field(default_factory=WikiHowOptions)
    followups: FollowUpOptions = field(default_factory=FollowUpOptions)
    youtube: YouTubeOptions = field(default_factory=YouTubeOptions)
    retail: RetailOptions = field(default_factory=RetailOptions)
    task_rules: TaskRules = field(default_factory=TaskRules)
    limits: Limits = field(default_factory=Limits)
    evaluation_lists: EvaluationLists = field(default_factory=EvaluationLists)
    duplicates: DuplicateOptions = field(default_factory=DuplicateOptions)
    sharding: Sharding = field(default_factory=Sharding)
    recognition: Recognition = field(default_factory=Recognition)
    segmentation: Segmentation = field(default_factory=Segmentation)
    shot_borders: ShotBorders = field(default_factory=ShotBorders)
    rewriting: RewritingOptions = field(default_factory=RewritingOptions)
    matching: MatchingOptions = field(default_factory=MatchingOptions)
    runtime: RuntimeOptions = field(default_factory=RuntimeOptions)
    split: SplitOptions = field(default_factory=SplitOptions)
    features: FeatureOptions = field(default_factory=FeatureOptions)
    visual_duplicates: VisualDuplicateOptions = field(default_factory=VisualDuplicateOptions)
    clip_limits: ClipLimits = field(default_factory=ClipLimits)
    pairs: PairOptions = field(default_factory=PairOptions)
    words: WordOptions = field(default_factory=WordOptions)
    embedding: EmbeddingOptions = field(default_factory=EmbeddingOptions)
    benchmarks: BenchmarkOptions = field(default_factory=BenchmarkOptions)
    benchmark_surveys: SurveyOptions = field(default_factory=SurveyOptions)
    text_video: TextVideoOptions = field(default_factory=TextVideoOptions)
    htm_align: HtmAlignOptions = field(default_factory=HtmAlignOptions)
    hero_clips: HeroClipOptions = field(default_factory=HeroClipOptions)
    hero: HeroOptions = field(default_factory=HeroOptions)
    hero_tasks: HeroTaskOptions = field(default_factory=HeroTaskOptions)
    graph: GraphOptions = field(default_factory=GraphOptions)
    gcn: ClusterGCNOptions = field(default_factory=ClusterGCNOptions)
    card: CardOptions = field(default_factory=CardOptions)
    availability: AvailabilityOptions = field(default_factory=AvailabilityOptions)
    compute: ComputeSettings = field(default_factory=ComputeSettings)
