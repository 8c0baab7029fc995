"""Releases of a gigabyte are read in memory that does not grow with them."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

SMALL_BYTES, LARGE_BYTES = 50_000_000, int(os.environ.get("CAMPAIGN_RELEASE_BYTES", "1_000_000_000"))
MOST_GROWTH_MB = 150
"""Resident memory that reading the large file may take more than reading the small one."""

CAPTION = "she rinses the rice under cold running water until the water runs clear and then drains it well"
CLIP_S = 8

READ = """
import re, sys
from pathlib import Path
from assets.sharding import Sharding
from assets.sources.followups.shards import ReleaseShards
release, path, cache = sys.argv[1:]
counts = ReleaseShards(release, Path(path), Path(cache), Sharding(64)).prepare()
assert counts["set_aside"] == 0, counts
# Not ru_maxrss, which counts the process that this one was started from.
print(counts["lines"], int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1000)
"""

Video = tuple[str, list[int]]
Write = Callable[[Path, int], int]


def videos(size: int, line_bytes: int, lines: int) -> Iterator[Video]:
    """Ids, and the starts of ``lines`` captions each, until they take about ``size`` bytes."""
    return (
        (f"video{number:06d}", list(range(0, lines * CLIP_S, CLIP_S))) for number in range(size // (lines * line_bytes))
    )


def parallel(starts: list[int]) -> dict[str, list[Any]]:
    return {"text": [CAPTION] * len(starts), "start": starts, "end": [start + CLIP_S + 0.5 for start in starts]}


def write_htm_aa(path: Path, size: int) -> int:
    lines = 0
    with path.open("w") as file:
        file.write("vid,timestamp,text\n")
        for video_id, starts in videos(size, 113, 200):
            file.writelines(f"{video_id},{start},{CAPTION}\n" for start in starts)
            lines += len(starts)
    return lines


def write_object(path: Path, entries: Iterator[tuple[str, dict[str, Any]]]) -> None:
    """A JSON object, entry by entry."""
    with path.open("w") as file:
        file.write("{")
        for number, (video_id, entry) in enumerate(entries):
            file.write(f'{", " if number else ""}"{video_id}": {json.dumps(entry)}')
        file.write("}")


def write_sentences(path: Path, size: int) -> int:
    chosen = list(videos(size, 111, 60))
    write_object(path, ((video_id, parallel(starts)) for video_id, starts in chosen))
    return sum(len(starts) for _, starts in chosen)


def write_archive(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def write_transcripts(path: Path, size: int) -> int:
    """Speech with the time of every word, in archives of a folder."""
    path.mkdir()
    words = [
        {"word": word, "start": 0.25 * n, "end": 0.25 * n + 0.2, "score": 0.9} for n, word in enumerate(CAPTION.split())
    ]
    chosen = list(videos(size, 2_310, 60))
    for part in range(0, len(chosen), 1_000):
        files = (
            (
                f"part{part}/{video_id}.json",
                json.dumps(
                    {
                        "segments": [
                            {"start": start, "end": start + CLIP_S, "text": CAPTION, "words": words} for start in starts
                        ],
                        "word_segments": words * len(starts),
                    }
                ).encode(),
            )
            for video_id, starts in chosen[part : part + 1_000]
        )
        write_archive(path / f"video_FE_part{part}.tar", files)
    return sum(len(starts) for _, starts in chosen)


def write_steps(path: Path, size: int) -> int:
    """Text features of a video with its steps, as the training code of HowToStep reads them."""
    path.mkdir()

    def content(video_id: str, starts: list[int]) -> bytes:
        buffer = io.BytesIO()
        torch.save({"vid": video_id, **parallel(starts), "features": torch.zeros(len(starts), 768)}, buffer)
        return buffer.getvalue()

    chosen = list(videos(size, 3_200, 40))
    write_archive(
        path / "HowToStep.tar", ((f"{video_id}.pth", content(video_id, starts)) for video_id, starts in chosen)
    )
    return sum(len(starts) for _, starts in chosen)


def write_chapters(path: Path, size: int) -> int:
    chosen = list(videos(size, 129, 9))
    write_object(path, ((video_id, chapters(starts)) for video_id, starts in chosen))
    return sum(len(starts) for _, starts in chosen)


def chapters(starts: list[int]) -> dict[str, Any]:
    listed = [{"label": f"{CAPTION} {start}", "time": start} for start in starts]
    return {"chapters": listed, "duration": starts[-1] + 60}


def write_pickle(path: Path, entries: Iterator[tuple[str, Any]]) -> None:
    """By ``pickle.dump``, as the release is written: the dictionary is in memory here, but not where it is read."""
    with path.open("wb") as file:
        pickle.dump(dict(entries), file)


def write_captions(path: Path, size: int) -> int:
    """The filtered variant: the texts of each clip."""
    chosen = list(videos(size, 111, 200))
    write_pickle(path, ((video_id, clips(starts, lambda text: text)) for video_id, starts in chosen))
    return sum(len(starts) for _, starts in chosen)


def write_scored(path: Path, size: int) -> int:
    """The unfiltered variant: a score with each text."""
    chosen = list(videos(size, 122, 200))
    write_pickle(path, ((video_id, clips(starts, lambda text: (text, 0.5))) for video_id, starts in chosen))
    return sum(len(starts) for _, starts in chosen)


def write_zipped(path: Path, size: int) -> int:
    """The zipped variant: each entry as compressed JSON. The texts are random, so that they do not shrink."""
    random, chosen = Random(0), list(videos(size, 64, 200))

    def entry(starts: list[int]) -> bytes:
        content = json.dumps(clips(starts, lambda _: f"rinse {random.randbytes(50).hex()}"))
        return zlib.compress(content.encode(), 1)

    write_pickle(path, ((video_id, entry(starts)) for video_id, starts in chosen))
    return sum(len(starts) for _, starts in chosen)


def clips(starts: list[int], caption: Callable[[str], Any]) -> dict[str, Any]:
    texts = [[caption(f"{CAPTION} {number:03d}")] for number in range(len(starts))]
    return {"start": starts, "end": [start + CLIP_S for start in starts], "text": texts}


def write_pickled_chapters(path: Path, size: int) -> int:
    chosen = list(videos(size, 113, 9))
    write_pickle(path, ((video_id, chapters(starts)) for video_id, starts in chosen))
    return sum(len(starts) for _, starts in chosen)


FORMS: dict[str, tuple[str, str, Write]] = {
    "WhisperX in archives": ("htm_whisperx", "parts", write_transcripts),
    "sentences": ("htm_sentences", "sentencified_htm_1200k.json", write_sentences),
    "HTM-AA": ("htm_aa", "htm_aa_v1.csv", write_htm_aa),
    "HowToCaption": ("howtocaption", "howtocaption.pickle", write_captions),
    "HowToCaption, unfiltered": ("howtocaption_grounded", "howtocaption_unfiltered.pickle", write_scored),
    "HowToCaption, zipped": ("howtocaption", "howtocaption_zipped.pickle", write_zipped),
    "HowToStep in an archive": ("howtostep", "steps", write_steps),
    "chapters": ("vidchapters", "chapters.json", write_chapters),
    "chapters, pickled": ("vidchapters", "chapters.pkl", write_pickled_chapters),
}
"""Every form of the releases: its release, the name of its file or folder, and what writes it."""


@pytest.mark.campaign
@pytest.mark.parametrize("form", FORMS)
def test_memory_is_flat_at_a_gigabyte(tmp_path: Path, form: str) -> None:
    small, large = (peak_mb(tmp_path / str(size), form, size) for size in (SMALL_BYTES, LARGE_BYTES))
    print(f"{form}: {small} MB for {SMALL_BYTES:,} bytes, {large} MB for {LARGE_BYTES:,} bytes")
    assert large - small < MOST_GROWTH_MB


def peak_mb(folder: Path, form: str, size: int) -> int:
    """Largest resident memory (MB) of a process that reads a release of about ``size`` bytes into shards."""
    release, name, write = FORMS[form]
    path = folder / name
    folder.mkdir()
    written = write(path, size)
    files = [path] if path.is_file() else list(path.iterdir())
    assert sum(file.stat().st_size for file in files) > 0.9 * size
    command = [sys.executable, "-c", READ, release, str(path), str(folder / "cache")]
    lines, megabytes = map(int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert lines == written
    shutil.rmtree(folder)
    return megabytes
