"""The group ``howto`` and its commands. Modules of commands import Dagster and torch inside functions: help is fast."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from orchestration import __version__
from orchestration.cli import (
    comparing,
    converting,
    encoding,
    errors,
    evaluating,
    exchange,
    reading,
    refreshing,
    safekeeping,
    serving,
    surveying,
    training,
)
from orchestration.memory import collect_garbage_less_often
from orchestration.redaction import redact_output


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="howto")
def howto() -> None:
    """Build, train on and query a lake of how-to videos and co-purchases.

    Settings are environment variables (HOWTO_*) or lines of a .env file; "howto settings" lists them.

    Exit codes: 0 done, 1 something failed, 2 cannot start, 130 stopped.
    """


_MODULES = (
    refreshing,
    reading,
    serving,
    training,
    encoding,
    exchange,
    converting,
    evaluating,
    surveying,
    comparing,
    safekeeping,
)
for _command in (command for module in _MODULES for command in module.COMMANDS):
    howto.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``howto`` with the given arguments (default: those of the process) and return its exit code."""
    redact_output()
    collect_garbage_less_often()
    given = list(sys.argv[1:] if arguments is None else arguments)
    return errors.run(lambda: howto.main(given, prog_name="howto", standalone_mode=False))
