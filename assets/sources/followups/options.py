"""Options of the follow-up releases: data that others published for the videos of HowTo100M."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from assets.captions.tracks import SOURCE, ClipCaptions, Release
from assets.options import AnyPath, Options, SameResult, Variable, named

RELEASES: tuple[str, ...] = get_args(Release)


def _must_be_releases(paths: Mapping[str, Path]) -> Mapping[str, Path]:
    unknown = [name for name in paths if name not in RELEASES]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no such release; releases are {', '.join(RELEASES)}")
    missing = [f"{name}={path}" for name, path in paths.items() if not Path(path).exists()]
    if missing:
        raise ValueError(f"{', '.join(missing)}: no such file or folder")
    return paths


@dataclass(frozen=True)
class FollowUpOptions(Options):
    """Which follow-up releases are read, and whose captions the clips are made from.

    ``captions`` is a release of ``paths``, or ``source`` for the captions of the video source.
    """

    group: ClassVar = "Follow-up releases"
    counts_where_set: ClassVar = True

    paths: Annotated[
        Mapping[str, AnyPath],
        Variable("caption_releases"),
        BeforeValidator(named),
        AfterValidator(_must_be_releases),
        Field(description=f"captions that others published, with commas: release=path; of {', '.join(RELEASES)}"),
    ] = field(default_factory=dict)
    captions: Annotated[
        str,
        Variable("captions"),
        SameResult,  # of the tables of the releases; see ClipCaptions
        Field(description="captions that clips are made from: source, or one of the releases in caption_releases"),
    ] = SOURCE

    def problems(self) -> list[str]:
        """What keeps these options from working, a line per problem."""
        if self.captions in (SOURCE, *self.paths):
            return []
        return [f"HOWTO_CAPTIONS={self.captions}: must be source, or a release that HOWTO_CAPTION_RELEASES names"]

    def chosen(self) -> ClipCaptions:
        """The captions that clips are made from."""
        return ClipCaptions(self.captions, self.paths.get(self.captions))
