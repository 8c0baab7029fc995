"""Reading a pickled dictionary of plain data, entry by entry, without running what a pickle may contain.

A pickle is a program. This reader knows the operations that build dictionaries, lists, tuples, texts, bytes, numbers,
None and booleans, and refuses every other one, so that no class is imported and nothing is called. It yields each entry
of the outermost dictionary when it is complete and forgets it: memory holds one entry, and those objects that the file
refers to again later, which a first pass over the file finds.

See the module ``pickletools`` of Python for the operations.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from assets.sources.followups.records import ReleaseError

LONGEST_VALUE_BYTES = 64_000_000
"""Bytes of one text or number; the captions of a video have fewer."""

_MARK = object()


def pickled_entries(path: Path) -> Iterator[tuple[Any, Any]]:
    """(key, value) of each entry of the dictionary in a pickle file.

    Raises:
        ReleaseError: not a pickle of one dictionary, cut off, or with an operation other than those of plain data.
    """
    with path.open("rb") as file:
        kept = _fetched_again(path.name, file)
        file.seek(0)
        yield from _Machine(path.name, file, kept).entries()


def _fetched_again(name: str, file: BinaryIO) -> set[int]:
    """The places in the memo that the file reads again."""
    return {argument for code, argument in _operations(name, file) if code in _GETS}


class _Machine:
    """The stack and the memo of a pickle, reduced to plain data."""

    def __init__(self, name: str, file: BinaryIO, kept: set[int]) -> None:
        self.name, self.file, self.kept = name, file, kept
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.memoized = 0
        self.root: dict[Any, Any] | None = None

    def entries(self) -> Iterator[tuple[Any, Any]]:
        for code, argument in _operations(self.name, self.file):
            try:
                self._run(code, argument)
            except (IndexError, KeyError, TypeError, AttributeError, ValueError) as error:
                raise ReleaseError(
                    f"{self.name}: not a pickle of plain data ({error or type(error).__name__})"
                ) from None
            if code in _SETS and self.root:
                yield from self.root.items()
                self.root.clear()
        if self.root is None or len(self.stack) != 1 or self.stack[0] is not self.root:
            raise ReleaseError(f"{self.name}: not a pickle of one dictionary")

    def _run(self, code: bytes, argument: Any) -> None:
        stack = self.stack
        if code in _ARGUMENTS_ARE_VALUES:
            stack.append(argument)
        elif code in _CONSTANTS:
            stack.append(_CONSTANTS[code])
        elif code in _PUTS:
            self._memoize(self.memoized if argument is None else argument)
        elif code in _GETS:
            stack.append(self.memo[argument])
        elif code == b"}":
            stack.append({})
            self.root = stack[0] if len(stack) == 1 else self.root
        elif code == b"]":
            stack.append([])
        elif code == b"(":
            stack.append(_MARK)
        elif code == b"a":
            value = stack.pop()
            stack[-1].append(value)
        elif code == b"e":
            values = self._to_mark()
            stack[-1].extend(values)
        elif code == b"s":
            value, key = stack.pop(), stack.pop()
            stack[-1][key] = value
        elif code == b"u":
            values = self._to_mark()
            stack[-1].update(zip(values[::2], values[1::2], strict=True))
        elif code == b"t":
            stack.append(tuple(self._to_mark()))
        elif code in _TUPLES:
            size = _TUPLES[code]
            values = [stack.pop() for _ in range(size)][::-1]
            stack.append(tuple(values))

    def _memoize(self, place: int) -> None:
        self.memoized += 1
        if place in self.kept:
            self.memo[place] = self.stack[-1]

    def _to_mark(self) -> list[Any]:
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("a mark is missing")
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values


_CONSTANTS: dict[bytes, Any] = {b"N": None, b"\x88": True, b"\x89": False, b")": ()}
_TUPLES = {b"\x85": 1, b"\x86": 2, b"\x87": 3}
_GETS = {b"h", b"j"}
_PUTS = {b"q", b"r", b"\x94"}
_SETS = {b"s", b"u"}
_WITHOUT_ARGUMENT = {b"}", b"]", b"(", b"a", b"e", b"s", b"u", b"t", b"\x94", *_CONSTANTS, *_TUPLES}


def _fixed(layout: str) -> Callable[[str, BinaryIO], Any]:
    size = struct.calcsize(layout)
    return lambda name, file: struct.unpack(layout, _bytes(name, file, size))[0]


def _sized(layout: str, read: Callable[[bytes], Any]) -> Callable[[str, BinaryIO], Any]:
    size = _fixed(layout)
    return lambda name, file: read(_bytes(name, file, size(name, file)))


def _text(data: bytes) -> str:
    """A text as it is; bytes that are not UTF-8 become halves of surrogate pairs, which the caption's check finds."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape")


_ARGUMENTS: dict[bytes, Callable[[str, BinaryIO], Any]] = {
    b"\x80": _fixed("<B"),  # the protocol
    b"\x95": _fixed("<Q"),  # the length of a frame
    b"q": _fixed("<B"),
    b"r": _fixed("<I"),
    b"h": _fixed("<B"),
    b"j": _fixed("<I"),
    b"K": _fixed("<B"),
    b"M": _fixed("<H"),
    b"J": _fixed("<i"),
    b"\x8a": _sized("<B", lambda data: int.from_bytes(data, "little", signed=True)),
    b"G": _fixed(">d"),
    b"\x8c": _sized("<B", _text),
    b"X": _sized("<I", _text),
    b"\x8d": _sized("<Q", _text),
    b"C": _sized("<B", bytes),
    b"B": _sized("<I", bytes),
    b"\x8e": _sized("<Q", bytes),
}
"""What follows the code of an operation, for those operations that have an argument."""

_ARGUMENTS_ARE_VALUES = {b"K", b"M", b"J", b"\x8a", b"G", b"\x8c", b"X", b"\x8d", b"C", b"B", b"\x8e"}


def _operations(name: str, file: BinaryIO) -> Iterator[tuple[bytes, Any]]:
    """(code, argument) of each operation up to the one that ends the pickle."""
    while (code := file.read(1)) != b".":
        read = _ARGUMENTS.get(code)
        if read is not None:
            yield code, read(name, file)
        elif code in _WITHOUT_ARGUMENT:
            yield code, None
        elif not code:
            raise ReleaseError(f"{name}: the pickle is cut off")
        else:
            raise ReleaseError(
                f"{name}: operation {code!r} at byte {file.tell() - 1:,} makes more than plain data, which could run"
                " code; it is refused. Convert the file to plain lists, texts and numbers where you trust it"
            )


def _bytes(name: str, file: BinaryIO, size: int) -> bytes:
    if size > LONGEST_VALUE_BYTES:
        raise ReleaseError(f"{name}: a value of {size:,} bytes at byte {file.tell():,}; no caption is as long")
    data = file.read(size)
    if len(data) < size:
        raise ReleaseError(f"{name}: the pickle is cut off")
    return data
