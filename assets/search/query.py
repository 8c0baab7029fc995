"""From the text of a search to what must, may and must not be said."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ml.text.tokens import stop_words, tokenize

_TERM = re.compile(r'(?P<minus>(?<!\S)-)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))')


@dataclass(frozen=True)
class WordQuery:
    """A search by words.

    Attributes:
        words: words that may be said; more of them are better.
        phrases: sequences of words that must be said.
        excluded: words and phrases that must not be said.
    """

    words: tuple[str, ...]
    phrases: tuple[str, ...]
    excluded: tuple[str, ...]

    @property
    def text(self) -> str:
        """What is searched for, without quotes and exclusions."""
        return " ".join((*self.phrases, *self.words))

    @property
    def content_words(self) -> tuple[str, ...]:
        """The words without stop words; all of them if there are no others."""
        content = tuple(word for word in self.words if word.lower() not in stop_words())
        return content or (() if self.phrases else self.words)


def parse(text: str) -> WordQuery:
    """Read ``words "a phrase" -word -"a phrase"``. A quote without its partner is ignored.

    Raises:
        ValueError: nothing is searched for, for instance because every word is excluded.
    """
    text = text.translate(str.maketrans("“”„«»", '"""""'))
    if text.count('"') % 2:
        text = text[::-1].replace('"', " ", 1)[::-1]
    words, phrases, excluded = list[str](), list[str](), list[str]()
    for term in _TERM.finditer(text):
        tokens = tokenize(term["word"] if term["phrase"] is None else term["phrase"])
        if not tokens:
            continue
        if term["minus"]:
            excluded.append(" ".join(tokens))
        elif term["phrase"] is not None and len(tokens) > 1:
            phrases.append(" ".join(tokens))
        else:
            words.extend(tokens)
    if not (words or phrases):
        raise ValueError("has no word to search for; add one that is not excluded, e.g. whisk the eggs -bowl")
    return WordQuery(tuple(words), tuple(phrases), tuple(excluded))
