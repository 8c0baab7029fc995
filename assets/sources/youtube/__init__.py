"""YouTube as a video source: search, metadata, captions and files by the libraries that exist for them."""

from assets.sources.youtube.options import YouTubeOptions
from assets.sources.youtube.source import YouTubeSource

__all__ = ["YouTubeOptions", "YouTubeSource"]
