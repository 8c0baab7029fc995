"""Values from outside (JSON, files, answers of a site) as values that a table can hold, or unknown with a problem.

Every source reads its rows through this module, so that an odd value costs a field of one item and nothing else.
"""

from __future__ import annotations

import codecs
import datetime as dt
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from assets.outcomes import Problem

LONGEST_TEXT = 100_000
"""Characters of a text that are kept; YouTube's longest description has 5,000."""
MOST_TEXTS = 10_000
"""Texts of a list that are kept."""
LARGEST_INTEGER = 2**63 - 1
"""The largest BIGINT of a table."""

_HALF = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_DECIMAL = re.compile(r"[+-]?\d{1,400}(?:\.\d{1,400})?(?:[eE][+-]?\d{1,4})?")
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:[T ].*)?", re.ASCII)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Fields:
    """The fields of one JSON object. ``problems`` collects what was repaired or is unknown because it was unusable.

    A field that is missing or null is unknown without a problem.

    Args:
        name: names the object in the problems, e.g. the file that it was read from.
    """

    def __init__(self, fields: Mapping[str, Any], name: str) -> None:
        self.fields = fields
        self.name = name
        self.problems: list[Problem] = []

    def text(self, key: str) -> str | None:
        """See ``text``."""
        value, problem = text(self.fields.get(key))
        self.note(key, problem)
        return value

    def number(self, key: str, at_least: float = -math.inf) -> float | None:
        """See ``number``."""
        value, problem = number(self.fields.get(key), at_least)
        self.note(key, problem)
        return value

    def integer(self, key: str, at_least: int = -LARGEST_INTEGER) -> int | None:
        """See ``integer``."""
        value, problem = integer(self.fields.get(key), at_least)
        self.note(key, problem)
        return value

    def date(self, key: str) -> dt.date | None:
        """See ``date``."""
        value, problem = date(self.fields.get(key))
        self.note(key, problem)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """See ``texts``."""
        value, problem = texts(self.fields.get(key))
        self.note(key, problem)
        return value

    def note(self, key: str, problem: str | None) -> None:
        """Record what was wrong with a field, if anything."""
        found = Problem(storable(self.name), f"{key}: {problem}")
        if problem is not None and found not in self.problems:
            self.problems.append(found)


def text(value: Any) -> tuple[str | None, str | None]:
    """(text, problem). A number becomes its digits; halves of surrogate pairs become U+FFFD; a long text is cut."""
    if value is None:
        return None, None
    if isinstance(value, int | float) and not isinstance(value, bool) and number(value)[0] is not None:
        return json.dumps(value), f"{shown(value)} instead of a text; its digits are used"
    if not isinstance(value, str):
        return None, f"{shown(value)} instead of a text; it is unknown"
    kept = storable(value[:LONGEST_TEXT])
    if len(value) > LONGEST_TEXT:
        return kept, f"a text of {len(value):,} characters; the first {LONGEST_TEXT:,} are used"
    if _HALF.search(_joined(value)):
        return kept, "holds half of a surrogate pair (half an emoji); U+FFFD is used in its place"
    return kept, None


def number(value: Any, at_least: float = -math.inf) -> tuple[float | None, str | None]:
    """(finite number, problem). A text of decimal digits is that number; what is below ``at_least`` is unknown."""
    if value is None:
        return None, None
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        found = float(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
    else:
        return None, f"{shown(value)} instead of a number; it is unknown"
    if not math.isfinite(found) or found < at_least:
        return None, f"{shown(value)} is no possible value; it is unknown"
    return found, f"{shown(value)} instead of a number; it is read as one" if isinstance(value, str) else None


def integer(value: Any, at_least: int = -LARGEST_INTEGER) -> tuple[int | None, str | None]:
    """(whole number that a BIGINT holds, problem). Fractions are cut off; see ``number``."""
    found, problem = number(value, at_least)
    if found is None:
        return None, problem
    whole = value if isinstance(value, int) else math.trunc(found)
    if abs(whole) > LARGEST_INTEGER:
        return None, f"{shown(value)} is no possible value; it is unknown"
    return whole, problem


def date(value: Any) -> tuple[dt.date | None, str | None]:
    """(day, problem) of a text such as ``20260504``, ``2026-05-04`` or ``2026-05-04T10:00:00Z``."""
    if value is None:
        return None, None
    written = str(value) if isinstance(value, int) and 0 < value < 10**8 else value
    if isinstance(written, str) and (found := _DAY.fullmatch(written.strip())):
        try:
            return dt.date(*map(int, found.groups())), None
        except ValueError:
            return None, f"{shown(value)} is no day of the calendar; it is unknown"
    return None, f"{shown(value)} instead of a date (YYYYMMDD); it is unknown"


def texts(value: Any) -> tuple[tuple[str, ...], str | None]:
    """(texts, problem) of a list of texts, of the keys of an object, or of a single text. Other elements are left out.

    The problem names the first of several.
    """
    if value is None:
        return (), None
    if isinstance(value, str):
        kept, _ = text(value)
        return (kept or "",), f"{shown(value)} instead of a list; it is read as a list of one"
    if not isinstance(value, list | tuple | Mapping):
        return (), f"{shown(value)} instead of a list of texts; it is unknown"
    problem = f"{len(value):,} elements; the first {MOST_TEXTS:,} are used" if len(value) > MOST_TEXTS else None
    found = []
    for index, element in enumerate(value):
        if index == MOST_TEXTS:
            break
        kept, wrong = text(element)
        if isinstance(element, str) and kept is not None:
            found.append(kept)
            wrong = wrong and f"element {index} {wrong}"
        else:
            wrong = f"element {index} is {shown(element)} instead of a text; it is left out"
        problem = problem or wrong
    return tuple(found), problem


def storable(value: str) -> str:
    """The text as UTF-8 can hold it: halves of a surrogate pair are joined, a half without its partner is U+FFFD."""
    return _HALF.sub("\ufffd", _joined(value))


def _joined(value: str) -> str:
    """The text with the two halves of each surrogate pair made one character."""
    return _PAIR.sub(lambda pair: pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), value)


def shown(value: Any) -> str:
    """A value of any kind in a few words of a message, itself storable, however large or deeply nested the value is."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 100 else f"an integer of {value.bit_length():,} bits"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return repr(storable(value)) if len(value) <= 60 else f"{storable(value[:60])!r}..."
    if isinstance(value, list | tuple):
        return f"a list of {len(value):,}"
    if isinstance(value, Mapping):
        return f"an object of {len(value):,} fields"
    return f"a {type(value).__name__}"


def decoded(data: bytes) -> str:
    """The text of a file: in the encoding that its byte order mark or its first bytes say, else in UTF-8.

    Raises:
        UnicodeDecodeError: it is not in that encoding.
    """
    encoding, mark = _encoding(data)
    return data[len(mark) :].decode(encoding)


def decoded_with_replacement(data: bytes) -> tuple[str, str | None]:
    """(text, problem): as ``decoded``, with U+FFFD where the bytes are not in the encoding."""
    encoding, mark = _encoding(data)
    try:
        return data[len(mark) :].decode(encoding), None
    except UnicodeDecodeError as error:
        problem = f"not in {encoding.upper()} at byte {error.start + len(mark):,}; U+FFFD is used where it is not"
        return data[len(mark) :].decode(encoding, "replace"), problem


def _encoding(data: bytes) -> tuple[str, bytes]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding, mark
    # Without a mark: no text in UTF-8 has NUL as every other letter.
    first = data[:4]
    if len(first) == 4 and first[0] and first[2] and not first[1] and not first[3]:
        return "utf-16-le", b""
    if len(first) == 4 and first[1] and first[3] and not first[0] and not first[2]:
        return "utf-16-be", b""
    return "utf-8", b""


def parse_json(content: str | bytes) -> Any:
    """The value of a JSON document. Integers of thousands of digits, which Python refuses, become infinite.

    Raises:
        ValueError: not JSON, nested too deeply, or not in its encoding; the message says where.
    """
    text = content if isinstance(content, str) else decoded(content)
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 1000 else math.inf)
    except RecursionError:
        raise ValueError("nested too deeply") from None
