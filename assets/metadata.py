"""Metadata keys by which an asset says what it stores. An asset without one of them is the table of its own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TABLE = "howto/table"
"""The table of the lake that an asset writes, where it is not named like the asset."""

PART = "howto/part"
"""The fixed partition of that table which the asset owns."""

ARRAY = "howto/array"
"""The kind of arrays that an asset writes: one of those below."""

FEATURES, PAIRS, HERO_CLIPS, CLIP_EMBEDDINGS = "features", "pairs", "hero_clips", "clip_embeddings"
NARRATION_WORDS, NARRATION_MEANING = "narration_words", "narration_meaning"

MODEL = "howto/model"
"""The name of the model folder that an asset writes."""

SETTINGS = "howto/settings"
"""The settings other than the default under which an asset that writes a model is made."""

CARD = "howto/card"
"""The folder of the lake into which an asset writes the data set card."""


METADATA_FILE = "howto/metadata_file"
"""The file of the lake into which an asset writes metadata for programs."""


def part_of(table: str, part: str) -> dict[str, str]:
    """Metadata of an asset that writes one fixed partition of a table that several assets share."""
    return {TABLE: table, PART: part}


def table_of(asset: str, metadata: Mapping[str, Any]) -> str:
    """The table of an asset, if the asset is a table at all."""
    return str(metadata.get(TABLE, asset))
