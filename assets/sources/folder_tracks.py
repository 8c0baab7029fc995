"""Which caption tracks a video's info file lists, and which of a folder's caption files is read first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assets.captions.tracks import CaptionSource
from assets.sources.folder_files import CAPTION_FORMATS, CaptionFile
from assets.values import Fields

SPOKEN = "-orig"
"""What yt-dlp adds to the language code of a track that was recognised in the spoken language."""

_LIVE_CHAT = "live_chat"
_TRANSLATED = re.compile(r"[?&]tlang=")
_RECOGNISED = re.compile(r"[?&]kind=asr\b")
_ORDER: tuple[CaptionSource | None, ...] = ("manual", None, "asr", "whisper", "translated")
"""Manual captions before those of an unknown kind, those before recognised ones, translations last."""


@dataclass(frozen=True)
class ListedTracks:
    """The tracks of an info file: the language codes of captions that people wrote and of recognised speech.

    ``kinds`` has the kind of each track by the language code in its file's name.
    """

    manual: tuple[str, ...] = ()
    recognised: tuple[str, ...] = ()
    kinds: Mapping[str, CaptionSource] | None = None

    def kind(self, language: str | None) -> CaptionSource | None:
        """The kind of a caption file with that code in its name; None if nothing says it."""
        found = (self.kinds or {}).get(language or "")
        return "asr" if found is None and (language or "").endswith(SPOKEN) else found


def listed_tracks(fields: Fields) -> ListedTracks:
    """The tracks that an info file lists, judged by their addresses as tracks from YouTube are.

    Machine translations have ``tlang=`` in their address. Where the address is missing, recognised speech is in the
    spoken language, and what is listed in another one is a translation.
    """
    spoken = fields.text("language")
    kinds: dict[str, CaptionSource] = {}
    manual, recognised = [], []
    for language in fields.texts("subtitles"):
        if language == _LIVE_CHAT:
            continue
        translated = _TRANSLATED.search(_addresses(fields.fields.get("subtitles"), language))
        kinds[language] = "translated" if translated else "manual"
        manual += [] if translated else [language]
    for language in fields.texts("automatic_captions"):
        if language == _LIVE_CHAT:
            continue
        kind = _automatic(language, _addresses(fields.fields.get("automatic_captions"), language), spoken)
        kinds.setdefault(language, kind)  # yt-dlp writes the manual track where there are both
        recognised += [language.removesuffix(SPOKEN)] if kind == "asr" else []
    for language in fields.texts("requested_subtitles"):
        address = _addresses(fields.fields.get("requested_subtitles"), language)
        if address:
            recognised_too = _RECOGNISED.search(address) is not None
            found: CaptionSource = "asr" if recognised_too else "manual"
            kinds.setdefault(language, "translated" if _TRANSLATED.search(address) else found)
    return ListedTracks(tuple(manual), tuple(dict.fromkeys(recognised)), kinds)


def _automatic(language: str, address: str, spoken: str | None) -> CaptionSource:
    if _TRANSLATED.search(address):
        return "translated"
    if address or language.endswith(SPOKEN) or spoken is None or _primary(spoken) == _primary(language):
        return "asr"
    return "translated"


def _addresses(listed: Any, language: str) -> str:
    """The addresses of a track's forms, a line each; empty if there are none."""
    forms = listed.get(language) if isinstance(listed, Mapping) else None
    forms = forms if isinstance(forms, list) else [forms]
    found = (form.get("url") for form in forms if isinstance(form, Mapping))
    return "\n".join(address for address in found if isinstance(address, str))


def is_english(language: str | None) -> bool:
    """True for the codes and names of English and its varieties."""
    return language is not None and _primary(language) in ("en", "eng", "english")


def _primary(language: str) -> str:
    return re.split(r"[-_.]", language.lower(), maxsplit=1)[0]


def reading_order(file: CaptionFile, kind: CaptionSource | None) -> tuple[int, bool, bool, bool, str, int]:
    """Sorts the English caption files of a video, the one to be read first to the front, as from YouTube.

    Manual captions come before recognised ones, these before translations; plain ``en`` before ``en-orig`` before the
    varieties of English; of one track, the format that has most.
    """
    language = file.language or ""
    return (
        _ORDER.index(kind),
        not language,
        language.lower() != "en",
        language.lower() != "en" + SPOKEN,
        language,
        CAPTION_FORMATS.index(file.format),
    )
