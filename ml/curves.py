"""TensorBoard curves: one event file per training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path


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
    """

    def __init__(self, folder: Path | None, history: Iterable[Mapping[str, float]] = ()) -> None:
        self._writer = None
        if folder is None:
            return
        from torch.utils.tensorboard import SummaryWriter

        for path in folder.glob("events.out.tfevents.*"):
            path.unlink()
        self._writer = SummaryWriter(str(folder))
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
        if self._writer is not None:
            self._writer.close()
