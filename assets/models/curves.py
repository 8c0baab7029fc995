"""Training curves as Markdown, for the metadata of assets."""

from __future__ import annotations

from collections.abc import Sequence

from assets.pictures import markdown


def curves(history: Sequence[dict[str, float]], panels: Sequence[tuple[str, Sequence[str]]], x: str = "epoch") -> str:
    """Curves of a training in adjacent panels, as a PNG inside Markdown.

    Args:
        history: one record per epoch.
        panels: title of each panel, and the names of the numbers that it shows.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(panels), 3.0), dpi=80, layout="constrained")
    for axes, (title, names) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name in names:
            points = [(record[x], record[name]) for record in history if record.get(name) is not None]
            axes.plot(*zip(*points, strict=True), label=name, marker="." if len(points) < 20 else None)
        axes.set_title(title)
        axes.set_xlabel(x)
        axes.grid(alpha=0.3)
        if len(names) > 1:
            axes.legend()
    return markdown(figure, "training")
