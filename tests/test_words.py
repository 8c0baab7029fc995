"""The word list finds wording in prose, identifiers and phrases that wrap, and its exceptions are narrow."""

from pathlib import Path

import pytest

from tests.words import WordList

CONTENT = {
    "words": {"told": "reported", "look(s|ed)? at": "checks", "stands?(?! for)": "is"},
    "allow": [{"where": "ml/*.py", "text": "cake stands", "reason": "a thing"}],
}


def found(text: str, path: str = "assets/card/card.py") -> list[tuple[int, str]]:
    return [(each.line, each.word) for each in WordList(CONTENT).findings(Path(path), text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def _told_apart(): ...", ["told"]),
        ("class ToldApart: ...", ["Told"]),
        ("class FutureTold: ...", ["Told"]),
        ("LOOKED_AT = 1", ["LOOKED_AT"]),
        ("# What it looked\n# at", ["looked # at"]),
        ('raise ValueError("it looks "\n    f"at {x}")', ['looks " f"at']),
        ("toldo, untold, tolds, standstill", []),
        ("it stands for a row; it stands", ["stands"]),
    ],
)
def test_whole_words_and_phrases_are_found_wherever_they_are(text: str, words: list[str]) -> None:
    assert [word for _, word in found(text)] == words


def test_a_finding_names_its_line_and_the_advice() -> None:
    (finding,) = WordList(CONTENT).findings(Path("README.md"), "one\ntwo told\n")
    assert str(finding) == "README.md:2: 'told': write reported"


def test_an_exception_covers_its_phrase_in_its_files_alone_and_is_reported_when_unused() -> None:
    words = WordList(CONTENT)
    text = "three cake stands, one stands"
    assert len(list(words.findings(Path("assets/x.py"), text))) == 2
    assert len(words.unused()) == 1
    assert [each.word for each in words.findings(Path("ml/text/x.py"), text)] == ["stands"]
    assert not words.unused()
