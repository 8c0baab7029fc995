"""All settings as a table for a terminal, as JSON, or as Markdown."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from orchestration.settings import Settings


@dataclass(frozen=True)
class Row:
    """One setting. ``value`` and ``default`` are text as an environment variable holds it."""

    variable: str
    value: str
    default: str
    meaning: str


def rows(settings: Settings) -> list[Row]:
    """A row for each setting, in the order in which the settings are defined."""
    shown = settings.shown()
    fields = type(settings).model_fields.values()
    return [
        Row(variable, value, _text(field.default), str(field.description))
        for (variable, value), field in zip(shown.items(), fields, strict=True)
    ]


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def render(settings: Settings, form: str) -> str:
    """The settings in one of the forms ``table``, ``json`` and ``markdown``."""
    found = rows(settings)
    if form == "json":
        return json.dumps([asdict(row) for row in found], indent=2)
    if form == "markdown":
        return "\n".join(_markdown(found))
    return "\n".join(_table(found, shutil.get_terminal_size().columns))


def _markdown(found: Sequence[Row]) -> Iterator[str]:
    yield "| variable | value | default | meaning |"
    yield "|---|---|---|---|"
    for row in found:
        cells = (f"`{row.variable}`", row.value, row.default, row.meaning)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _table(found: Sequence[Row], width: int) -> Iterator[str]:
    """A line a setting, its meaning below it; values that are not the default are marked with a star."""
    for row in found:
        changed = row.value != row.default
        yield f"{'*' if changed else ' '} {row.variable}={row.value}" + (
            f"  (default: {row.default})" if changed else ""
        )
        yield textwrap.fill(row.meaning, max(width, 40), initial_indent="      ", subsequent_indent="      ")
