"""Notes on what was read: what was detected, and warnings about what was not used. A refresh prints them."""

from __future__ import annotations

from dataclasses import dataclass

NOTES, WARNINGS = "notes", "warnings"
"""Keys of an asset's metadata under which a refresh finds them."""


@dataclass(frozen=True)
class Notes:
    """Sentences about one table: what was detected in its source, and what was not used."""

    detected: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def metadata(self) -> dict[str, list[str]]:
        """The metadata of an asset; empty where there is nothing to say."""
        entries = {NOTES: list(self.detected), WARNINGS: list(self.warnings)}
        return {key: sentences for key, sentences in entries.items() if sentences}


def share(count: int, total: int) -> str:
    """``3 of 120 (2.5 %)``."""
    return f"{count:,} of {total:,} ({100 * count / total:.3g} %)" if total else f"{count:,} of 0"
