"""Options of the benchmark HTM-Align, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from assets.options import ExistingFolder, Options, Variable

ANNOTATIONS = "htm_align.json"


def _must_hold_annotations(folder: Path | None) -> Path | None:
    if folder is not None and not (folder / ANNOTATIONS).is_file():
        raise ValueError(f"no {ANNOTATIONS} is in it")
    return folder


@dataclass(frozen=True)
class HtmAlignOptions(Options):
    """Where HTM-Align is: ``htm_align.json``, and feature files per stream in subfolders of the streams' names.

    The features of a stream without a subfolder are those of the lake.
    """

    group: ClassVar = "Joint embedding"

    folder: Annotated[
        ExistingFolder | None,
        AfterValidator(_must_hold_annotations),
        Variable("htm_align"),
        Field(description=f"folder of HTM-Align: {ANNOTATIONS}, and features per stream in subfolders"),
    ] = None
