"""A folder of real videos in yt-dlp's naming: ``<name>.<ext>``, ``<name>.info.json``, ``<name>.<lang>.vtt``.

The name is the id, or as yt-dlp has it by default ``<title> [<id>]``.

Belongs here: finding, reading and judging the files of such a folder. What a file does not say is unknown, not zero.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from glob import escape
from pathlib import Path
from typing import Any

from assets.captions.cues import CaptionError
from assets.captions.problems import set_aside
from assets.captions.readers import read_captions
from assets.captions.tracks import CaptionSource, CaptionTrack
from assets.outcomes import Problem, SourceError
from assets.sources.protocol import Article, SearchResult, VideoMetadata
from ml.files import content_hash

CAPTION_FORMATS = ("json3", "srv3", "vtt", "srt", "ttml", "srv1")
"""Formats of caption files, the one that tells most first: json3 and srv3 know when each word is said."""

VIDEO_SUFFIXES = frozenset({".mp4", ".mkv", ".webm", ".mov", ".m4v", ".avi", ".ts", ".3gp"})
SAFE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")

_TITLE_AND_ID = re.compile(r"(?P<title>.+) \[(?P<id>[^\[\]]+)\]")
_WORD = re.compile(r"[\w']+")
_HOW_TO = re.compile(r"^\s*how\s+to\s+", re.IGNORECASE)


@dataclass(frozen=True)
class _Entry:
    video_id: str
    path: Path
    info: dict[str, Any]

    @property
    def title(self) -> str:
        named = _TITLE_AND_ID.fullmatch(self.path.stem)
        return str(self.info.get("title") or (named["title"] if named else self.video_id))

    def number(self, key: str) -> float | None:
        value = self.info.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def text(self, key: str) -> str | None:
        value = self.info.get(key)
        return value if isinstance(value, str) else None

    def names(self, key: str) -> tuple[str, ...]:
        """A list of names, or the names of an object's fields."""
        value = self.info.get(key)
        return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list | dict) else ()


class FolderSource:
    """Videos of one folder; each distinct title is a task of its own, under the WikiHow category that its info names.

    Raises:
        SourceError: the folder cannot be read.
    """

    name = "folder"

    def __init__(self, folder: Path, categories: tuple[str, ...]) -> None:
        self.folder = Path(folder).absolute()
        self.categories = categories
        if not self.folder.is_dir():
            raise SourceError(f"{self.folder}: no such folder; set HOWTO_FOLDER to a folder of videos")

    def version(self) -> str:
        """Hash of the names, sizes and modification times of all files."""
        listing = sorted(
            (path.name, stat.st_size, stat.st_mtime_ns)
            for path in self.folder.iterdir()
            if path.is_file()
            for stat in [path.stat()]
        )
        return content_hash((listing, self.categories))

    def articles(self) -> Iterator[Article]:
        titles = {_HOW_TO.sub("", entry.title).strip(): entry for entry in reversed(list(self._entries.values()))}
        for title, entry in sorted(titles.items()):
            named = entry.info.get("categories")
            known = tuple(name for name in named if name in self.categories) if isinstance(named, list) else ()
            digest = hashlib.sha256(title.encode()).hexdigest()[:12]
            yield Article(f"folder-{digest}", title, None, known)

    def search(self, query: str, limit: int) -> list[SearchResult]:
        """Videos that share a word with the query, most shared words first (share of all words of both)."""
        wanted = _words(query)
        scored = [
            (-len(wanted & words) / len(wanted | words), entry.video_id, entry)
            for entry in self._entries.values()
            if wanted & (words := _words(entry.title))
        ]
        return [
            SearchResult(
                video_id=entry.video_id,
                title=entry.title,
                channel=entry.info.get("channel"),
                duration_s=entry.number("duration"),
                view_count=None if (views := entry.number("view_count")) is None else int(views),
            )
            for _, _, entry in sorted(scored, key=lambda item: item[:2])[:limit]
        ]

    def metadata(self, video_id: str) -> VideoMetadata:
        """What the video's info file says of it."""
        if video_id not in self._entries:
            return VideoMetadata("failed", error=f"{video_id}: no video of that id in {self.folder}")
        entry = self._entries[video_id]
        views = entry.number("view_count")
        return VideoMetadata(
            "ok",
            title=entry.title,
            channel_id=entry.text("channel_id"),
            duration_s=entry.number("duration"),
            view_count=None if views is None else int(views),
            language=entry.text("language"),
            description=entry.text("description"),
            keywords=entry.names("tags"),
            manual_captions=entry.names("subtitles"),
            asr_captions=entry.names("automatic_captions"),
        )

    def captions(self, video_id: str) -> CaptionTrack:
        """The track with the shortest language code; of its formats, the one that knows most."""
        name = self._entries[video_id].path.stem if video_id in self._entries else video_id
        tracks = [path for form in CAPTION_FORMATS for path in self.folder.glob(f"{escape(name)}.en*.{form}")]
        if not tracks:
            return CaptionTrack("no_captions", error=f"no {name}.en*.{{{','.join(CAPTION_FORMATS)}}}")
        path = min(tracks, key=lambda path: (len(path.stem), path.stem))
        language = path.stem.removeprefix(f"{name}.")
        try:
            read = read_captions(path)
        except CaptionError as error:
            return CaptionTrack("failed", language=language, error=str(error))
        if not read.lines:
            return CaptionTrack("failed", language=language, error=set_aside(read) or f"{path.name}: no cues")
        source = self._caption_source(video_id, language)
        return CaptionTrack("ok", source, language, read.lines, error=set_aside(read))

    def media(self, video_id: str, folder: Path) -> Path:
        """The file where it lies; nothing is copied."""
        if video_id not in self._entries:
            raise SourceError(f"{video_id}: no video of that id in {self.folder}")
        return self._entries[video_id].path

    def problems(self) -> list[Problem]:
        return self._scan[1]

    @property
    def _entries(self) -> dict[str, _Entry]:
        return self._scan[0]

    @cached_property
    def _scan(self) -> tuple[dict[str, _Entry], list[Problem]]:
        entries: dict[str, _Entry] = {}
        problems: list[Problem] = []
        for path in sorted(self.folder.iterdir()):
            if path.suffix.lower() not in VIDEO_SUFFIXES or not path.is_file():
                continue
            named = _TITLE_AND_ID.fullmatch(path.stem)
            video_id = named["id"] if named else path.stem
            if not SAFE_ID.fullmatch(video_id):
                reason = "its id is not a safe file name: only letters, digits, '_', '-' and '.' may stand in it"
                problems.append(Problem(path.name, reason))
            elif video_id in entries:
                problems.append(Problem(path.name, f"same id as {entries[video_id].path.name}, which is used"))
            else:
                info, wrong = self._info(path.stem)
                problems.extend(wrong)
                entries[video_id] = _Entry(video_id, path, info)
        if not entries:
            problems.append(Problem(str(self.folder), "no video file in this folder"))
        return entries, problems

    def _info(self, name: str) -> tuple[dict[str, Any], list[Problem]]:
        path = self.folder / f"{name}.info.json"
        if not path.exists():
            return {}, [Problem(path.name, "missing: title, views and category are unknown")]
        try:
            info = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            return {}, [Problem(path.name, f"not JSON ({error}): title, views and category are unknown")]
        if not isinstance(info, dict):
            return {}, [Problem(path.name, f"holds a JSON {type(info).__name__}, not an object")]
        return info, []

    def _caption_source(self, video_id: str, language: str) -> CaptionSource | None:
        info = self._entries[video_id].info if video_id in self._entries else {}
        if language in (info.get("subtitles") or {}):
            return "manual"
        if language.endswith("-orig") or language in (info.get("automatic_captions") or {}):
            return "asr"
        return None


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(_HOW_TO.sub("", text))}
