"""TensorBoard curves: one event file per training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def tensorboard_folder(model: Path) -> Path:
    """The folder of a training's event file: ``<models>/tensorboard/<name>`` for the model folder ``<models>/<name>``.

    ``tensorboard --logdir <models>/tensorboard`` shows all trainings.
    """
    return model.parent / "tensorboard" / model.name


class Curves:
    """Scalars of one training, one point per epoch, in a single event file.

    The file replaces those of an earlier training in the folder. A training that is resumed passes its history, which
    is written again, so that the curves have no gap and no duplicate.

    Args:
        folder: where the event file is written; None writes nothing.
        history: entries of the epochs before.
        hyper_parameters: settings of the training, for TensorBoard's table of trainings; values that are neither
            numbers nor text are written as text.
    """

    def __init__(
        self,
        folder: Path | None,
        history: Iterable[Mapping[str, float]] = (),
        hyper_parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self._writer = None
        if folder is None:
            return
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        for path in folder.glob("events.out.tfevents.*"):
            path.unlink()
        self._writer = SummaryWriter(str(folder))
        if hyper_parameters:
            plain = {n: v if isinstance(v, bool | int | float | str) else str(v) for n, v in hyper_parameters.items()}
            for summary in hparams(plain, {"loss": 0.0}):
                self._writer._get_file_writer().add_summary(summary)
        for entry in history:
            self.add(entry)

    def add(self, entry: Mapping[str, float]) -> None:
        """Append an epoch: each value except ``epoch`` is a point of the curve of its name."""
        if self._writer is None:
            return
        for name, value in entry.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, int(entry["epoch"]))
        self._writer.flush()

    def __enter__(self) -> Curves:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            self._writer.close()
