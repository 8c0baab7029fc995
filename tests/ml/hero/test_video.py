"""Videos as input of HERO."""

from __future__ import annotations

import numpy as np
import pytest

from ml.hero.video import Subtitle, Video, excerpt

VIDEO = Video(
    "a",
    np.arange(10.0)[:, None],
    1.5,
    [Subtitle(0.0, 3.0, (1,)), Subtitle(2.0, 5.0, (2,)), Subtitle(4.0, 9.0, (3,)), Subtitle(8.0, 12.0, (4,))],
)


def test_times_of_an_excerpt_count_from_its_first_frame() -> None:
    part = excerpt(VIDEO, 3.5, 7.0, "a 1")
    assert part.video_id == "a 1"
    assert part.features[:, 0].tolist() == [2, 3, 4]
    assert part.subtitles == [Subtitle(0.0, 2.0, (2,)), Subtitle(1.0, 4.0, (3,))]


def test_an_excerpt_after_the_end_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"video a: no frame from 15.0 s to 17.0 s"):
        excerpt(VIDEO, 15.0, 17.0, "a 1")
