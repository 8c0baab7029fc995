"""All settings as a table for a terminal, as JSON, or as Markdown."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from orchestration.settings import Settings
from orchestration.settings.catalogue import ListedSetting, list_settings


def render(settings: Settings, form: str) -> str:
    """The settings in one of the forms ``table``, ``json`` and ``markdown``."""
    found = list_settings(settings)
    if form == "json":
        return json.dumps([asdict(row) for row in found], indent=2)
    if form == "markdown":
        return "\n".join(_markdown(found))
    return "\n".join(_table(found, shutil.get_terminal_size().columns))


def _markdown(found: Sequence[ListedSetting]) -> Iterator[str]:
    yield "| variable | value | default | meaning |"
    yield "|---|---|---|---|"
    for row in found:
        cells = (f"`{row.variable}`", row.value, row.default, row.meaning)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _table(found: Sequence[ListedSetting], width: int) -> Iterator[str]:
    """A line per setting, its meaning below it; values that are not the default are marked with a star."""
    for row in found:
        default = f"  (default: {row.default})" if row.changed else ""
        yield f"{'*' if row.changed else ' '} {row.variable}={row.value}{default}"
        yield textwrap.fill(row.meaning, max(width, 40), initial_indent="      ", subsequent_indent="      ")
