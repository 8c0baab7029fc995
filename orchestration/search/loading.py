"""From the resources of a lake to the library that the page searches in."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from ml.lance_arrays import array_versions
from orchestration.search.chance import HeldOut
from orchestration.search.corpus import Corpus, load_corpus
from orchestration.search.errors import NotReadyError
from orchestration.search.library import NAMES, Library
from orchestration.search.lists import Meaning, RankedList, Words
from orchestration.search.loader import Loader
from orchestration.settings import Settings

HELD_OUT_LINES = 32
"""Caption lines by which a list is compared with chance."""


class Parts:
    """Loads the parts of a lake's library; the models are imported where they are used.

    Args:
        settings: settings in force; resources: what they give.
    """

    def __init__(self, settings: Settings, resources: dict[str, Any]) -> None:
        self.settings, self.resources = settings, resources
        self.models: Path = resources["model_root"]

    def corpus(self) -> Corpus:
        return load_corpus(self.resources["lake"], self.resources["words_array"], self.resources["split"])

    def words(self) -> RankedList:
        return Words(self._narration())

    def meaning(self) -> RankedList:
        array = self.resources["meaning_array"]
        if not array.exists():
            raise NotReadyError("Not made yet: run howto refresh, or materialize the asset narration_meaning.")
        from ml.text.sentence_encoder import packaged_encoder

        return Meaning(array.pinned(), packaged_encoder().encode)

    def seen(self) -> RankedList:
        from orchestration.search.seen import configured_model, load_seen

        own = None if self.settings.text_video.own else configured_model(self.resources)
        lake, pairs, index = (self.resources[name] for name in ("lake", "pairs", "clip_index"))
        return load_seen(lake, self.models, pairs, index, own, self._held_out())

    def hero(self) -> RankedList:
        from orchestration.search.hero import load_hero

        lake, store = self.resources["lake"], self.resources["hero_store"]
        return load_hero(lake, self.models, store, self._narration(), self._held_out())

    def version(self, key: str) -> Hashable:
        """Changes when a part has to be loaded again."""
        folders = {"seen": ("word_vectors", "joint_embedding"), "hero": ("hero_tokenizer", "hero")}.get(key, ())
        weights = [_changed(self.models / name / "model.safetensors") for name in folders]
        array = {"meaning": "meaning_array", "seen": "clip_index"}.get(key, "words_array")
        return *weights, *array_versions(self.resources[array].path)

    def _narration(self) -> Any:
        array = self.resources["words_array"]
        if not array.exists():
            raise NotReadyError("Not made yet: run howto refresh, or materialize the asset narration_words.")
        return array.pinned()

    def _held_out(self) -> HeldOut:
        corpus = self.corpus()
        return HeldOut(corpus.held_out(HELD_OUT_LINES), corpus.videos)


def library(settings: Settings, resources: dict[str, Any]) -> Library:
    """The library of the lake of these settings and of the resources that they give. Nothing is loaded yet."""
    parts = Parts(settings, resources)
    # One thread: what needs no model is ready first.
    worker = ThreadPoolExecutor(1, thread_name_prefix="search")
    loads: dict[str, Callable[[], RankedList]] = {key: getattr(parts, key) for key in NAMES}
    lists = {key: Loader(NAMES[key], load, partial(parts.version, key), worker) for key, load in loads.items()}
    return Library(Loader("narration", parts.corpus, partial(parts.version, "corpus"), worker), lists)


def _changed(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None
