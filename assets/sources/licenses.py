"""Licences of videos as short codes, whatever words a source uses for them.

Codes are ``cc0``, ``public-domain``, ``cc-by`` and its variants without versions, ``apache-2.0``, and ``youtube`` for
the site's standard licence. Any other licence keeps the words of its source.
"""

from __future__ import annotations

import re

REDISTRIBUTABLE = frozenset({"cc0", "public-domain", "cc-by", "cc-by-sa", "apache-2.0"})
"""Licences under which anyone may pass the video on, also for money and changed."""

_ELEMENTS = r"by(?:-nc)?(?:-nd|-sa)?"
_CODE = re.compile(rf"(?:cc[- ])?({_ELEMENTS})(?:[- ]\d(?:\.\d)?)?")
_ADDRESS = re.compile(rf"creativecommons\.org/licenses/({_ELEMENTS})(?![\w-])")
_NAMED = {
    "cc0": re.compile(r"(?:cc0|cc zero)(?:[- ]1\.0)?|.*creativecommons\.org/publicdomain/zero.*|cc0 1\.0 universal"),
    "public-domain": re.compile(r"public[- ]domain(?: mark(?: 1\.0)?)?|.*creativecommons\.org/publicdomain/mark.*"),
    "cc-by": re.compile(r"creativecommon"),  # the Data API's word
    "apache-2.0": re.compile(r"apache(?:[- ]license)?[- ,]*(?:version )?2\.0"),
    "youtube": re.compile(r"(?:standard )?youtube(?: standard)?(?: licen[sc]e)?"),
}
_WORDS = re.compile(r"creative commons attribution\b(?P<rest>.*)")


def license_code(said: str | None) -> str | None:
    """The code of a licence; None where the source says nothing. A code is its own code."""
    words = " ".join((said or "").split())
    text = words.lower()
    if not text:
        return None
    for code, pattern in _NAMED.items():
        if pattern.fullmatch(text):
            return code
    if found := _ADDRESS.search(text) or _CODE.fullmatch(text):
        return f"cc-{found[1]}"
    if found := _WORDS.match(text):
        rest = re.sub(r"[^a-z]", "", found["rest"])
        elements = [
            code for word, code in (("noncommercial", "nc"), ("noderiv", "nd"), ("sharealike", "sa")) if word in rest
        ]
        return "-".join(["cc-by", *elements])
    return words
