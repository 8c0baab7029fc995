"""The split of a video or a product: one rule for all held-out data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from assets.options import Options, Seed


@dataclass(frozen=True)
class SplitOptions(Options):
    """Seed of the split, and the share that is held out for testing and as much again for validation."""

    group: ClassVar = "Networks and training"

    seed: Seed = 0
    held_out_share: Annotated[
        float,
        Field(gt=0, lt=0.5, description="share of videos and products for testing, and again for validation"),
    ] = 0.2


def split_of(identifier: str, options: SplitOptions) -> str:
    """train, validation or test, from a hash of seed and identifier: other data do not change it."""
    digest = hashlib.blake2b(f"{options.seed}:{identifier}".encode(), digest_size=8).digest()
    position = int.from_bytes(digest, "big") / 2**64
    if position < options.held_out_share:
        return "test"
    return "validation" if position < 2 * options.held_out_share else "train"


def splits_of_videos(video_ids: Iterable[str], options: SplitOptions) -> dict[str, str]:
    """The split of each video."""
    ordered = sorted(set(video_ids))
    return dict(zip(ordered, splits_in_order(ordered, options), strict=True))


def splits_in_order(video_ids: Iterable[str], options: SplitOptions) -> list[str]:
    """The splits of videos that are sorted by id.

    With few videos a split may be empty. The last videos by id then fill test, validation and train, in this order, so
    that two or more videos always have a test set.
    """
    splits = [split_of(video_id, options) for video_id in video_ids]
    for index, wanted in ((-1, "test"), (-2, "validation"), (-3, "train")):
        if wanted not in splits and len(splits) >= -index:
            splits[index] = wanted
    return splits
