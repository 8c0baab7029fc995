"""What commands share: the option ``--lake``, settings, and opening a lake that must exist."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestration.cli.errors import CommandError

if TYPE_CHECKING:
    from assets.lake import Lake
    from orchestration.settings import Settings

_ADDED_BY_PYTHON = re.compile(r"^\[Errno -?\d+\] | \(while .*$")
"""What ``socket.create_server`` writes around the reason of the operating system."""


def _use_lake(context: click.Context, parameter: click.Parameter, folder: Path | None) -> None:
    """Set the lake of this process and of those that it starts; Dagster's records are those of the same lake."""
    if folder is not None:
        os.environ["HOWTO_LAKE"] = str(folder)
        os.environ.pop("DAGSTER_STATE", None)


lake_option: Any = click.option(
    "--lake",
    type=click.Path(file_okay=False, path_type=Path),
    callback=_use_lake,
    expose_value=False,
    help="Folder of the lake, instead of HOWTO_LAKE.",
)


def settings_in_force() -> Settings:
    """The settings from the environment and ``.env``.

    Raises:
        SettingsError: a setting is wrong.
    """
    from orchestration.settings import load_settings

    return load_settings()


def chosen_settings(overrides: Mapping[str, str]) -> Settings:
    """The settings in force with some replaced, by name and as text, e.g. ``{"gcn_epochs": "10"}``.

    Raises:
        SettingsError: a setting is wrong.
    """
    from orchestration.settings import load_settings

    return load_settings(**overrides)


def open_lake(settings: Settings) -> Lake:
    """The lake of the settings, opened; none is made where there is none.

    Raises:
        LakeError: there is no lake, or its catalog cannot be opened.
    """
    from orchestration import stores

    return stores.open_lake(settings)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens, so that an address that cannot be had is reported before a server starts.

    Raises:
        CommandError: the port is taken, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = _ADDED_BY_PYTHON.sub("", str(error))
        raise CommandError(f"{host}:{port}: {reason}; choose another with --host or --port") from error
