"""A folder of real videos, as yt-dlp and people leave them: ``<name>.<ext>``, ``<name>.info.json``, ``<name>.en.vtt``.

The id of a video is the one in its info file, else the one in its name: all of it, or what is in brackets at its end.
What a file does not say is unknown, not zero. See ``folder_files`` for the files that are not used.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from assets.captions.cues import CaptionError, Captions
from assets.captions.embedded import embedded_tracks, read_embedded
from assets.captions.problems import set_aside
from assets.captions.readers import read_captions
from assets.captions.tracks import CaptionSource, CaptionTrack
from assets.features.timeline import stated_length
from assets.outcomes import Problem, SourceError
from assets.sources.chapter_lists import listed_chapters
from assets.sources.folder_files import CAPTION_FORMATS, CaptionFile, VideoFiles, how_to_convert, sort_files
from assets.sources.folder_tracks import SPOKEN, ListedTracks, is_english, listed_tracks, reading_order
from assets.sources.protocol import SAFE_ID, Article, SearchResult, VideoMetadata
from assets.values import Fields, decoded_with_replacement, parse_json, storable
from ml.files import content_hash
from ml.machine import require_sound_machine

LARGEST_INFO_BYTES = 256_000_000
"""Info files up to this size are read; those with all comments of a popular video have about 100 MB."""
LONGEST_TITLE = 300

_WORD = re.compile(r"[\w']+")
_HOW_TO = re.compile(r"^\s*how\s+to\s+", re.IGNORECASE)


@dataclass(frozen=True)
class _Entry:
    """A video that can be used: its files, and what its info file says of it."""

    video_id: str
    files: VideoFiles
    title: str
    channel: str | None = None
    categories: tuple[str, ...] = ()
    tracks: ListedTracks = field(default_factory=ListedTracks)
    metadata: VideoMetadata = field(default_factory=lambda: VideoMetadata("ok"))

    @cached_property
    def words(self) -> set[str]:
        return _words(self.title)

    @cached_property
    def duration_s(self) -> float | None:
        """The length that the file itself gives; the info file's is rounded to seconds."""
        return stated_length(self.files.path) or self.metadata.duration_s

    def is_english(self, file: CaptionFile) -> bool:
        """True if captions are in English as far as their name and the info file say."""
        language = file.language or self.metadata.language
        return language is None or is_english(language)


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
        if storable(str(self.folder)) != str(self.folder):
            raise SourceError(f"{storable(str(self.folder))}: its name is not UTF-8; rename the folder")

    def version(self) -> str:
        """Hash of the names, kinds, sizes and modification times of all that is in the folder."""
        states = ((path, path.lstat()) for path in self.folder.iterdir())
        listing = sorted((path.name, stat.st_mode, stat.st_size, stat.st_mtime_ns) for path, stat in states)
        return content_hash((listing, self.categories))

    def articles(self) -> Iterator[Article]:
        """A task for each distinct title, without "How to"."""
        titles = {_task(entry): entry for entry in reversed(list(self._entries.values()))}
        for title, entry in sorted(titles.items()):
            digest = hashlib.sha256(title.encode()).hexdigest()[:12]
            yield Article(f"folder-{digest}", title, None, entry.categories)

    def search(self, query: str, limit: int) -> list[SearchResult]:
        """Videos that share a word with the query, most shared words first (share of all words of both)."""
        wanted = _words(query)
        scored = [
            (-len(wanted & entry.words) / len(wanted | entry.words), entry.video_id, entry)
            for entry in self._entries.values()
            if wanted & entry.words
        ]
        return [
            SearchResult(entry.video_id, entry.title, entry.channel, entry.duration_s, entry.metadata.view_count)
            for _, _, entry in sorted(scored, key=lambda item: item[:2])[:limit]
        ]

    def metadata(self, video_id: str) -> VideoMetadata:
        """What the video's info file says of it."""
        if video_id not in self._entries:
            return VideoMetadata("failed", error=f"{video_id}: no video of that id in {self.folder}")
        return self._entries[video_id].metadata

    def captions(self, video_id: str) -> CaptionTrack:
        """The best English track of the caption files that can be read, else of the streams in the video file."""
        if video_id not in self._entries:
            return CaptionTrack("no_captions", error=f"{video_id}: no video of that id in {self.folder}")
        entry = self._entries[video_id]
        errors: list[str] = []
        language = None
        for name, language, kind, read in _tracks(entry):
            try:
                found = read()
            except CaptionError as error:
                errors.append(str(error))
                continue
            aside = set_aside(found)
            if found.lines:
                notes = [*errors, *([f"{name} is used"] if errors else []), *([aside] if aside else [])]
                return CaptionTrack("ok", kind, language, found.lines, error="; ".join(notes) or None)
            errors.append(aside or f"{name}: no cues")
        if errors:
            return CaptionTrack("failed", language=language, error="; ".join(errors))
        return CaptionTrack("no_captions", error=_no_captions(entry))

    def media(self, video_id: str, folder: Path) -> Path:
        """The file where it is; nothing is copied."""
        if video_id not in self._entries:
            raise SourceError(f"{video_id}: no video of that id in {self.folder}")
        return self._entries[video_id].files.path

    def problems(self) -> list[Problem]:
        """Each file that is not used, and each value of an info file that was repaired or is unknown."""
        return self._scan[1]

    @property
    def _entries(self) -> dict[str, _Entry]:
        return self._scan[0]

    @cached_property
    def _scan(self) -> tuple[dict[str, _Entry], list[Problem]]:
        try:
            videos, problems = sort_files(self.folder)
        except OSError as error:
            raise SourceError(f"{self.folder}: {error.strerror}; set HOWTO_FOLDER to a folder of videos") from error
        entries: dict[str, _Entry] = {}
        for files in videos:
            fields, wrong = _info(files)
            problems += wrong
            video_id = _video_id(files, fields)
            if not SAFE_ID.fullmatch(video_id):
                problems.append(Problem(files.path.name, _UNSAFE))
            elif video_id in entries:
                used = entries[video_id].files.path.name
                problems.append(Problem(files.path.name, f"same id as {used}, which is used"))
            else:
                entries[video_id] = entry = _entry(video_id, files, fields, self.categories)
                problems += _unused_captions(entry)
            problems += fields.problems
        return entries, problems


_UNSAFE = (
    "its id is not a safe file name: it may hold only letters, digits, '_', '-' and '.';"
    " rename the file, or add an info file with the id"
)


def _info(files: VideoFiles) -> tuple[Fields, list[Problem]]:
    """The fields of a video's info file, empty if it cannot be used, and what is wrong with the file as a whole."""
    unknown = "title, views and category are unknown"
    if files.info is None:
        name = f"{files.path.stem}.info.json"
        return Fields({}, name), [Problem(name, f"missing: {unknown}")]
    name, problems = files.info.name, []
    try:
        with files.info.open("rb") as file:
            content = file.read(LARGEST_INFO_BYTES + 1)
        if len(content) > LARGEST_INFO_BYTES:
            raise ValueError(f"larger than {LARGEST_INFO_BYTES // 1_000_000} MB")
        text, wrong = decoded_with_replacement(content)
        problems += [Problem(name, wrong)] if wrong else []
        info = parse_json(text)
    except OSError as error:
        require_sound_machine(error)
        return Fields({}, name), [Problem(name, f"cannot be read ({error.strerror}): {unknown}")]
    except ValueError as error:
        return Fields({}, name), [*problems, Problem(name, f"not JSON ({error}): {unknown}")]
    if not isinstance(info, dict):
        problems.append(Problem(name, f"holds a JSON {type(info).__name__}, not an object: {unknown}"))
        return Fields({}, name), problems
    return Fields(info, name), problems


def _video_id(files: VideoFiles, fields: Fields) -> str:
    known = fields.text("id")
    if known is not None and SAFE_ID.fullmatch(known):
        return known
    return files.name_id if SAFE_ID.fullmatch(files.name_id) else files.path.stem


def _entry(video_id: str, files: VideoFiles, fields: Fields, categories: tuple[str, ...]) -> _Entry:
    title = " ".join((fields.text("title") or "").split())
    if len(title) > LONGEST_TITLE:
        fields.note("title", f"{len(title):,} characters; the first {LONGEST_TITLE} are used")
    title = title[:LONGEST_TITLE].strip() or files.name_title
    tracks = listed_tracks(fields)
    return _Entry(
        video_id,
        files,
        title,
        fields.text("channel"),
        tuple(name for name in fields.texts("categories") if name in categories),
        tracks,
        VideoMetadata(
            "ok",
            title=title,
            channel_id=fields.text("channel_id"),
            duration_s=fields.number("duration", at_least=0),
            view_count=fields.integer("view_count", at_least=0),
            license=fields.text("license"),
            upload_date=fields.date("upload_date"),
            availability=fields.text("availability"),
            language=fields.text("language"),
            description=fields.text("description"),
            keywords=fields.texts("tags"),
            manual_captions=tracks.manual,
            asr_captions=tracks.recognised,
            chapters=listed_chapters(fields),
        ),
    )


def _task(entry: _Entry) -> str:
    """The title of a video's task: without "How to", unless nothing else is in it."""
    return _HOW_TO.sub("", entry.title).strip() or entry.title


def _ordered(entry: _Entry) -> list[CaptionFile]:
    english = [file for file in entry.files.captions if entry.is_english(file)]
    return sorted(english, key=lambda file: reading_order(file, entry.tracks.kind(file.language)))


def _tracks(entry: _Entry) -> Iterator[tuple[str, str | None, CaptionSource | None, Callable[[], Captions]]]:
    """(name, language, kind, reader) of each English track, best first. Streams of the video file come last."""
    for file in _ordered(entry):
        language = file.language.removesuffix(SPOKEN) if file.language else entry.metadata.language
        yield file.path.name, language, entry.tracks.kind(file.language), partial(read_captions, file.path)
    for track in embedded_tracks(entry.files.path):
        if track.language is None or is_english(track.language):
            language = "en" if track.language else entry.metadata.language
            yield track.name, language, entry.tracks.kind("en"), partial(read_embedded, track)


def _no_captions(entry: _Entry) -> str:
    """Why a video has no captions that can be read, with the caption files that are there."""
    stem = entry.files.path.stem
    there = [f"{path.name} is there: {how_to_convert(path)}" for path in entry.files.unreadable]
    there += [f"{file.path.name} is in {file.language or entry.metadata.language!r}" for file in entry.files.captions]
    return "; ".join([f"no {stem}.en*.{{{','.join(CAPTION_FORMATS)}}}", *there])


def _unused_captions(entry: _Entry) -> list[Problem]:
    """The caption files of a video that are not read, or only if a better one cannot be."""
    order = _ordered(entry)
    problems = [Problem(file.path.name, f"not needed: {order[0].path.name} is read before it") for file in order[1:]]
    for file in entry.files.captions:
        if file not in order:
            language = file.language or entry.metadata.language
            problems.append(Problem(file.path.name, f"captions in another language than English: {language}"))
    return problems


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(_HOW_TO.sub("", text))}
