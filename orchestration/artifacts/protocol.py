"""The protocol of what an asset stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Resources = Mapping[str, Any]
"""Dagster resources by name (``orchestration.resources.build_resources``)."""

UNREADABLE = (OSError, ValueError, IndexError)
"""What reading damaged arrays and files raises: Lance and pyarrow have no exception of their own for it."""


class Artifact(Protocol):
    """What an asset stores, whole or one partition of it."""

    @property
    def description(self) -> str:
        """What its schema check verifies, in one sentence."""

    @property
    def resources(self) -> tuple[str, ...]:
        """Names of the resources that ``violations`` uses."""

    def version(self, resources: Resources, partition: str | None) -> str | None:
        """Version of the stored content; None if nothing is stored.

        Raises:
            OSError, ValueError or IndexError: it is damaged.
        """

    def damage(self, resources: Resources, partition: str | None) -> list[str]:
        """The stored files that are missing or have another size than recorded; their content is not read."""

    def violations(self, resources: Resources, partition: str | None) -> dict[str, int]:
        """The rules that the stored content breaks, with the number of rows, files or parameters that break each."""

    def repair(self, resources: Resources, partition: str | None) -> None:
        """Remove damage that making the asset again would keep or fail on. Most artifacts are replaced as a whole."""
