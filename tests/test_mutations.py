"""Damaged files of every kind: none costs another item, none hangs, none is refused without its name."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from assets.outcomes import SourceError
from tests.mutations import KINDS, Kind, damage

REFUSED = (ValueError, KeyError, SourceError)
HANGS_AFTER_S = 120


@contextmanager
def not_hanging() -> Iterator[None]:
    """Raises ``TimeoutError`` in what never ends."""

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANGS_AFTER_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(kind: Kind, seed: int) -> str:
    """What becomes of one damage; ``wrong: ...`` where it is not as it should be."""
    rng = random.Random(seed)
    with TemporaryDirectory() as name:
        path = kind.write(Path(name))
        content = path.read_bytes()
        before = kind.read(path)
        changed, touched = damage(content, rng, kind.lines)
        if changed == content:
            return "not damaged"
        path.write_bytes(changed)
        try:
            with not_hanging():
                after = kind.read(path)
        except REFUSED as error:
            return (
                "refused by name" if path.name in str(error) or path.stem in str(error) else f"wrong: unnamed {error!r}"
            )
        except TimeoutError:
            return "wrong: hangs"
    return _compared(kind, before, after, touched)


def _compared(kind: Kind, before: list[str], after: list[str], touched: set[int]) -> str:
    if after == before:
        return "read the same"
    if kind.checked:
        return f"wrong: another content {after!r:.200}"
    if kind.header and 0 in touched:
        return "another column"
    lost = Counter(before) - Counter(after)
    if kind.lines and sum(lost.values()) > len(touched):
        return f"wrong: lost {lost!r:.300}"
    return "another value of its own item"


def run(kind: str, seeds: range) -> Counter[str]:
    found = Counter(outcome(KINDS[kind], seed) for seed in seeds)
    wrong = {result: count for result, count in found.items() if result.startswith("wrong")}
    assert not wrong, f"{kind}: {wrong}"
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_some_damages_of_each_kind(kind: str) -> None:
    assert sum(run(kind, range(4)).values()) == 4


@pytest.mark.campaign
def test_a_thousand_damages(capsys: pytest.CaptureFixture[str]) -> None:
    classes: Counter[str] = Counter()
    for kind in KINDS:
        classes += run(kind, range(100, 135))
    with capsys.disabled():
        print("\n" + "\n".join(f"{count:6,} {result}" for result, count in classes.most_common()))
    assert sum(classes.values()) >= 1000
