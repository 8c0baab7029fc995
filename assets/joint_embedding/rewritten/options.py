"""Options of matching rewritten captions with clips, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from assets.joint_embedding.options import aligner_version, must_hold_models
from assets.options import ContentOf, ExistingFolder, Options


@dataclass(frozen=True)
class MatchingOptions(Options):
    """HowToCaption's choice of pairs and its second round (ninatu/howtocaption, align_and_filter.py).

    ``keep_share`` of the captions are kept, the most similar ones: HowToCaption keeps 25 million of all captions. With
    ``second_models``, which were trained on the captions of a first round, the similarity is the mean of both models.
    """

    group: ClassVar = "Captions"
    prefix: ClassVar = "rewriting_"
    counts_where_set: ClassVar = True

    keep_share: Annotated[
        float,
        Field(
            gt=0, le=1, description="share of rewritten captions that are kept per shard, the most similar ones; 1: all"
        ),
    ] = 1.0
    second_models: Annotated[
        ExistingFolder | None,
        AfterValidator(must_hold_models),
        ContentOf(aligner_version),
        Field(
            description="folder of models (joint_embedding, word_vectors) that were trained on rewritten captions;"
            " their similarity counts as much as that of the lake's model"
        ),
    ] = None
