"""The command ``howto``: everything that is done from a shell. See ``app`` for the list of commands."""

from orchestration.cli.app import main

__all__ = ["main"]
