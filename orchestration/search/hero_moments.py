"""Moments that a text describes, found by the HERO of the lake. Imports torch.

See `moments` for those that the joint embedding finds.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.hero.clips import places
from assets.lake import Lake
from assets.models.folder import MODEL_FILES
from ml.hero.clip_store import ClipStore, StoredClips
from ml.hero.model import Hero
from ml.hero.pretraining.job import padded_size
from ml.hero.search import MomentSearch
from ml.hero.tokenizer import load_tokenizer
from ml.metrics.moments import Search
from orchestration.search.errors import NotReadyError
from orchestration.search.moments import Moment, Moments, Video, same_moment, videos_of

log = logging.getLogger(__name__)

MODELS = ("hero_tokenizer", "hero")
TABLES = ("hero_manifest", "hero_clips")


@dataclass(frozen=True)
class Place:
    """Where a clip is: its video, its start and its end in seconds."""

    video_id: str
    start_s: float
    end_s: float


class HeroMoments:
    """The moments of a lake's videos, found in HERO's clips of them.

    Args:
        found: finds stretches of clips by their numbers.
        clips: where each clip is.
        videos: what is known of each video.
        files: path of each video that has a file.
    """

    name = "HERO, pre-trained"
    scored_by = "how likely the moment is, as a share of the best one"

    def __init__(
        self, found: MomentSearch, clips: Sequence[Place], videos: Mapping[str, Video], files: Mapping[str, str]
    ) -> None:
        self._found, self._clips, self._videos, self._files = found, clips, videos, files

    def search(self, text: str, limit: int) -> list[Moment]:
        """The best moments for a text, best first; of those that overlap, the best one.

        The score is ``p(first frame) p(last frame) exp(20 S)``, with S the cosine of the text and the best frame, as a
        share of the score of the best moment.
        """
        found, apart = self._found.find(text) if limit else [], list[Moment]()
        for each in found:
            place = self._clips[each.video]
            end_s = min(place.start_s + each.end_s, place.end_s)
            moment = self._videos[place.video_id].moment(
                place.video_id,
                place.start_s + each.start_s,
                end_s,
                each.score / found[0].score,
                place.video_id in self._files,
            )
            if not any(same_moment(moment, other) for other in apart):
                apart.append(moment)
            if len(apart) == limit:
                break
        return apart


@dataclass(frozen=True)
class Corpus:
    """What is searched in: clips by the joint embedding, and moments by HERO, or why there are none."""

    clips: Moments
    hero: HeroMoments | str


def load_hero_moments(lake: Lake, models: Path, store: ClipStore) -> HeroMoments:
    """The moments of all of HERO's clips, encoded now.

    Raises:
        NotReadyError: the model or a table is missing, or they do not fit each other.
    """
    for name in MODELS:
        if not all((models / name / file).exists() for file in MODEL_FILES):
            raise NotReadyError("There is no HERO yet: materialize the assets of the group hero.")
    if missing := [table for table in TABLES if not lake.has(table)]:
        raise NotReadyError(f"The lake has no table {missing[0]} yet: materialize the assets of the group hero.")
    manifest, tokenizer = lake.read("hero_manifest").pl(), load_tokenizer(models / "hero_tokenizer")
    try:
        model = Hero.from_pretrained(models / "hero")
    except ValueError as error:
        raise NotReadyError(f"HERO is not usable: {error}. Materialize hero_pretraining again.") from error
    if padded_size(tokenizer) != model.config.vocabulary:
        raise NotReadyError("HERO was trained with another vocabulary: materialize hero_pretraining again.")
    stored = StoredClips(
        store, [each for split in ("train", "validation", "test") for each in places(manifest, split)], tokenizer.encode
    )
    try:
        # Moments of one clip may overlap: HeroMoments.search removes those that overlap in the video.
        found = MomentSearch(model, tokenizer.encode, (stored[n] for n in range(len(stored))), Search(max_overlap=0.5))
    except (ValueError, FileNotFoundError) as error:
        raise NotReadyError(f"HERO does not fit its clips: {error}. Materialize hero_pretraining again.") from error
    cuts = lake.read("hero_clips").pl().filter(pl.col("frames") > 0)
    where = {clip: Place(*row) for clip, *row in cuts.select("clip_id", "video_id", "start_s", "end_s").iter_rows()}
    videos = videos_of(lake, manifest.unique("video_id"))
    files = lake.sql("SELECT video_id, uri FROM video_files WHERE status = 'ok'").fetchall()
    return HeroMoments(found, [where[place.clip_id] for place in stored.places], videos, dict(files))


def load_corpus(moments: Moments, lake: Lake, models: Path, store: ClipStore) -> Corpus:
    """The clips and the moments of HERO; without a HERO that fits, the reason."""
    try:
        return Corpus(moments, load_hero_moments(lake, models, store))
    except NotReadyError as error:
        return Corpus(moments, str(error))
    except Exception:
        # The clips can be searched all the same.
        log.exception("HERO cannot be loaded")
        return Corpus(moments, "HERO cannot be loaded; see the log of the server.")
