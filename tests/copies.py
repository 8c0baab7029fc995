"""What people do to videos before they upload them again, as functions of one picture."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from PIL import Image

from tests.shot_videos import Picture, Piece, ShotVideo


def smaller(shot: Picture) -> Picture:
    return np.asarray(Image.fromarray(shot).resize((128, 72)))


def cropped(share: float) -> Callable[[Picture], Picture]:
    def change(shot: Picture) -> Picture:
        top, left = (round(share * side / 2) * 2 for side in shot.shape[:2])
        return shot[top : shot.shape[0] - top, left : shot.shape[1] - left]

    return change


def boxed(top: float, left: float, height: float, width: float) -> Callable[[Picture], Picture]:
    """A black box with white text over a part of the picture, in shares of its height and width."""

    def change(shot: Picture) -> Picture:
        shot = shot.copy()
        rows, columns = (
            (round(share * shot.shape[0]) for share in (top, height)),
            (round(share * shot.shape[1]) for share in (left, width)),
        )
        box = shot[slice(*np.cumsum([*rows])), slice(*np.cumsum([*columns]))]
        box[:] = 0
        box[len(box) // 3 : -len(box) // 3, 4:-4:3] = 255
        return shot

    return change


def brighter(shot: Picture) -> Picture:
    return np.clip(shot * 1.25, 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "encoded": smaller,
    "mirrored": lambda shot: shot[:, ::-1],
    "cropped03": cropped(0.03),
    "cropped10": cropped(0.1),
    "subtitled": boxed(0.8, 0, 0.2, 1),
    "banner": boxed(0, 0, 0.2, 1),
    "logo": boxed(0.02, 0.82, 0.15, 0.15),
    "brighter": brighter,
    "darker": lambda shot: shot // 2,
}


def shown(number: int) -> ShotVideo:
    """A video of 8 s in four shots, which are others for each number."""
    return ShotVideo(tuple(Piece(50 * number + index, 2, motion=0.05) for index in range(4)), Fraction(10))
