"""YouTube as a video source: search, metadata, captions and files by the libraries that exist for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assets.sources.youtube.options import YouTubeOptions

if TYPE_CHECKING:
    from assets.sources.youtube.source import YouTubeSource

__all__ = ["YouTubeOptions", "YouTubeSource"]


def __getattr__(name: str) -> Any:
    """Import the clients when a source is used: they take 0.3 s, and settings need the options only."""
    if name == "YouTubeSource":
        from assets.sources.youtube.source import YouTubeSource

        return YouTubeSource
    raise AttributeError(name)
