"""The primary verb of a how-to title, and the words that follow it.

Belongs here: taking titles apart, by a spaCy tagger or by the rule that needs none. Does not belong here: what a verb
says of a task.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from assets.tasks.wordnet import verb_classes

if TYPE_CHECKING:
    from spacy.language import Language

FIRST_WORD = "first_word"
"""Name of the tagger that needs no model: the title's first word that can be a verb is the verb."""

_WORD = re.compile(r"[\w'-]*[^\W\d_][\w'-]*")
_HOW_TO = re.compile(r"^\s*how\s+to\s+", re.IGNORECASE)
_NOT = frozenset({"not", "don't", "never"})
_DETACHED = (("ing", ("", "e")), ("ed", ("", "e")), ("ies", ("y",)), ("es", ("", "e")), ("s", ("",)))
_BATCH = 2000


class TaggerError(Exception):
    """The tagger cannot be had; the message names it and the remedy."""


class VerbOfTitle(NamedTuple):
    """Base form of a title's primary verb, and the lower-case words after it in the title's order."""

    verb: str
    after: tuple[str, ...]


def without_how_to(title: str) -> str:
    """The title without the "How to" that it may begin with."""
    return _HOW_TO.sub("", title).strip()


def words_of(title: str) -> list[str]:
    """The words of a title in lower case, without a "How to" before them; words with hyphens are one."""
    return _WORD.findall(without_how_to(title).replace("’", "'").lower())


def primary_verbs(titles: Iterable[str], tagger: str) -> Iterator[VerbOfTitle | None]:
    """The primary verb of each title; None for a title without a word.

    Args:
        tagger: name of an installed spaCy model package, or ``first_word``.

    Raises:
        TaggerError: the package is not installed or is no spaCy model.
    """
    words = map(words_of, titles)
    return map(_by_first_word, words) if tagger == FIRST_WORD else _by_tags(words, load_tagger(tagger))


@cache
def load_tagger(package: str) -> Language:
    """The tagger of a spaCy model package.

    Raises:
        TaggerError: the package is not installed or is no spaCy model.
    """
    try:
        import spacy

        return spacy.load(package, exclude=["parser", "ner"])
    except (ImportError, OSError) as error:
        raise TaggerError(
            f"{package}: no such spaCy model ({error}); install it, or use the tagger {FIRST_WORD}"
        ) from error


def _by_tags(titles: Iterable[list[str]], tagger: Language) -> Iterator[VerbOfTitle | None]:
    from spacy.tokens import Doc

    # In lower case and after "how to" an imperative is tagged as the infinitive it is; alone, in title case, as a name.
    docs = (Doc(tagger.vocab, words=["how", "to", *words]) for words in titles)
    for doc in tagger.pipe(docs, batch_size=_BATCH):
        verb = next((token for token in doc[2:] if token.tag_.startswith("VB")), None)
        if verb is None:
            yield _by_first_word([token.text for token in doc[2:]])
            continue
        lemma = verb.text if verb.tag_ in ("VB", "VBP") else verb.lemma_.lower()
        base = lemma if lemma in verb_classes() else base_form(verb.text)
        yield VerbOfTitle(base, tuple(token.text for token in doc[verb.i + 1 :]))


def _by_first_word(words: list[str]) -> VerbOfTitle | None:
    """The first word, but for "not" and adverbs in -ly before it, in its base form."""
    while len(words) > 1 and (words[0] in _NOT or (words[0].endswith("ly") and words[0] not in verb_classes())):
        words = words[1:]
    return VerbOfTitle(base_form(words[0]), tuple(words[1:])) if words else None


def base_form(word: str) -> str:
    """The verb that a word in lower case is a form of, by WordNet's rules of detachment; else the word itself.

    Of a word with hyphens that WordNet does not know, the last part counts: "re-grout" is to grout.
    """
    known = verb_classes()
    for whole in dict.fromkeys((word, word.replace("-", ""), word.rpartition("-")[2])):
        candidates = [whole]
        for ending, replacements in _DETACHED:
            stem = whole.removesuffix(ending)
            if stem != whole and stem:
                candidates += [stem + replacement for replacement in replacements]
                candidates += [stem[:-1]] if len(stem) > 2 and stem[-1] == stem[-2] else []
        found = next((candidate for candidate in candidates if candidate in known), None)
        if found is not None:
            return found
    return word
