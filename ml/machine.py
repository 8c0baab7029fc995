"""Faults of this machine, such as a full disk, which are never an outcome of the one thing that was read or made."""

from __future__ import annotations

import errno
from collections.abc import Iterator

_FAULTS = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS),  # the disk takes no more
        *(errno.EIO, errno.ESTALE),  # the disk does not answer
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),  # the machine has no more
    }
)


def require_sound_machine(error: BaseException) -> None:
    """Raise if a fault of this machine is among the causes of an error.

    Call it wherever an error would become the outcome of a video, a file or an answer: an outcome is stored and may be
    final, while the same thing succeeds when the disk has room again.

    Raises:
        OSError: the fault, which stops the step; the next run repeats it.
    """
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno in _FAULTS:
            raise OSError(cause.errno, cause.strerror, cause.filename) from error


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from, in the ways of Python and of yt-dlp."""
    following: list[BaseException] = [error]
    seen: set[int] = set()
    while following:
        each = following.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        exc_info = getattr(each, "exc_info", None)
        wrapped = exc_info[1] if isinstance(exc_info, tuple) else None
        context = None if each.__suppress_context__ else each.__context__
        inner = (wrapped, getattr(each, "cause", None), each.__cause__, context)
        following += [cause for cause in inner if isinstance(cause, BaseException)]
