"""Finds wording that `word_list.toml` rules out, in code, SQL, templates and documentation.

Usage: ``python -m tests.words`` (``--counts`` prints the number of findings per folder and always succeeds).
"""

import argparse
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
LIST: Final = Path(__file__).with_name("word_list.toml")
FOLDERS: Final = (".ci", "assets", "docs", "ml", "orchestration", "sql", "tests")
SUFFIXES: Final = frozenset({".cff", ".css", ".html", ".js", ".md", ".py", ".sql", ".toml", ".yaml", ".yml"})
"""Prose and code; ``.txt`` and ``.csv`` files are data."""

GENERATED: Final = "docs/reference"
"""Made of text that is checked where it is written."""

GAP: Final = r"(?:[\s_]|#|--|\"\n\s*f?\")+"
"""What may be between two words of a phrase: a line break in a comment or between string literals, an underscore."""

STARTS: Final = r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))"
"""Where a word begins, also within ``snake_case`` and ``CamelCase`` names."""


@dataclass(frozen=True)
class Allowed:
    """A use of a word that is right: in files that match ``where``, inside a match of ``text``."""

    where: str
    text: str
    reason: str


@dataclass(frozen=True)
class Finding:
    """A ruled-out ``word`` at a line (from 1) of a file, with the ``advice`` of the list."""

    path: Path
    line: int
    word: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.word!r}: write {self.advice}"


class WordList:
    """The patterns and exceptions of a word list, and which of the exceptions were used."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.advice = {f"word{i}": advice for i, advice in enumerate(content["words"].values())}
        named = zip(self.advice, content["words"], strict=True)
        words = "|".join(f"(?P<{name}>{words.replace(' ', GAP)})" for name, words in named)
        self.pattern = re.compile(f"{STARTS}(?i:{words})(?![a-z])")
        self.allowed = [Allowed(**each) for each in content.get("allow", [])]
        self.used: set[Allowed] = set()

    def findings(self, path: Path, text: str) -> Iterator[Finding]:
        """The ruled-out words of a file's ``text``, by line; ``path`` is relative to the checkout."""
        exceptions = [each for each in self.allowed if fnmatch(path.as_posix(), each.where)]
        spans = [(each, m.span()) for each in exceptions for m in re.finditer(each.text, text)]
        for match in self.pattern.finditer(text):
            covering = {each for each, (start, end) in spans if start <= match.start() and match.end() <= end}
            self.used |= covering
            if not covering:
                line = text.count("\n", 0, match.start()) + 1
                yield Finding(path, line, " ".join(match[0].split()), self.advice[match.lastgroup or ""])

    def unused(self) -> list[Allowed]:
        """Exceptions that no file needs any more."""
        return [each for each in self.allowed if each not in self.used]


def files(root: Path) -> list[Path]:
    """Files that are checked, relative to ``root``; the word list itself is not."""
    top = [path for path in root.iterdir() if path.is_file() and (path.suffix in SUFFIXES or path.name == "Makefile")]
    below = [p for folder in FOLDERS for p in (root / folder).rglob("*") if p.suffix in SUFFIXES and p.is_file()]
    found = (path.relative_to(root) for path in {*top, *below} - {LIST})
    return sorted(path for path in found if not path.is_relative_to(GENERATED))


def main(arguments: list[str] | None = None) -> int:
    """Print the findings and return the exit status: 1 where there are any."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--counts", action="store_true", help="print counts per folder, exit with 0")
    options = parser.parse_args(arguments)
    words = WordList(tomllib.loads(LIST.read_text()))
    found = [each for path in files(ROOT) for each in words.findings(path, (ROOT / path).read_text())]
    if options.counts:
        counts = Counter("/".join(each.path.parts[:2][: len(each.path.parts) - 1]) or "." for each in found)
        print("\n".join(f"{count:5} {folder}" for folder, count in sorted(counts.items())), f"\n{len(found):5} in all")
        return 0
    problems = [str(each) for each in found]
    problems += [f"{LIST.name}: no file needs the exception {each.text!r} in {each.where}" for each in words.unused()]
    print("\n".join(problems) or "words: none ruled out")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
