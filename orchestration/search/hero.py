"""The list of moments that the HERO of the lake finds. Imports torch. See `lists` for the other lists."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import polars as pl

from assets.hero.clips import places
from assets.lake import Lake
from assets.models.folder import MODEL_FILES
from assets.search.narration import NarrationArray
from assets.search.query import WordQuery
from ml.hero.clip_store import ClipStore, StoredClips
from ml.hero.model import Hero as Model
from ml.hero.pretraining.job import padded_size
from ml.hero.search import MomentSearch
from ml.hero.tokenizer import load_tokenizer
from ml.metrics.moments import Search
from orchestration.search.chance import HeldOut, chance_caution
from orchestration.search.errors import NotReadyError
from orchestration.search.lists import Hero

MODELS = ("hero_tokenizer", "hero")
CLIPS = "hero_clips"


def load_hero(lake: Lake, models: Path, store: ClipStore, narration: NarrationArray, held_out: HeldOut | None) -> Hero:
    """The moments of all of HERO's clips, encoded now.

    Args:
        narration: the words that captions have.
        held_out: narration by which the list is compared with chance.

    Raises:
        NotReadyError: the model or a table is missing, or they do not fit each other.
    """
    for name in MODELS:
        if not all((models / name / file).exists() for file in MODEL_FILES):
            raise NotReadyError("There is no HERO yet: materialize the assets of the group hero.")
    if not lake.has(CLIPS):
        raise NotReadyError(f"The lake has no table {CLIPS} yet: materialize the assets of the group hero.")
    clips, tokenizer = lake.read(CLIPS).pl().filter(pl.col("frames") > 0), load_tokenizer(models / "hero_tokenizer")
    try:
        model = Model.from_pretrained(models / "hero")
    except ValueError as error:
        raise NotReadyError(f"HERO is not usable: {error}. Materialize hero_pretraining again.") from error
    if padded_size(tokenizer) != model.config.vocabulary:
        raise NotReadyError("HERO was trained with another vocabulary: materialize hero_pretraining again.")
    stored = StoredClips(store, places(clips.sort("clip_id")), tokenizer.encode)
    try:
        # Moments of one clip may overlap: `hybrid.apart` removes those that overlap in the video.
        found = MomentSearch(model, tokenizer.encode, (stored[n] for n in range(len(stored))), Search(max_overlap=0.5))
    except (ValueError, FileNotFoundError) as error:
        raise NotReadyError(f"HERO does not fit its clips: {error}. Materialize hero_pretraining again.") from error
    where = {clip: tuple(row) for clip, *row in clips.select("clip_id", "video_id", "start_s", "end_s").iter_rows()}
    hero = Hero(found.find, [where[place.clip_id] for place in stored.places], partial(_known, narration), None)
    hero.caution = chance_caution(hero, held_out) if held_out else None
    return hero


def _known(narration: NarrationArray, query: WordQuery) -> bool:
    words = [*query.words, *(word for each in query.phrases for word in each.split())]
    return any(narration.says(word) for word in words)
