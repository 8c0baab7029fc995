"""Figures as metadata of assets, in a form that the Dagster UI shows."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def markdown(figure: Figure, title: str) -> str:
    """The figure as Markdown with an embedded PNG, which needs no file and no server."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return f"![{title}](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})"
