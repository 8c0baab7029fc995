"""Paths and lengths of the files of a lake's videos, by queries of the table ``video_files``."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, Sequence

from assets.lake import Lake

_PATHS = "SELECT video_id, uri FROM video_files WHERE status = 'ok'"


class StoredUris(Mapping[str, str]):
    """The path of each video that has a file, relative to the media root or absolute; none in a lake without files."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._empty = lake.is_new or not lake.has("video_files")

    def __getitem__(self, video_id: str) -> str:
        query = f"{_PATHS} AND video_id = $video_id"
        found = [] if self._empty else self._lake.sql(query, video_id=video_id).fetchall()
        if not found:
            raise KeyError(video_id)
        uri: str = found[0][1]
        return uri

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def items(self) -> ItemsView[str, str]:
        """All of them, by one query."""
        return self._all().items()

    def _all(self) -> dict[str, str]:
        return {} if self._empty else dict(self._lake.sql(_PATHS).fetchall())


def lengths(lake: Lake, video_ids: Sequence[str]) -> dict[str, float]:
    """Length in seconds of the files of some videos; those without a file are missing."""
    if not lake.has("video_files"):
        return {}
    query = """
        SELECT video_id, coalesce(duration_s, 0) FROM video_files
        WHERE status = 'ok' AND video_id IN (SELECT unnest($video_ids))
    """
    return dict(lake.sql(query, video_ids=list(video_ids)).fetchall())
