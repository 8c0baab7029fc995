"""The settings by name: group, place in ``Settings``, default, meaning and allowed values. See `model`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import SecretStr, TypeAdapter

from assets.options import OptionField, Options, option_fields
from assets.redaction import redact
from ml.vision.presets import Weights
from orchestration.settings.model import Settings

NOT_SET = "not set"
SECRET = "(set)"

_BOUNDS = (
    ("minimum", "at least"),
    ("exclusiveMinimum", "above"),
    ("maximum", "at most"),
    ("exclusiveMaximum", "below"),
)
_KINDS = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "texts with commas between them",
    "object": "name=value, with commas between several",
}
_PATHS = {"path": "a path", "file-path": "an existing file", "directory-path": "an existing folder"}

Place = tuple[str | None, str]
"""Part of ``Settings`` (None: its own fields) and field."""


@dataclass(frozen=True, eq=False)
class Setting:
    """A setting. Several options classes may share it, such as the seed.

    Attributes:
        name: in lower case, without ``HOWTO_``.
        places: where its value is in ``Settings``.
    """

    name: str
    group: str
    meaning: str
    default: Any
    annotation: Any
    places: tuple[Place, ...]

    @property
    def variable(self) -> str:
        """Name of the environment variable."""
        return f"HOWTO_{self.name.upper()}"

    @property
    def secret(self) -> bool:
        """Whether its value is never shown."""
        return SecretStr in (self.annotation, *get_args(get_args(self.annotation)[0]))

    @property
    def allowed(self) -> str:
        """Its allowed values in words, from its own schema."""
        schema = TypeAdapter(self.annotation).json_schema()
        schema |= next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), {})
        if "enum" in schema:
            return f"one of {', '.join(map(str, schema['enum']))}"
        kind = _PATHS.get(schema.get("format", "")) or _KINDS.get(schema.get("type", ""), "a text")
        return ", ".join([kind, *(f"{words} {schema[key]}" for key, words in _BOUNDS if key in schema)])

    def value(self, settings: Settings) -> Any:
        """Its value in force."""
        part, field = self.places[0]
        return getattr(settings if part is None else getattr(settings, part), field)


@dataclass(frozen=True)
class ListedSetting:
    """A setting as it is shown to users: texts alone; of a secret only that it is set."""

    variable: str
    group: str
    value: str
    default: str
    meaning: str
    allowed: str
    changed: bool


@cache
def catalogue() -> dict[str, Setting]:
    """All settings by name, in the order of ``Settings``."""
    found: dict[str, Setting] = {}
    for part in option_fields(Settings):
        if isinstance(part.default, Options):
            fields, group, section = option_fields(type(part.default)), type(part.default).group, part.name
            for each in fields:
                _add(found, each, group, (section, each.name))
        else:
            _add(found, part, Settings.group, (None, part.name))
    return found


def _add(found: dict[str, Setting], field: OptionField, group: str, place: Place) -> None:
    if field.setting is None or field.info is None:
        return
    known = found.get(field.setting)
    if known is None:
        meaning = str(field.info.description)
        found[field.setting] = Setting(field.setting, group, meaning, field.default, field.annotation, (place,))
    elif (known.default, known.annotation) == (field.default, field.annotation):
        found[field.setting] = Setting(**{**vars(known), "places": (*known.places, place)})
    else:
        raise TypeError(f"{field.setting}: {known.places[0]} and {place} define it differently")


def list_settings(settings: Settings) -> list[ListedSetting]:
    """All settings with their values in force, in the order of their groups."""
    return [
        ListedSetting(
            variable=each.variable,
            group=each.group,
            value=_shown(each, value := each.value(settings)),
            default=_shown(each, each.default),
            meaning=each.meaning,
            allowed=each.allowed,
            changed=value != each.default,
        )
        for each in _by_group()
    ]


@cache
def _by_group() -> tuple[Setting, ...]:
    """All settings, those of a group after each other."""
    groups = list(dict.fromkeys(each.group for each in catalogue().values()))
    return tuple(sorted(catalogue().values(), key=lambda each: groups.index(each.group)))


def changed_settings(settings: Settings) -> dict[str, str]:
    """Values of the settings that differ from the defaults, by variable; of a secret only that it is set."""
    values = {each: each.value(settings) for each in _by_group()}
    return {each.variable: _shown(each, value) for each, value in values.items() if value != each.default}


def environment(settings: Settings) -> dict[str, str]:
    """Variables that give the same settings to another process; secrets are in plain text."""
    values = {each.variable: each.value(settings) for each in catalogue().values()}
    defaults = {each.variable: each.default for each in catalogue().values()}
    return {variable: as_text(value) for variable, value in values.items() if value != defaults[variable]}


def as_markdown(settings: Settings) -> str:
    """The settings in force as a Markdown table; those that differ from the default are bold."""
    changed = {variable: f"**{text}**" for variable, text in changed_settings(settings).items()}
    rows = (
        f"| `{each.variable}` | {changed.get(each.variable) or _shown(each, each.default)} | {each.meaning} |"
        for each in _by_group()
    )
    return "\n".join(["| variable | value | meaning |", "|---|---|---|", *rows])


def as_text(value: Any) -> str:
    """A value as a variable of the environment holds it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Weights):
        return f"{value.source}#{value.sha256}" if value.sha256 else value.source
    if isinstance(value, Mapping):
        return ",".join(f"{name}={as_text(each)}" for name, each in value.items())
    if isinstance(value, tuple):
        return ",".join(map(as_text, value))
    return "" if value is None else str(value)


def _shown(setting: Setting, value: Any) -> str:
    if value in (None, "", (), {}):
        return NOT_SET
    return SECRET if setting.secret else redact(as_text(value))
