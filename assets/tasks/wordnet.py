"""WordNet's verb classes: for each verb, the lexicographer file of each of its senses, most frequent sense first.

``wordnet_verb_classes.csv`` is derived from WordNet 3.0 (licence: ``wordnet_license.txt``) by
``python -m assets.tasks.wordnet /usr/share/wordnet`` (the folder of ``index.verb`` and ``data.verb``; on Debian the
package ``wordnet-base``).
"""

from __future__ import annotations

import csv
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path

CLASSES = {
    29: "body",
    30: "change",
    31: "cognition",
    32: "communication",
    33: "competition",
    34: "consumption",
    35: "contact",
    36: "creation",
    37: "emotion",
    38: "motion",
    39: "perception",
    40: "possession",
    41: "social",
    42: "stative",
    43: "weather",
}
"""Verb classes by lexicographer file number (WordNet's lexnames(5))."""

SENSES_KEPT = 8


@cache
def verb_classes() -> dict[str, tuple[str, ...]]:
    """The classes of each verb's first senses, by lemma; a lemma of several words has blanks ("get rid of")."""
    lines = files(__package__).joinpath("wordnet_verb_classes.csv").read_text(encoding="utf-8").splitlines()
    return {verb: tuple(classes.split()) for verb, classes in csv.reader(lines)}


def derive(folder: Path) -> dict[str, tuple[str, ...]]:
    """The classes of each verb's first ``SENSES_KEPT`` senses, from WordNet's own files."""
    class_of_synset = {}
    for line in _lines(folder / "data.verb"):
        offset, number = line.split(maxsplit=2)[:2]
        class_of_synset[offset] = CLASSES[int(number)]
    classes = {}
    for line in _lines(folder / "index.verb"):
        lemma, _, senses, *rest = line.split()
        classes[lemma.replace("_", " ")] = tuple(
            class_of_synset[offset] for offset in rest[-int(senses) :][:SENSES_KEPT]
        )
    return classes


def _lines(path: Path) -> list[str]:
    # The licence at the head of each file is indented by a blank.
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith(" ")]


def main(folder: Path) -> None:
    """Print the content of ``wordnet_verb_classes.csv``, derived from WordNet's files in a folder."""
    csv.writer(sys.stdout, lineterminator="\n").writerows(
        (verb, " ".join(classes)) for verb, classes in sorted(derive(folder).items())
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
