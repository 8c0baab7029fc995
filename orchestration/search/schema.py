"""Requests and responses of the JSON API; the OpenAPI description is generated from them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from assets.search.narration import Filters
from orchestration.search.options import MOST_MOMENTS, QUERY_LENGTH

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fact = Annotated[str | None, Field(max_length=QUERY_LENGTH)]


class Strict(BaseModel):
    """A record that has these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Filtered(BaseModel):
    """The highest number of moments, and the facts that their videos must have."""

    limit: Annotated[int | None, Field(ge=1, le=MOST_MOMENTS, description="Highest number of moments per list.")] = None
    category: Annotated[Fact, Field(description="Top category of the task.")] = None
    channel: Annotated[Fact, Field(description="Channel of the video.")] = None
    source: Annotated[Fact, Field(description="Source of the video.")] = None
    split: Annotated[Literal["train", "validation", "test"] | None, Field(description="Split of the video.")] = None
    caption_source: Annotated[Fact, Field(description="Kind of caption track.")] = None
    min_duration_s: Annotated[Seconds | None, Field(description="Shortest video, in seconds.")] = None
    max_duration_s: Annotated[Seconds | None, Field(description="Longest video, in seconds.")] = None
    after: Annotated[date | None, Field(description="First day of upload.")] = None
    before: Annotated[date | None, Field(description="Last day of upload.")] = None

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: object) -> object:
        """A form sends its empty fields, too."""
        if not isinstance(values, dict):
            return values
        return {key: each for key, each in values.items() if each != "" or key == "q"}

    @property
    def filters(self) -> Filters:
        """The facts as a filter of the narration."""
        return Filters(**self.model_dump(include=set(Filters.__dataclass_fields__)))


class Query(Filtered):
    """A search by text."""

    q: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=QUERY_LENGTH),
        Field(description='Step to find, in words; "a phrase" must be said, -word must not be said.'),
    ]


class Similar(Filtered):
    """A search for moments like one of a video."""

    video: Annotated[str, Field(min_length=1, max_length=QUERY_LENGTH, description="Id of the video.")]
    at: Annotated[Seconds, Field(description="Second of the video.")]


class PictureQuery(Filtered):
    """A search by a picture that was sent before."""

    picture: Annotated[str, Field(pattern="^[0-9a-f]{16}$", description="Name of the picture, from the response.")]


class Moment(Strict):
    """A stretch of a video."""

    video_id: str
    title: str
    start_s: Annotated[Seconds, Field(description="Start, in seconds of the video.")]
    end_s: Annotated[Seconds, Field(description="End, in seconds of the video.")]
    caption: Annotated[str, Field(description="Captions of the moment.")]
    score: Annotated[float, Field(description="How well it fits; comparable within one list only.")]
    chapter: Annotated[str | None, Field(description="Chapter by the creator in which it begins.")]
    category: str | None
    channel: str | None
    split: Annotated[Literal["train", "validation", "test"], Field(description="train: seen in training.")]
    source: Annotated[str, Field(description="Source of the video; synthetic is generated data.")]
    page: Annotated[str, Field(description="Permanent address of the moment's page.")]
    media: Annotated[str | None, Field(description="Address of the video; null without a file.")]
    still: Annotated[str | None, Field(description="Address of a picture of the moment; null without a file.")]


class FusedMoment(Moment):
    """A moment of several lists. Its score is the sum of ``1 / (10 + rank)`` over the lists."""

    ranks: Annotated[dict[str, int], Field(description="Rank of the moment in each list that has it, from 1.")]


class Ranking(Strict):
    """The moments of one list, best first."""

    key: Annotated[str, Field(description="words, meaning, seen or hero.")]
    model: Annotated[str, Field(description="What ranked them.")]
    scored_by: Annotated[str | None, Field(description="Scale of the scores; null where the list cannot search.")]
    caution: Annotated[str | None, Field(description="Why the scores mean little; such a list is not fused.")]
    message: Annotated[str | None, Field(description="Why the list has no moments, and what to do.")]
    moments: list[Moment]


class Answer(Strict):
    """The moments that fit a search."""

    query: Annotated[str, Field(description="Text, without blanks around it; empty for a moment or a picture.")]
    unknown_words: Annotated[list[str], Field(description="Words that no caption has.")]
    picture: Annotated[str | None, Field(description="Name of the picture of a search by picture, else null.")]
    moments: Annotated[list[FusedMoment], Field(description="All lists by reciprocal rank fusion.")]
    results: Annotated[list[Ranking], Field(description="One entry per list.")]


class Refusal(Strict):
    """Why a request has no answer."""

    error: str


class Health(Strict):
    """The state of the server."""

    status: Literal["ready", "loading", "unavailable"]
    message: Annotated[str | None, Field(description="What is loading or missing; null when ready.")]
