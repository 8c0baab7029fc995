"""What the options of all assets share: how a field names its setting, and which fields change what is made.

See `orchestration.settings` for where the values come from.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_type_hints

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    DirectoryPath,
    Field,
    FilePath,
    HttpUrl,
    SecretStr,
    TypeAdapter,
    ValidationError,
)
from pydantic.fields import FieldInfo

from assets.contents import Contents

_HTTP = TypeAdapter(HttpUrl)


@dataclass(frozen=True)
class Variable:
    """Names the setting of a field where it is not the prefix of the class and the name of the field."""

    name: str


class SameResult:
    """Marks a field that changes how an asset is made, and not what is made."""


@dataclass(frozen=True)
class ContentOf:
    """Marks a field that counts by ``version(value, contents)``, for instance by a part of what is behind a path."""

    version: Callable[[Any, Contents], Any]


class Options:
    """Base of the frozen dataclasses that hold options.

    A field is a setting if its annotation holds a pydantic ``Field`` with a description. A field changes what is made
    unless it is marked ``SameResult`` or is a secret.

    Attributes:
        group: heading of these settings in lists.
        prefix: what the names of the settings begin with.
        counts_where_set: whether options without a changed field count as if they were not there, so that an asset may
            begin to use them without becoming out of date.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(allow_inf_nan=False)

    group: ClassVar[str] = ""
    prefix: ClassVar[str] = ""
    counts_where_set: ClassVar[bool] = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the assets that an asset with these options is made from because of them."""
        return ()


@dataclass(frozen=True)
class OptionField:
    """A field of an options class.

    Attributes:
        setting: name of its setting in lower case, without ``HOWTO_``; None if it is no setting.
        info: description and bounds; None if it is no setting.
    """

    name: str
    annotation: Any
    default: Any
    setting: str | None
    info: FieldInfo | None
    marks: tuple[Any, ...]

    @property
    def same_result(self) -> bool:
        """Whether the field leaves what is made as it is."""
        return any(mark is SameResult for mark in self.marks)


def option_fields(options: type[Any]) -> tuple[OptionField, ...]:
    """The fields of an options class, in order."""
    hints = get_type_hints(options, include_extras=True)
    return tuple(_option_field(options, each, hints[each.name]) for each in dataclasses.fields(options))


def _option_field(options: type[Any], field: dataclasses.Field[Any], annotation: Any) -> OptionField:
    marks = getattr(annotation, "__metadata__", ())
    info = next((mark for mark in marks if isinstance(mark, FieldInfo) and mark.description), None)
    named = next((mark.name for mark in marks if isinstance(mark, Variable)), options.prefix + field.name)
    default = field.default_factory() if callable(field.default_factory) else field.default
    return OptionField(field.name, annotation, default, named if info else None, info, marks)


Narrowed = TypeVar("Narrowed", bound=Options)


def narrowed(options: Narrowed, to: type[Narrowed]) -> Narrowed:
    """The options of a base class of theirs alone, for assets that need no others."""
    return to(**{field.name: getattr(options, field.name) for field in dataclasses.fields(to)})  # type: ignore[arg-type]


def fingerprint(options: Mapping[str, object], contents: Contents) -> str:
    """Hash of the options that change what is made, by name of the resource; empty where there are none.

    A field at its default does not count, so that a new option leaves older assets as they are. A path counts by its
    content.
    """
    found = {name: canonical(value, contents) for name, value in sorted(options.items()) if isinstance(value, Options)}
    found = {name: fields for name, fields in found.items() if fields or not options[name].counts_where_set}  # type: ignore[attr-defined]
    if not found:
        return ""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:8]


def canonical(options: Options, contents: Contents) -> dict[str, Any]:
    """The fields of options that change what is made and are not at their default, as JSON values."""
    found = {}
    for field in option_fields(type(options)):
        value = getattr(options, field.name)
        if field.same_result or isinstance(value, SecretStr) or value == field.default:
            continue
        version = next((mark.version for mark in field.marks if isinstance(mark, ContentOf)), None)
        found[field.name] = version(value, contents) if version and value is not None else _json(value, contents)
    return found


def _json(value: object, contents: Contents) -> Any:
    if isinstance(value, Path):
        return contents.version(value)
    if isinstance(value, Mapping):
        return {str(key): _json(each, contents) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_json(each, contents) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: _json(getattr(value, each.name), contents) for each in dataclasses.fields(value)}
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__}: options of this type have no canonical form")


def _with_home(value: object) -> object:
    return Path(value).expanduser() if isinstance(value, str | Path) and str(value).startswith("~") else value


def text_with_home(value: object) -> object:
    """A text that begins with ``~``, with the home folder instead."""
    return str(_with_home(value)) if isinstance(value, str) else value


def named(value: object) -> object:
    """``name=text`` parts with commas between them, as a dictionary; what is no text stays as it is.

    Raises:
        ValueError: a part has no name or no text, or a name is there twice.
    """
    if not isinstance(value, str):
        return value
    pairs = [part.strip().partition("=") for part in value.split(",") if part.strip()]
    if not all(name and equals and text for name, equals, text in pairs):
        raise ValueError("must be name=value, with commas between several")
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise ValueError("must not have a name twice")
    return {name: text for name, _, text in pairs}


def listed(value: object) -> object:
    """Texts with commas between them, as a tuple; what is no text stays as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def web_address(text: str) -> str:
    """The text, if it is an http or https address.

    Raises:
        ValueError: it is none.
    """
    try:
        _HTTP.validate_python(text)
    except ValidationError as error:
        if not text.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://") from None
        raise ValueError(f"is no web address: {error.errors()[0]['msg']}") from None
    return text


WebAddress = Annotated[str, AfterValidator(web_address)]
AnyPath = Annotated[Path, BeforeValidator(_with_home)]
ExistingFile = Annotated[FilePath, BeforeValidator(_with_home)]
ExistingFolder = Annotated[DirectoryPath, BeforeValidator(_with_home)]

Seed = Annotated[int, Variable("seed"), Field(ge=0, description="seed of every random choice")]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"],
    Variable("device"),
    SameResult,
    Field(description="device that networks run on; auto is CUDA where there is a GPU, else Apple's MPS, else the CPU"),
]
Compile = Annotated[
    bool,
    Variable("compile"),
    SameResult,
    Field(description="compile networks with torch.compile: slower to start, faster afterwards"),
]
