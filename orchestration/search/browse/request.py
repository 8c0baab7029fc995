"""What a request to the browse page selects: kind of rows, filters, page, and other thresholds."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from assets.features.frames.options import ClipLimits
from assets.options import option_fields
from assets.videos.filters import Limits

PER_PAGE = 24
LONGEST = 200
"""Characters of a text of a request."""

Kind = Literal["videos", "clips"]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST)]


def _unless_blank(value: Any) -> Any:
    """A field of a form that was left empty is no value."""
    return None if isinstance(value, str) and not value.strip() else value


Blank = BeforeValidator(_unless_blank)
Count = Annotated[Annotated[int, Field(ge=0, le=10**15)] | None, Blank]
Rank = Annotated[Annotated[int, Field(ge=1, le=10**9)] | None, Blank]
Seconds = Annotated[Annotated[float, Field(gt=0, le=10**9, allow_inf_nan=False)] | None, Blank]
Share = Annotated[Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None, Blank]
Measure = Annotated[Annotated[float, Field(ge=0, le=10**9, allow_inf_nan=False)] | None, Blank]

OPTIONS: dict[Kind, type[Limits | ClipLimits]] = {"videos": Limits, "clips": ClipLimits}
"""The class of the thresholds that can be tried on each kind of rows."""


class Selection(BaseModel):
    """The rows that a page shows.

    ``text`` is a part of a title, caption, channel or id. ``change`` selects the rows whose verdict changes by the
    thresholds to try: ``min_words`` to ``top_results`` are of videos, those after them of clips.
    """

    model_config = ConfigDict(extra="ignore")

    kind: Kind = "videos"
    text: Text = ""
    verdict: Literal["all", "kept", "dropped"] = "all"
    reason: Text = ""
    category: Text = ""
    video: Text = ""
    change: Literal["", "gained", "lost"] = ""
    page: Annotated[int, Field(ge=1, le=10**6)] = 1
    min_words: Count = None
    min_views: Count = None
    max_duration_s: Seconds = None
    top_results: Rank = None
    max_cuts: Count = None
    min_motion: Share = None
    min_brightness: Share = None
    max_brightness: Share = None
    min_sharpness: Measure = None
    max_words_per_s: Seconds = None
    languages: Text = ""
    drop_visual_duplicates: Literal["", "true", "false"] = ""
    drop_benchmark_leaks: Literal["", "true", "false"] = ""

    @property
    def thresholds(self) -> dict[str, str]:
        """The thresholds to try, by their names in ``Limits`` or ``ClipLimits``, as settings have them."""
        given = {field.name: getattr(self, field.name, None) for field in option_fields(OPTIONS[self.kind])}
        return {
            name: f"{value:.10g}" if isinstance(value, float) else str(value)
            for name, value in given.items()
            if value not in (None, "")
        }

    @property
    def settings(self) -> list[str]:
        """The thresholds to try as settings, ``NAME=value`` each."""
        names = {field.name: field.setting for field in option_fields(OPTIONS[self.kind])}
        return [f"HOWTO_{str(names[name]).upper()}={value}" for name, value in self.thresholds.items()]

    @property
    def offset(self) -> int:
        """Rows before the page."""
        return (self.page - 1) * PER_PAGE

    def address(self, path: str = "/browse", **other: object) -> str:
        """The address of this selection with other values; a change of anything else goes back to the first page."""
        defaults = Selection()
        values = {**self.model_dump(), "page": 1, **other}
        set_here = {name: value for name, value in values.items() if value != getattr(defaults, name)}
        return f"{path}?{urlencode(set_here)}" if set_here else path
