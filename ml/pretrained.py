"""Models that load from a model folder and save to one, without a lake. See ``ml.training`` for the folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from torch import nn

from ml.training import read_model_folder, write_model_folder


class Pretrained(nn.Module):
    """Base of the models that are trained here; a subclass defines how its configuration is stored."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A model with random parameters, by the content of ``config.json``."""
        raise NotImplementedError

    def stored_config(self) -> dict[str, Any]:
        """What ``from_config`` needs, as JSON values."""
        raise NotImplementedError

    @classmethod
    def from_pretrained(cls, path: Path | str) -> Self:
        """The model of a model folder, in evaluation mode, on the CPU.

        Raises:
            FileNotFoundError: there is no model.
            ValueError: the folder has another kind of model, or was written by another version of this class.
        """
        stored = read_model_folder(Path(path))
        try:
            model = cls.from_config(stored.config)
            model.load_state_dict(stored.state)
        except (KeyError, TypeError, RuntimeError) as error:
            raise ValueError(
                f"{path}: not a {cls.__name__} of this version; train it again ({type(error).__name__}: {error})"
            ) from error
        return model.eval()

    def save_pretrained(self, path: Path | str) -> None:
        """Write the parameters and the configuration as a model folder, in place of an older one."""
        write_model_folder(Path(path), self.state_dict(), self.stored_config(), {}, [], {})
