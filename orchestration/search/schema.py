"""Requests and responses of the JSON API; the OpenAPI description is generated from them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from orchestration.search.options import MOST_MOMENTS, QUERY_LENGTH

Seconds = Annotated[float, Field(ge=0)]


class Strict(BaseModel):
    """A record that has these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Query(BaseModel):
    """A search: the text and the highest number of moments per list."""

    q: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=QUERY_LENGTH),
        Field(description="Step to find, in words."),
    ]
    limit: Annotated[int | None, Field(ge=1, le=MOST_MOMENTS, description="Highest number of moments per list.")] = None


class Moment(Strict):
    """A stretch of a video."""

    video_id: str
    title: str
    start_s: Annotated[Seconds, Field(description="Start, in seconds of the video.")]
    end_s: Annotated[Seconds, Field(description="End, in seconds of the video.")]
    caption: Annotated[str, Field(description="Captions of the moment.")]
    score: Annotated[float, Field(description="How well it fits; comparable within one list only.")]
    split: Annotated[Literal["train", "validation", "test"], Field(description="train: seen in training.")]
    source: Annotated[str, Field(description="Source of the video; synthetic is generated data.")]
    media: Annotated[str | None, Field(description="Address of the video; null without a file.")]


class Ranking(Strict):
    """The moments of one model, best first."""

    model: Annotated[str, Field(description="Model that ranked them.")]
    scored_by: Annotated[str | None, Field(description="What its scores are; null where it cannot search.")]
    message: Annotated[str | None, Field(description="Why it cannot search, and what to do; null where it can.")]
    moments: list[Moment]


class Answer(Strict):
    """The moments that fit a text."""

    query: Annotated[str, Field(description="Text, without blanks around it.")]
    unknown_words: Annotated[list[str], Field(description="Words that no caption has; they do not count.")]
    results: Annotated[list[Ranking], Field(description="One entry per model.")]


class Refusal(Strict):
    """Why a request has no answer."""

    error: str


class Health(Strict):
    """The state of the server."""

    status: Literal["ready", "loading", "unavailable"]
    message: Annotated[str | None, Field(description="What is missing; null when ready.")]
