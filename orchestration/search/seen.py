"""The list of clips that show a text, by the text-video model in force. Imports torch.

See `ml.joint_embedding.search` for the search of clips, and `lists` for the other lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.joint_embedding.text_video import INDEX, LakeModel, encode_picture, lake_model, load_joint_embedding
from assets.lake import Lake
from assets.models.folder import MODEL_FILES
from ml.joint_embedding.clip_index import ClipIndex
from ml.joint_embedding.pair_store import PairStore
from ml.joint_embedding.search import ClipSearch
from ml.joint_embedding.text_video import JointTextVideo
from ml.text.tokens import tokenize
from ml.text_video.model import Tower
from orchestration.search.chance import HeldOut, chance_caution
from orchestration.search.errors import NotReadyError
from orchestration.search.lists import ByPicture, Seen

MODELS = ("word_vectors", "joint_embedding")
"""Model folders that are needed, in the order in which they are made."""
ROUNDING = 0.01
"""Largest difference of a stored embedding from a recomputed one, caused by half precision and other processors."""


def load_seen(
    lake: Lake,
    models: Path,
    pairs: PairStore,
    index: ClipIndex,
    own: LakeModel | None = None,
    held_out: HeldOut | None = None,
) -> Seen:
    """The list of the clips of the videos that the model may use, as they are indexed.

    Args:
        models: folder of the model folders.
        pairs: clip vectors of the videos, by which the index is compared with the model.
        index: embeddings of the clips.
        own: the model that wrote the index; None for the joint embedding in ``models``.
        held_out: narration by which the list is compared with chance.

    Raises:
        NotReadyError: a model, a table or the index is missing, or they do not fit each other.
    """
    for name in MODELS if own is None else ():
        if not all((models / name / file).exists() for file in MODEL_FILES):
            raise NotReadyError(f"The model {name} is not trained yet: run howto refresh, or materialize {name}.")
    if not lake.has("training_manifest"):
        raise NotReadyError(
            "The lake has no table training_manifest yet: run howto refresh, or materialize that asset."
        )
    if not index.exists():
        raise NotReadyError(
            "The clips are not indexed yet: run howto refresh, or materialize the asset clip_search_index."
        )
    # Pinned, because a training in the meantime writes embeddings of another model.
    own = own or LakeModel(load_joint_embedding(models))
    clips, manifest = ClipSearch(index.pinned(), own.model), lake.read("training_manifest").pl()
    _refuse_other_index(clips, own, pairs, manifest)
    joint = isinstance(own.model, JointTextVideo)
    name = "What is seen: " + ("joint embedding" if joint else own.model.identity)
    scored_by = "cosine of query and clip, from −1 to 1" if joint else "dot product of query and clip"
    seen = Seen(name, scored_by, clips.search, known_words(own), None, picture_search(clips))
    seen.caution = chance_caution(seen, held_out) if held_out else None
    return seen


def picture_search(clips: ClipSearch) -> ByPicture | str:
    """How clips are found by a picture, or why the model cannot."""
    model = clips.model
    if isinstance(model, Tower) and model.picture is not None:
        return ByPicture(partial(encode_picture, model), clips.near)
    what = "The joint embedding" if isinstance(model, JointTextVideo) else model.identity
    return (
        f"{what} has no image side: it does not encode a single picture. Models of open_clip do; see"
        " HOWTO_TEXT_VIDEO_MODEL."
    )


def known_words(own: LakeModel) -> Any:
    """The words of a text that a model knows, as it spells them."""

    def known(text: str) -> Sequence[str]:
        of = own.model.known_words
        spelled = (word if of(word) else word.lower() for word in tokenize(text))
        return [word for word in spelled if of(word)]

    return known


def configured_model(resources: Mapping[str, Any]) -> LakeModel:
    """The model of HOWTO_TEXT_VIDEO_MODEL with its feature rows in the lake.

    Raises:
        NotReadyError: the rows have not been extracted, or the model's files do not fit.
    """
    lake: Lake = resources["lake"]
    if not lake.has(INDEX):
        raise NotReadyError(f"The lake has no table {INDEX} yet. Run howto refresh, or materialize that asset.")
    try:
        return lake_model(
            resources["text_video_options"],
            resources["feature_options"],
            resources["features"],
            lake.read(INDEX).pl(),
            resources["model_root"],
        )
    except (ValueError, ImportError) as error:
        raise NotReadyError(str(error)) from error


def _refuse_other_index(clips: ClipSearch, own: LakeModel, pairs: PairStore, manifest: pl.DataFrame) -> None:
    """Compare the first clips of the index with embeddings of the first stored clips by the model."""
    try:
        wanted = next(own.embedded_clips(pairs, sorted(set(manifest["shard"]))), None)
    except ValueError as error:
        raise NotReadyError(f"{error}. Run howto refresh, or materialize the asset joint_embedding again.") from error
    if wanted is None:
        return
    stored = clips.index.take(np.arange(min(len(wanted.video_ids), len(clips.index))))
    same = stored.video_ids == wanted.video_ids and stored.vectors.shape == wanted.vectors.shape
    if not (same and np.allclose(stored.vectors, wanted.vectors, atol=ROUNDING)):
        raise NotReadyError(
            "The index of the clips is of another model or of other clips. Run howto refresh, or materialize the asset"
            " clip_search_index."
        )
