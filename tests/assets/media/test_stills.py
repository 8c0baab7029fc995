"""Single frames at given moments."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from assets.media.stills import stills


def test_the_frame_on_screen_then(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "10", "g": "20"})
        stream.width, stream.height = 64, 48
        for index in range(50):
            image = np.full((48, 64, 3), 5 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    found = stills(tmp_path / "v.mp4", [0.0, 3.15, 1.0, 4.95, 9.0])
    assert found[-1] is None
    assert [round(float(image.mean()) / 5) for image in found[:-1] if image is not None] == [0, 31, 10, 49]
