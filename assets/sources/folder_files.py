"""Sorting the files of a folder: videos, the info and caption files of each, and all others with a reason."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from assets.media.suffixes import VIDEO_SUFFIXES
from assets.outcomes import Problem
from ml.machine import require_sound_machine

CAPTION_FORMATS = ("json3", "srv3", "vtt", "srt", "ttml", "dfxp", "srv1", "sbv", "ass", "ssa", "smi", "sami", "sub")
"""Formats of caption files, best first: json3 and srv3 have a time for each word."""
INFO_SUFFIX = ".info.json"

_OTHER_CAPTIONS = frozenset({"srv2", "idx", "sup", "scc", "stl", "cap", "lrc", "mpl", "mks", "itt", "usf", "rt"})
_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".heic"})
_SOUND = frozenset({".m4a", ".mp3", ".opus", ".ogg", ".oga", ".wav", ".flac", ".aac", ".weba", ".mka"})

_UNDER_WAY = re.compile(
    r"(?:\.part(?:-Frag\d+)?|-Frag\d+|\.ytdl|\.frag\.urls|\.aria2|\.crdownload|\.partial|\.download|\.tmp|\.opdownload)$",
    re.IGNORECASE,
)
"""Ends of the names of files that a download writes to until it is whole."""
_PIECE = re.compile(r"(?P<stem>.+)\.(?:f(?:\d|hls|dash|https?)[\w=+-]*|temp)(?P<suffix>\.\w{1,5})", re.IGNORECASE)
"""What yt-dlp calls the streams that it has not merged yet: ``<name>.f136.mp4``, ``<name>.temp.mp4``."""
_TITLE_AND_ID = re.compile(r"(?P<title>.+?)[ _-]*\[(?P<id>[^\[\]]+)\]")
_TITLE_DASH_ID = re.compile(r"(?P<title>.*\s.*)-(?P<id>[A-Za-z0-9_-]{11})")
"""The names that youtube-dl gave: only where the title has a blank, so that the whole name cannot be an id."""
_NO_VIDEO = "no video file of that name"


@dataclass(frozen=True)
class CaptionFile:
    """A caption file and the language code in its name, None where the name has none."""

    path: Path
    language: str | None

    @property
    def format(self) -> str:
        """Its suffix in lower case, without the dot."""
        return self.path.suffix[1:].lower()


@dataclass
class VideoFiles:
    """A video file and what belongs to it by its name."""

    path: Path
    info: Path | None = None
    captions: list[CaptionFile] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)
    """Caption files in formats that are not read."""

    @property
    def name_id(self) -> str:
        """The id that the name gives: what is in brackets or behind a hyphen at its end, else all of it."""
        return _name_id(self.path.stem)

    @property
    def name_title(self) -> str:
        """The title that the name gives."""
        named = _named(self.path.stem)
        return named["title"].replace("_", " ") if named else self.path.stem


def sort_files(folder: Path) -> tuple[list[VideoFiles], list[Problem]]:
    """The videos of a folder by name, and each file that is not used, with its reason.

    Raises:
        OSError: the folder cannot be listed.
    """
    files, problems = _regular_files(folder)
    videos, others, unfinished = [], [], {}
    for path in files:
        stem = _unfinished_stem(path.name)
        if stem is not None:
            unfinished[path] = stem
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            videos.append(VideoFiles(path))
        else:
            others.append(path)
    owners: dict[str, VideoFiles] = {}
    for video in reversed(videos):  # of several with one name, the first counts
        owners.setdefault(video.name_id, video)
    for video in reversed(videos):
        owners[video.path.stem] = video
    for video in videos:
        if (used := owners[video.path.stem]) is not video:
            problems.append(Problem(video.path.name, f"same id as {used.path.name}, which is used"))
    videos = [video for video in videos if owners[video.path.stem] is video]
    problems += _unfinished_problems(unfinished, owners)
    waiting = set(unfinished.values())
    for path in others:
        reason = _assign(path, owners)
        if reason == _NO_VIDEO and waiting.intersection(_prefixes(path.name)):
            reason = "its video is not whole; download it again"
        if reason is not None:
            problems.append(Problem(path.name, reason))
    if not videos:
        problems.append(Problem(str(folder), "no video file in this folder"))
    return videos, problems


def _regular_files(folder: Path) -> tuple[list[Path], list[Problem]]:
    """The files of a folder that can be opened, by name, and everything else in it."""
    files, problems = [], []
    for entry in sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name)):
        reason = _no_regular_file(entry)
        if reason is None:
            files.append(entry)
        else:
            # A name that is not UTF-8 is shown with its odd bytes as escapes.
            name = os.fsencode(entry.name).decode("utf-8", "backslashreplace")
            problems.append(Problem(name, reason))
    return files, problems


def _no_regular_file(path: Path) -> str | None:
    try:
        path.name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8; rename it"
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "a link to a file that is not there"
    except OSError as error:
        require_sound_machine(error)
        return f"cannot be opened: {error.strerror}"
    if stat.S_ISDIR(mode):
        return "a folder; files in it are not read: move its videos up, or set HOWTO_FOLDER to it"
    if not stat.S_ISREG(mode):
        return "a pipe, socket or device, not a file"
    if not os.access(path, os.R_OK):
        return "cannot be opened: no permission to read it"
    return "a hidden file" if path.name.startswith(".") else None


def _name_id(stem: str) -> str:
    named = _named(stem)
    return named["id"] if named else stem


def _named(stem: str) -> re.Match[str] | None:
    return _TITLE_AND_ID.fullmatch(stem) or _TITLE_DASH_ID.fullmatch(stem)


def _unfinished_stem(name: str) -> str | None:
    """The name, without suffix, of the video that an unfinished download was to be; None of any other file."""
    whole = _UNDER_WAY.sub("", name)
    under_way = whole != name
    while (shorter := _UNDER_WAY.sub("", whole)) != whole:
        whole = shorter
    piece = _PIECE.fullmatch(whole)
    if piece and piece["suffix"].lower() in VIDEO_SUFFIXES | _SOUND:
        return piece["stem"]
    return Path(whole).stem if under_way else None


def _unfinished_problems(unfinished: dict[Path, str], owners: dict[str, VideoFiles]) -> Iterator[Problem]:
    for path, stem in unfinished.items():
        whole = owners.get(stem)
        if whole is None:
            yield Problem(path.name, f"an unfinished download: {stem} is not whole; download it again")
        else:
            yield Problem(path.name, f"left over from a download: {whole.path.name} is used; delete it")


def _assign(path: Path, owners: dict[str, VideoFiles]) -> str | None:
    """Give an info or caption file to its video; why it cannot be used, if so."""
    name, suffix = path.name, path.suffix.lower()
    if name.lower().endswith(INFO_SUFFIX):
        stem = name[: -len(INFO_SUFFIX)]
        owner = owners.get(stem) or owners.get(_name_id(stem))
        if owner is None:
            return _NO_VIDEO
        if owner.info is not None:
            return f"a second info file of {owner.path.name}; {owner.info.name} is used"
        owner.info = path
        return None
    if ".live_chat." in name.lower():
        return "a live chat, no captions"
    if suffix[1:] in CAPTION_FORMATS or suffix[1:] in _OTHER_CAPTIONS:
        return _assign_captions(path, owners)
    if suffix in _PICTURES:
        return "a picture, not needed"
    if suffix in _SOUND:
        return "sound without pictures, no video"
    return "not a video, caption or info file"


def _assign_captions(path: Path, owners: dict[str, VideoFiles]) -> str | None:
    stem = next((stem for stem in _prefixes(path.name) if stem in owners or _name_id(stem) in owners), None)
    form = path.suffix[1:].lower()
    if form in _OTHER_CAPTIONS:
        if stem is not None:
            owners.get(stem, owners.get(_name_id(stem))).unreadable.append(path)  # type: ignore[union-attr]
        return f"captions in a format that is not read; {how_to_convert(path)}"
    if stem is None:
        return _NO_VIDEO
    owner = owners.get(stem) or owners[_name_id(stem)]
    language = path.name[len(stem) + 1 : -len(path.suffix)]
    owner.captions.append(CaptionFile(path, language or None))
    return None


def how_to_convert(path: Path) -> str:
    """What to do with captions in a format that is not read."""
    if path.suffix.lower() in (".idx", ".sup"):
        return "they are pictures of text: convert them to SubRip by OCR, e.g. in Subtitle Edit"
    return f"convert them to WebVTT, e.g. ffmpeg -i {quote(path.name)} {quote(f'{path.stem}.vtt')}"


def _prefixes(name: str) -> Iterable[str]:
    """What is before each dot of a name, longest first."""
    return (name[:at] for at in range(len(name) - 1, 0, -1) if name[at] == ".")
