"""Published layouts at full size, as ``docs/published.md`` states them; ``make nightly`` runs them."""

from __future__ import annotations

import json

import pytest

from docs.published import LAYOUTS
from tests.published_layouts import CHECKS, RESULTS, largest_difference

ROUNDING = 1e-4
"""Largest difference that single precision explains in these networks."""


def test_the_page_has_the_difference_of_every_layout() -> None:
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert [row.check for row in LAYOUTS] == list(CHECKS) == list(found)
    assert max(found.values()) < ROUNDING


@pytest.mark.campaign
@pytest.mark.parametrize("name", CHECKS)
def test_a_layout_computes_what_an_independent_forward_computes(name: str) -> None:
    assert largest_difference(name) < ROUNDING
