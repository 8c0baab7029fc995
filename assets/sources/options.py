"""Options of the sources of videos and transactions. See `assets.sources.youtube.options` for YouTube's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from assets.options import ExistingFile, ExistingFolder, Options, Seed, Variable, WebAddress
from assets.redaction import without_login

HOUSEKEEPING = ("Answered Requests", "Categories", "Featured Articles", "Honors", "Patrolling", "Stub", "WikiHow")
"""Categories for a site's own maintenance, which say nothing about the subject of an article."""

RequestsPerSecond = Annotated[
    float,
    Variable("requests_per_second"),
    Field(gt=0, description="highest number of requests per second to any site"),
]


@dataclass(frozen=True)
class SourceOptions(Options):
    """Where videos come from."""

    group: ClassVar = "Source of videos"

    kind: Annotated[
        Literal["synthetic", "folder", "youtube", "howto100m_release"],
        Variable("source"),
        Field(description="where videos come from"),
    ] = "synthetic"
    folder: Annotated[
        ExistingFolder | None, Field(description="folder of videos named as yt-dlp names them, for HOWTO_SOURCE=folder")
    ] = None
    release: Annotated[
        ExistingFolder | None,
        Field(description="folder of the released HowTo100M files, for HOWTO_SOURCE=howto100m_release"),
    ] = None
    articles: Annotated[
        ExistingFile | None,
        Field(description="file of how-to titles instead of WikiHow's site, for HOWTO_SOURCE=youtube"),
    ] = None
    synthetic_tasks: Annotated[int, Field(ge=1, description="articles of the synthetic world")] = 36
    synthetic_videos_per_task: Annotated[int, Field(ge=1, description="search results per synthetic task")] = 5
    seed: Seed = 0


@dataclass(frozen=True)
class WikiHowOptions(Options):
    """How articles are read from WikiHow's site.

    Args:
        contact: part of the User-Agent, so that the site's owners can reach whoever runs this.
        base_url: the site; its API is ``/api.php`` there.
        requests_per_second: a Crawl-delay in robots.txt makes it slower.
        response_timeout_s: seconds after which a response must be complete.
        attempts: how often a request is sent in one run before the run fails.
        first_wait_s, longest_wait_s: waits between the attempts, doubling; a longer Retry-After ends the run.
        max_age_days: age from which a crawl is out of date.
        housekeeping: categories that are skipped.
    """

    group: ClassVar = "WikiHow and YouTube"

    contact: Annotated[
        str, Field(description="your e-mail address or page, sent to WikiHow's site in the User-Agent")
    ] = ""
    base_url: Annotated[WebAddress, Variable("wikihow_url"), Field(description="site that articles are read from")] = (
        "https://www.wikihow.com"
    )
    requests_per_second: RequestsPerSecond = 1.0
    response_timeout_s: float = 60.0
    attempts: int = 6
    first_wait_s: float = 5.0
    longest_wait_s: float = 300.0
    max_age_days: Annotated[
        float,
        Variable("articles_max_age_days"),
        Field(gt=0, description="days after which WikiHow's site is read again"),
    ] = 7
    housekeeping: tuple[str, ...] = HOUSEKEEPING

    @property
    def site(self) -> str:
        """The site without user name and password, as it is stored and shown."""
        return without_login(self.base_url)


@dataclass(frozen=True)
class RetailOptions(Options):
    """Where transactions come from: the user's files, or the packaged simulated ones."""

    group: ClassVar = "Source of transactions"

    transactions: Annotated[
        ExistingFile | None, Field(description="Parquet or CSV file of transactions; not set: packaged, simulated ones")
    ] = None
    products: Annotated[
        ExistingFile | None, Field(description="Parquet or CSV file of the products in HOWTO_TRANSACTIONS")
    ] = None
