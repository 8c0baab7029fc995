"""Published feature files of a stream, found by video id in whichever layout they are."""

from __future__ import annotations

import hashlib
from pathlib import Path

from assets.features import layouts, tensor_files
from assets.features.layouts import LayoutError, Rows
from ml.machine import require_sound_machine


class PublishedFiles:
    """The feature files anywhere below a folder.

    They are ``<id>.npy``, ``<id>.npz``, or tensor files ``<id>.pth.tar``, which may be in tar archives.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tensors, self._damaged = tensor_files.find(folder)
        self._files: dict[str, Path | tensor_files.TensorFile] = {**tensors}
        for suffix in (".npz", ".npy"):
            self._files.update(layouts.feature_files(folder, suffix))

    def read(self, video_id: str) -> tuple[Rows, str]:
        """``rows[T, dim]`` of a video, float16 or float32, and the SHA-256 of its file.

        Raises:
            LayoutError: there is no file, or it cannot be read as feature rows.
        """
        file = self._files.get(video_id)
        if file is None:
            reasons = [f"no {video_id}.npy, .npz or .pth.tar below {self.folder}", *self._damaged]
            raise LayoutError("; ".join(reasons))
        try:
            if isinstance(file, tensor_files.TensorFile):
                content = file.content()
                return tensor_files.read_tensor(content, file.name), _digest(content)
            rows = layouts.read_npy(file) if file.suffix == ".npy" else layouts.read_npz(file)
            return rows, _digest(file.read_bytes())
        except OSError as error:
            require_sound_machine(error)
            raise LayoutError(str(error)) from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
