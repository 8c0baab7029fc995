"""Reading the settings: the environment, a file ``.env`` in the working directory, presets, and clear errors.

Every secret that is read is hidden from then on, see `assets.redaction`.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from assets.redaction import is_secret_name, protect, protect_credentials, redact
from orchestration.settings.catalogue import Setting, as_text, catalogue
from orchestration.settings.model import Settings, SettingsError
from orchestration.settings.presets import PRESETS
from orchestration.settings.requirements import problems

PREFIX = "HOWTO_"
FILE = Path(".env")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")

_MESSAGES = {"path_not_file": "no such file", "path_not_directory": "no such folder"}


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment and ``.env``, with overrides by name, e.g. ``load_settings(shards=2)``.

    Raises:
        SettingsError: naming each wrong variable, its value and what is allowed.
    """
    given = {**_named(_file_variables(), FILE.name), **_named(os.environ, "the environment")}
    _must_be_known([*overrides], "the overrides")
    values = {**given, **overrides}
    _protect(values)
    preset = values.get("preset", "demo")
    values = {**(PRESETS.get(preset, {}) if isinstance(preset, str) else {}), **values}
    try:
        settings = TypeAdapter(Settings).validate_python(_by_part(values))
    except ValidationError as error:
        lines = dict.fromkeys(_line(problem, values) for problem in error.errors())
        raise SettingsError("\n".join(lines)) from None
    if found := problems(settings):
        raise SettingsError("\n".join(found))
    return settings


def _file_variables() -> dict[str, str]:
    """Settings of the file ``.env``; none where there is no file.

    Its other variables, such as PGPASSWORD, become those of this process where the environment does not set them.
    A message about a line shows none of its text, which may be a secret.

    Raises:
        SettingsError: a line cannot be read or gives a setting no value.
    """
    if not FILE.is_file():
        return {}
    try:
        with FILE.open(encoding="utf-8-sig") as file:
            lines = list(parse_stream(file))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{FILE.name}: cannot be read ({type(error).__name__}); write UTF-8 text") from None
    wrong = [
        str(each.original.line)
        for each in lines
        if each.error or (each.key is not None and not _NAME.fullmatch(each.key))
    ]
    if wrong:
        raise SettingsError(f"{FILE.name}, line {', '.join(wrong)}: cannot be read; write NAME=value")
    found = dotenv_values(FILE, encoding="utf-8-sig")
    empty = [name for name, value in found.items() if value is None and name.upper().startswith(PREFIX)]
    if empty:
        raise SettingsError(f"{FILE.name}: {', '.join(empty)} has no value; write {empty[0]}=value")
    given = {name: value for name, value in found.items() if value is not None}
    for name, value in given.items():
        if not name.upper().startswith(PREFIX):
            os.environ.setdefault(name, value)
    return given


def _protect(values: Mapping[str, Any]) -> None:
    """Hide the secrets among the values of settings and in the environment."""
    for name, value in values.items():
        hide = protect if catalogue()[name].secret else protect_credentials
        hide(as_text(value))
    protect(*(value for name, value in os.environ.items() if is_secret_name(name)))


def _named(variables: Mapping[str, str], origin: str) -> dict[str, str]:
    """Values by name of the setting; an empty value counts as not set."""
    found = {
        name.upper().removeprefix(PREFIX).lower(): value
        for name, value in variables.items()
        if name.upper().startswith(PREFIX)
    }
    _must_be_known([*found], origin)
    return {name: value for name, value in found.items() if value.strip()}


def _must_be_known(names: Iterable[str], origin: str) -> None:
    unknown = sorted(name for name in names if name not in catalogue())
    if unknown:
        lines = [f"{PREFIX}{name.upper()} in {origin}: no such setting; {_hint(name)}" for name in unknown]
        raise SettingsError("\n".join(lines))


def _hint(name: str) -> str:
    near = [f"{PREFIX}{match.upper()}" for match in get_close_matches(name, catalogue(), n=2)]
    return f"did you mean {' or '.join(near)}?" if near else "howto settings lists all settings"


def _by_part(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by field of ``Settings``, those of a part in a dictionary."""
    parts: dict[str, dict[str, Any]] = defaultdict(dict)
    own = {}
    for name, value in values.items():
        for part, field in catalogue()[name].places:
            if part is None:
                own[field] = value
            else:
                parts[part][field] = value
    return {**own, **parts}


def _line(problem: ErrorDetails, values: Mapping[str, Any]) -> str:
    setting = _setting_of(problem["loc"])
    kind = problem["type"]
    if kind == "value_error":
        reason = str(problem["ctx"]["error"])
    else:
        reason = _MESSAGES.get(kind) or f"must be {setting.allowed}"
    value = "" if setting.secret else f"={redact(as_text(values[setting.name]))}"
    return f"{setting.variable}{value}: {reason}"


def _setting_of(location: tuple[int | str, ...]) -> Setting:
    places = [(None, location[0]), tuple(location[:2])]
    return next(each for each in catalogue().values() if any(place in places for place in each.places))
