"""Reading the published graph of a folder, whichever layout it has."""

from __future__ import annotations

from pathlib import Path

from assets.graph.published.graphs import Published, PublishedError
from assets.graph.published.graphsage import LinkEnds, read_graphsage
from assets.graph.published.ogb import read_ogb

__all__ = ["LinkEnds", "read"]


def read(folder: Path, links: LinkEnds | None = None, split: str | None = None) -> Published:
    """The published graph of a folder in GraphSAGE's layout or in OGB's.

    Args:
        links: what the ends of links are, where GraphSAGE's files leave it open.
        split: folder of OGB's split; by default the only one.

    Raises:
        PublishedError: the folder has neither layout, or a file is wrong.
    """
    if (folder / "raw" / "edge.csv.gz").exists():
        return read_ogb(folder, split)
    prefixes = sorted(path.name.removesuffix("-G.json") for path in folder.glob("*-G.json"))
    if len(prefixes) != 1:
        raise PublishedError(
            f"{folder}: need one <name>-G.json (GraphSAGE's layout) or raw/edge.csv.gz (OGB's); found"
            f" {', '.join(f'{name}-G.json' for name in prefixes) or 'neither'}"
        )
    return read_graphsage(folder / prefixes[0], links)
