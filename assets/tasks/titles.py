"""The primary verb of a how-to title and the words that follow it, by a spaCy tagger or by the first word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from assets.tasks.wordnet import verb_classes

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Token

FIRST_WORD = "first_word"
"""Name of the tagger that needs no model: the title's first word that can be a verb is the verb."""

_WORD = re.compile(r"[\w'-]*[^\W\d_][\w'-]*")
_HOW_TO = re.compile(r"^\s*how\s+to\s+", re.IGNORECASE)
_NOT = frozenset({"not", "don't", "never"})
_MODALS = frozenset({"can", "could", "do", "does", "did", "may", "might", "must", "should", "will", "would"})
_PRONOUNS = frozenset({"i", "you", "we", "they", "he", "she", "it", "one", "people"})
_QUESTION = frozenset({"how", "what", "when", "where", "why", "which"})
_VOWELS = frozenset("aeiou")
_VARIANTS = (("ise", "ize"), ("yse", "yze"), ("il", "ill"), ("al", "all"), ("ol", "oll"))
"""British and American endings: a verb that WordNet has in both spellings is the second."""
_ALWAYS_ISE = frozenset({"advertise", "apprise", "improvise", "reprise"})

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
    """The words of a title in lower case, without a leading "How to" or "Can you"; words with hyphens are one."""
    words = _WORD.findall(without_how_to(title).replace("’", "'").lower())
    question = words[1:] if words and words[0] in _QUESTION else words
    return question[2:] if len(question) > 2 and question[0] in _MODALS and question[1] in _PRONOUNS else words


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

    # In lower case and after "how to", an imperative is tagged as an infinitive; without it, often as a name.
    docs = (Doc(tagger.vocab, words=["how", "to", *words]) for words in titles)
    for doc in tagger.pipe(docs, batch_size=_BATCH):
        verb = next((token for token in doc[2:] if _is_verb(token)), None)
        if verb is None:
            yield _by_first_word([token.text for token in doc[2:]])
            continue
        base = base_form(verb.text)
        if base == verb.text and verb.tag_ not in ("VB", "VBP", "MD") and verb.lemma_.lower() in verb_classes():
            base = verb.lemma_.lower()  # An irregular form, such as "made".
        yield VerbOfTitle(base, tuple(token.text for token in doc[verb.i + 1 :]))


def _is_verb(token: Token) -> bool:
    """Whether a token is a verb and no modal: "can" is one after "how to", not in "things you can make"."""
    before = token.nbor(-1).text
    if token.text in _MODALS:
        return before == "to" or (token.tag_.startswith("VB") and before not in _PRONOUNS)
    return token.tag_.startswith("VB")


def _by_first_word(words: list[str]) -> VerbOfTitle | None:
    """The first word, but for "not" and adverbs in -ly before it, in its base form."""
    while len(words) > 1 and (words[0] in _NOT or (words[0].endswith("ly") and words[0] not in verb_classes())):
        words = words[1:]
    return VerbOfTitle(base_form(words[0]), tuple(words[1:])) if words else None


def base_form(word: str) -> str:
    """The one base form of the verb that a word in lower case is a form of; the word itself if WordNet knows no verb.

    Of a word with hyphens that WordNet does not know, the last part counts: "re-grout" is to grout.
    """
    known = verb_classes()
    for whole in dict.fromkeys((word, word.replace("-", ""), word.rpartition("-")[2])):
        found = next((candidate for candidate in _candidates(whole) if candidate in known), None)
        if found is not None:
            return _spelling(found)
    return word


def _candidates(word: str) -> Iterator[str]:
    """Base forms that a word may have, the most likely first.

    "scraping" is to scrape, since to scrap doubles its last letter; "installing" is to install.
    """
    yield word
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and stem:
            doubles = _doubles_its_last_letter(stem)
            yield from (stem + "e", stem) if doubles else (stem, stem + "e")
            if len(stem) > 2 and stem[-1] == stem[-2]:
                yield stem[:-1]
    if word.endswith("ies"):
        yield word.removesuffix("ies") + "y"
    if word.endswith("s"):
        yield word.removesuffix("s")
    if word.endswith("es"):
        yield word.removesuffix("es")


def _doubles_its_last_letter(stem: str) -> bool:
    """Whether a verb of this form doubles its last letter before -ing: one syllable, consonant, vowel, consonant."""
    if len(stem) < 3 or stem[-1] in _VOWELS or stem[-1] in "wxy" or stem[-2] not in _VOWELS:
        return False
    before = stem[:-2].removeprefix("qu")
    return not any(letter in _VOWELS for letter in before)


def _spelling(verb: str) -> str:
    if verb in _ALWAYS_ISE:
        return verb
    for ending, other in _VARIANTS:
        variant = verb.removesuffix(ending) + other
        if len(verb) > len(ending) + 2 and verb.endswith(ending) and variant in verb_classes():
            return variant
    return verb
