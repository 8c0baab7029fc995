"""Subtitle streams inside a video file, as yt-dlp --embed-subs and most players' files have them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av

from assets.captions.cues import CaptionError, Captions, Cue, captions
from assets.captions.subtitle_files import without_overrides
from assets.features.timeline import DecodeError, opened

TEXT_CODECS = frozenset({"ass", "ssa", "srt", "subrip", "mov_text", "webvtt", "text", "microdvd", "sami", "subviewer"})
"""Codecs of subtitles that are text; the others are pictures of text."""
MOST_CUES = 200_000


@dataclass(frozen=True)
class EmbeddedTrack:
    """A subtitle stream of text. ``language`` is its code of two or three letters; None where the file has none."""

    path: Path
    index: int
    language: str | None

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.path.name}: subtitle stream {self.index}"


def embedded_tracks(path: Path) -> list[EmbeddedTrack]:
    """The subtitle streams of text in a video file; none if it is not a readable file."""
    try:
        with opened(path) as container:
            return [
                EmbeddedTrack(path, stream.index, None if stream.language in (None, "", "und") else stream.language)
                for stream in container.streams.subtitles
                if stream.codec_context is not None and stream.codec_context.name in TEXT_CODECS
            ]
    except DecodeError:
        return []  # what is wrong with the video file is recorded with the file


def read_embedded(track: EmbeddedTrack) -> Captions:
    """The lines of a subtitle stream; times count from the start of the file, as those of pictures do.

    Raises:
        CaptionError: the stream cannot be read.
    """
    cues: list[Cue] = []
    try:
        with opened(track.path) as container:
            start_s = (container.start_time or 0) / av.time_base
            for packet in container.demux(container.streams[track.index]):
                if packet.pts is None or not packet.size or len(cues) == MOST_CUES:
                    continue
                begin_s = float(packet.pts * packet.time_base) - start_s
                end_s = begin_s + float(packet.duration * packet.time_base) if packet.duration else None
                texts = [getattr(each, "dialogue", b"").decode("utf-8", "replace") for each in packet.decode()]
                spoken = without_overrides(" ".join(texts))
                cues.append(Cue(f"packet at {begin_s:.3f} s", max(begin_s, 0.0), end_s, spoken))
    except DecodeError as error:
        raise CaptionError(f"subtitle stream {track.index}: {error}") from error
    return captions(track.name, cues)
