"""Image-text models of open_clip from a local folder: CLIP, PE-Core, SigLIP 2, MobileCLIP and others.

Pictures of a clip are encoded one by one, each vector is scaled to unit length, and their mean is the clip's vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ml.text_video.model import Tower
from ml.vision.image_text import FolderModel, open_clip_folder
from ml.vision.presets import Options

WINDOWS = 8
"""Pictures per clip, the default of PE's ``encode_video`` (``core/vision_encoder/pe.py`` of perception_models)."""
BATCH = 256


class OpenClipTextVideo(Tower):
    """The mean of unit vectors of pictures is not scaled again, as in the public code of PE and of HowToCaption.

    Args:
        folder: ``open_clip_config.json`` and a file of weights, as open_clip reads ``local-dir:``.

    Raises:
        WeightsError: the folder is not complete, or its weights are not those of its configuration.
        ImportError: open_clip, or what the model's tokenizer needs, is not installed.
    """

    def __init__(self, folder: Path, options: Options) -> None:
        loaded: FolderModel = open_clip_folder(folder, options)
        self.model: Any = loaded.model
        self.tokenizer, self.device = loaded.tokenizer, options.device
        network = loaded.network
        super().__init__(f"open_clip:{folder.name}@{loaded.digest[:8]}", network, network.dim, WINDOWS)

    def known_words(self, text: str) -> list[str]:
        """All: words are made of tokens."""
        return text.split()

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        parts = [texts[first : first + BATCH] for first in range(0, len(texts), BATCH)]
        encoded = [
            self.model.encode_text(self.tokenizer(list(part)).to(self.device), normalize=True).float().cpu().numpy()
            for part in parts
        ]
        return np.concatenate([np.zeros((0, self.dimension), np.float32), *encoded])

    def rows_of_file(self, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        """Rows of unit length: published ones are not scaled."""
        lengths: NDArray[np.floating] = np.linalg.norm(rows.astype(np.float32), axis=1, keepdims=True)
        return rows / np.maximum(lengths, np.finfo(np.float32).tiny)

    def window_starts(self, start_s: float, end_s: float) -> NDArray[np.float64]:
        """Evenly spaced from the first to the last picture; the middle one if there is only one."""
        if self.windows == 1:
            return np.array([(start_s + end_s) / 2])
        return np.linspace(start_s, end_s, self.windows)
