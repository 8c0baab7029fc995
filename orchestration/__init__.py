"""How the assets run: definitions, settings, resources, checks, automation and the commands."""

__version__ = "0.1.0"
