"""Everything that is searched, loaded part by part: the corpus first, then each list.

See `loader` for how a part is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from orchestration.search.corpus import Corpus
from orchestration.search.errors import UnavailableError
from orchestration.search.lists import RankedList
from orchestration.search.loader import Loader

NAMES = {
    "words": "Words of the narration",
    "meaning": "Meaning of the narration",
    "seen": "What is seen",
    "hero": "HERO's moments",
}
"""The lists by key, in the order in which the page shows them."""


class Library:
    """The corpus and the lists.

    Args:
        corpus: loads the corpus.
        lists: loads each list, by a key of ``NAMES``.
    """

    def __init__(self, corpus: Loader[Corpus], lists: Mapping[str, Loader[RankedList]]) -> None:
        self._corpus, self._lists = corpus, lists

    def start(self) -> None:
        """Begin to load every part."""
        with suppress(UnavailableError):
            self._corpus.current()
        self.lists()

    def current(self) -> Corpus:
        """The corpus.

        Raises:
            UnavailableError: it is not loaded.
        """
        return self._corpus.current()

    def lists(self) -> dict[str, RankedList | UnavailableError]:
        """Each list, or why it cannot be searched now, in the order of ``NAMES``."""
        return {key: self._current(self._lists[key]) for key in NAMES if key in self._lists}

    def loading(self) -> list[str]:
        """Names of the lists that are being loaded."""
        return [NAMES[key] for key, each in self.lists().items() if isinstance(each, UnavailableError) and each.loading]

    def close(self) -> None:
        """Wait until the current loading ends, and load nothing more."""
        self._corpus.close()
        for loader in self._lists.values():
            loader.close()

    @staticmethod
    def _current(loader: Loader[RankedList]) -> RankedList | UnavailableError:
        try:
            return loader.current()
        except UnavailableError as error:
            return error
