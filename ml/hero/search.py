"""Search for moments of stored videos by text, with a HERO that was pre-trained to match texts and videos.

See ``ml.hero.downstream`` for its evaluation on benchmarks.
"""

from __future__ import annotations

from collections.abc import Iterable

from ml.hero.clip_store import Encode
from ml.hero.downstream.finetune import cut_to_limit
from ml.hero.downstream.tasks.corpus import encode_queries, encoded
from ml.hero.model import Hero
from ml.hero.video import Video
from ml.metrics.moments import Moment, Search


class MomentSearch:
    """Encoded videos in memory: ``frames * hidden`` numbers of 4 bytes each.

    Args:
        encode: from a text to tokens, as the videos' subtitles were.
        videos: their frames have one interval.

    Raises:
        ValueError: no video, a video without a frame, or features of another width than the model's.
    """

    def __init__(self, model: Hero, encode: Encode, videos: Iterable[Video], search: Search) -> None:
        self.model, self.encode = model.eval(), encode
        self.index = encoded(model, videos, search)

    def find(self, text: str) -> list[Moment]:
        """The best moments for a text, best first, by the numbers of their videos; long texts are cut."""
        (tokens,), _ = cut_to_limit([self.encode(text)], self.model.config.max_text)
        (found,) = self.index.find(encode_queries(self.model, [tokens]))
        return found
