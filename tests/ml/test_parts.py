"""Parts of a batch by tokens."""

from __future__ import annotations

import numpy as np
import pytest

from ml.parts import runs


@pytest.mark.parametrize("seed", range(20))
def test_runs_are_as_long_as_their_tokens_allow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, 30, rng.integers(1, 40)).tolist()
    most = int(rng.integers(1, 60))
    found = [tokens[own] for own in runs(tokens, most)]
    assert [each for own in found for each in own] == tokens
    for own, following in zip(found, [*found[1:], []], strict=True):
        assert sum(own) <= most or sum(map(bool, own)) == 1
        # The first example with a token of the next run did not fit.
        assert not following or sum(own) + next(filter(None, following)) > most
        assert sum(own) or len(found) == 1


def test_without_examples_or_a_limit_there_is_one_run() -> None:
    assert runs([], 5) == [slice(0, 0)]
    assert runs([3, 4], None) == [slice(0, 2)]
