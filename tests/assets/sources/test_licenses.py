"""Licences of videos as codes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.sources.licenses import license_code


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Creative Commons Attribution license (reuse allowed)", "cc-by"),
        ("creativeCommon", "cc-by"),
        ("CC BY-NC-SA 4.0", "cc-by-nc-sa"),
        ("by-nc-nd", "cc-by-nc-nd"),
        ("https://creativecommons.org/licenses/by-sa/3.0/deed.en", "cc-by-sa"),
        ("Creative Commons Attribution-NonCommercial-NoDerivatives 4.0 International", "cc-by-nc-nd"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "cc0"),
        ("Public Domain", "public-domain"),
        ("Apache-2.0", "apache-2.0"),
        ("Standard YouTube License", "youtube"),
        ("All  rights reserved, by me", "All rights reserved, by me"),
        (" ", None),
        (None, None),
    ],
)
def test_the_usual_words_for_a_licence_have_one_code(said: str | None, code: str | None) -> None:
    assert license_code(said) == code


@given(st.text() | st.from_regex(r"(cc[- ])?by(-nc)?(-nd|-sa)?", fullmatch=True))
def test_a_code_is_its_own_code(said: str) -> None:
    assert license_code(license_code(said)) == license_code(said)
