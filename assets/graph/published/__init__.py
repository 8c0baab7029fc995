"""Graphs in the files that they are published in: reading them, and training on them by the published settings."""

from assets.graph.published.graphs import Published, PublishedError
from assets.graph.published.reader import LinkEnds, read

__all__ = ["LinkEnds", "Published", "PublishedError", "read"]
