"""Pictures in the metadata of assets. Belongs here: how Dagster's UI is given one. Drawing is beside what it shows."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def markdown(figure: Figure, title: str) -> str:
    """The figure as a PNG inside Markdown, so that it needs no file and no server."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return f"![{title}](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})"
