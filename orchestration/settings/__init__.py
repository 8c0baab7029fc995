"""The settings: one class per system, from variables ``HOWTO_...`` of the environment or of a file ``.env``."""

from orchestration.settings.load import load_settings
from orchestration.settings.model import Settings, SettingsError

__all__ = ["Settings", "SettingsError", "load_settings"]
