"""One redaction for every text that is printed, stored or raised.

It hides the secrets that this process knows, and whatever a known form marks as one: credentials in addresses, and
values of ``password=``. See `orchestration.redaction` for where texts leave the process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

HIDDEN = "…"

_SHORTEST = 6
"""A shorter secret is hidden only where its form marks it: its characters occur in other words too."""

_WORDS = r"pass(?:word|wd)?|pwd|secret\w*|\w*token|api_?key|access_?key|sig(?:nature)?|x-amz-\w[\w-]*|auth|key"
_FORMS = (
    ("@", re.compile(r"(?<=://)[^/?#\s'\"]+(?=@)")),
    ("=", re.compile(rf"[?&]((?:{_WORDS})=)[^&#\s'\"]+", re.IGNORECASE)),
    (
        "=",
        re.compile(
            r"(?<![\w?&])((?:password|passwd|secret|session_token)\s*=\s*)('[^']*'|\"[^\"]*\"|[^\s'\";,)]+)",
            re.IGNORECASE,
        ),
    ),
    ("'", re.compile(r"((?:SECRET|SESSION_TOKEN)\s+)('[^']*')")),
)
"""The forms of secrets, each with a character without which it does not occur: a search for that costs little."""

_SECRET_NAME = re.compile(
    r"PASS(?:WORD|WD|PHRASE)|SECRET|TOKEN(?!I)|API_?KEY|PRIVATE_?KEY|WEBHOOK|CREDENTIAL", re.IGNORECASE
)

_known: set[str] = set()


def protect(*secrets: str) -> None:
    """Hide these secrets from now on, also the credentials within them and their quoted forms."""
    for secret in secrets:
        for part in {secret, *_credentials(secret)}:
            _known.update(form for form in _forms_of(part) if len(form) >= _SHORTEST)


def protect_credentials(text: str) -> None:
    """Hide the credentials within a text that is no secret itself, such as an address."""
    protect(*_credentials(text))


def is_secret_name(variable: str) -> bool:
    """Whether the name of a variable of the environment says that its value is a secret."""
    return bool(_SECRET_NAME.search(variable))


def redact(text: str) -> str:
    """The text without secrets."""
    shown, end = "", 0
    # All are found in the whole text: a hidden part must not hide the form of another.
    for first, last in sorted([*_known_secrets(text), *_marked_secrets(text)]):
        if first >= end:
            shown += text[end:first] + HIDDEN
        end = max(end, last)
    return shown + text[end:]


def _known_secrets(text: str) -> Iterator[tuple[int, int]]:
    for secret in _known:
        first = text.find(secret)
        while first >= 0:
            yield first, first + len(secret)
            first = text.find(secret, first + 1)


def _marked_secrets(text: str) -> Iterator[tuple[int, int]]:
    for needed, form in _FORMS:
        for match in form.finditer(text) if needed in text else ():
            yield (match.end(1) if match.lastindex else match.start()), match.end()


def without_login(address: str) -> str:
    """The address without user name and password."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else address


def login_of(address: str) -> tuple[str, str] | None:
    """User name and password of an address; None where it has neither."""
    parts = urlsplit(address)
    return (unquote(parts.username), unquote(parts.password or "")) if parts.username else None


def _credentials(text: str) -> Iterator[str]:
    """Passwords, tokens and keys within an address or a connection string of libpq."""
    for word in re.findall(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s,]+", text):
        try:
            address = urlsplit(word)
        except ValueError:
            continue
        userinfo, at, _ = address.netloc.rpartition("@")
        if at:
            yield from filter(None, (userinfo, userinfo.partition(":")[2] or userinfo))
        yield from (value for name, value in parse_qsl(address.query) if re.fullmatch(_WORDS, name, re.IGNORECASE))
    for quoted, bare in re.findall(r"(?i)\bpassword\s*=\s*(?:'([^']*)'|(\S+))", text):
        yield quoted or bare


def _forms_of(secret: str) -> Iterator[str]:
    yield from (secret, secret.strip(), unquote(secret), quote(secret), quote(secret, safe=""))
    yield from (json.dumps(secret)[1:-1], repr(secret)[1:-1], secret.replace("'", "''"))
