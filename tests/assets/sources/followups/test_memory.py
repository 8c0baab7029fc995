"""Releases of a gigabyte are read in memory that does not grow with them."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BYTES = 1_000_000_000
MOST_MB = 700
"""Largest resident memory of the reading process. The interpreter with its libraries takes 250 of it."""

CAPTION = "she rinses the rice under cold running water until the water runs clear and then drains it well"

READ = """
import resource, sys
from pathlib import Path
from assets.sharding import Sharding
from assets.sources.followups.shards import ReleaseShards
release, path, cache = sys.argv[1:]
counts = ReleaseShards(release, Path(path), Path(cache), Sharding(64)).prepare()
assert counts["set_aside"] == 0, counts
print(counts["lines"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000)
"""


def videos() -> Iterator[tuple[str, list[int]]]:
    return ((f"video{number:06d}", list(range(0, 1600, 8))) for number in range(BYTES // (200 * 120)))


def write_htm_aa(path: Path) -> int:
    lines = 0
    with path.open("w") as file:
        file.write("vid,timestamp,text\n")
        for video_id, starts in videos():
            file.writelines(f"{video_id},{start},{CAPTION}\n" for start in starts)
            lines += len(starts)
    return lines


def write_sentences(path: Path) -> int:
    lines = 0
    with path.open("w") as file:
        separator = "{"
        for video_id, starts in videos():
            entry = {"text": [CAPTION] * len(starts), "start": starts, "end": [start + 8.5 for start in starts]}
            file.write(f'{separator}"{video_id}": {json.dumps(entry)}')
            separator = ", "
            lines += len(starts)
        file.write("}")
    return lines


def write_pickle(path: Path) -> int:
    """A dictionary in protocol 2, written entry by entry, so that writing it needs no memory either."""
    lines = 0
    with path.open("wb") as file:
        file.write(b"\x80\x02}")
        for video_id, starts in videos():
            texts = [[f"{CAPTION} {number}"] for number in range(len(starts))]
            entry = {"start": starts, "end": [start + 8 for start in starts], "text": texts}
            key, value = (pickle.dumps(each, 2)[2:-1] for each in (video_id, entry))
            file.write(key + value + b"s")
            lines += len(starts)
        file.write(b".")
    return lines


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("release", "write"),
    [("htm_aa", write_htm_aa), ("htm_sentences", write_sentences), ("howtocaption", write_pickle)],
)
def test_memory_is_flat_at_a_gigabyte(tmp_path: Path, release: str, write: Callable[[Path], int]) -> None:
    path = tmp_path / "release"
    written = write(path)
    assert path.stat().st_size > 0.9 * BYTES
    command = [sys.executable, "-c", READ, release, str(path), str(tmp_path / "cache")]
    lines, megabytes = map(int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert lines == written
    assert megabytes < MOST_MB
