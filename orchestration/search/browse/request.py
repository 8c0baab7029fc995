"""What a request to the browse page selects: kind of rows, filters, page, and other thresholds."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

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


class Selection(BaseModel):
    """The rows that a page shows.

    ``text`` is a part of a title, caption, channel or id. The four numbers are thresholds to try.
    ``change`` selects the videos whose verdict these thresholds change.
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

    @property
    def thresholds(self) -> dict[str, float | int]:
        """The thresholds to try, by their names in ``Limits``."""
        names = ("min_words", "min_views", "max_duration_s", "top_results")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

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
