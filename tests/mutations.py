"""Real files of every kind that the project reads, and small damages of them.

A kind writes a valid file with the project's own writers, damages are bytes and lines, and reading gives the items of
the file as texts, so that an item that was lost or changed is seen.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from assets.sources.article_files import ArticleFile
from assets.sources.folder import FolderSource
from assets.sources.retail import RetailFiles
from assets.videos.id_lists import read_id_list
from ml.crosstask import files as crosstask
from ml.hero.data import annotations as hero
from ml.hero.data.features import NpzFolders, write_npz
from ml.hero.data.subtitles import Line, read_subtitles, write_subtitles
from ml.joint_embedding import benchmarks
from ml.text.word_vectors import read_word_vectors
from ml.training import read_model_folder, write_model_folder
from tests.retail_files import TRANSACTION_HEADER

COUNT = 8
NUMBERS = range(COUNT)
ODD = (
    *("NaN", "1e400", "-7", "9" * 5000, "", '"', "'", "[]", "{}", "null", "1,5"),
    *("\\ud83d", "\x00", "\t", "é", "x" * 9000),
)


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Args:
        write: writes valid files into a folder and returns the one to damage.
        read: the items of the damaged file, or of the folder around it, as texts.
        lines: whether it holds one item per line, so that a damaged line may change its own item alone.
        checked: whether its format notices any change of its bytes, by checksums.
        header: whether its first line names columns.
    """

    write: Callable[[Path], Path]
    read: Callable[[Path], list[str]]
    lines: bool = True
    checked: bool = False
    header: bool = False


def damage(content: bytes, rng: random.Random, lines: bool) -> tuple[bytes, set[int]]:
    """A damaged copy, and the numbers of the lines that differ."""
    if lines and rng.random() < 0.7:
        rows = content.split(b"\n")
        number = rng.randrange(1, max(2, len(rows) - 1))
        rows[number] = _damaged_line(rows[number], rng)
        return b"\n".join(rows), {number}
    changed = _damaged_bytes(content, rng)
    before, after = content.split(b"\n"), changed.split(b"\n")
    return changed, set(range(_alike(before, after), max(1, len(before) - _alike(before[::-1], after[::-1]))))


def _alike(left: list[bytes], right: list[bytes]) -> int:
    """How many elements at the beginning are the same."""
    pairs = zip(left, right, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))


def _damaged_line(row: bytes, rng: random.Random) -> bytes:
    place, odd = rng.randrange(len(row) + 1), rng.choice(ODD).encode()
    delimiter = b"\t" if b"\t" in row else b","
    fields = row.split(delimiter)
    fields[rng.randrange(len(fields))] = odd
    noise = rng.randbytes(3).replace(b"\n", b" ")
    inserted, cut = row[:place] + odd + row[place:], row[:place]
    return rng.choice([inserted, odd, cut, cut + noise + row[place:], delimiter.join(fields), row + row])


def _damaged_bytes(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    end = min(len(content), start + rng.randrange(1, 60))
    head, part, tail = content[:start], content[start:end], content[end:]
    flipped = bytes([part[0] ^ (1 << rng.randrange(8))]) + part[1:]
    return rng.choice(
        [head + flipped + tail, head + tail, head + rng.randbytes(len(part)) + tail, head, head + part + part + tail]
    )


def clips() -> benchmarks.EvaluationSet:
    """Clips whose captions hold quotation marks and commas."""
    rng = np.random.default_rng(1)
    streams = {name: rng.normal(size=(COUNT, 6)).astype(np.float32) for name in ("2d", "3d")}
    captions = [f'She says "cut {n}", then stirs' for n in NUMBERS]
    return benchmarks.EvaluationSet("any", "any", [f"clip{n}" for n in NUMBERS], streams, captions, np.arange(COUNT))


def _pairs(read: benchmarks.EvaluationSet) -> list[str]:
    vectors = [[stream[clip].tolist() for stream in read.streams.values()] for clip in read.clip_of_caption]
    return [
        repr(each)
        for each in zip(read.captions, vectors, (read.ids[clip] for clip in read.clip_of_caption), strict=True)
    ]


def _file(name: str, write: Callable[[Path], object], read: Callable[[Path], Iterable[Any]], **traits: bool) -> Kind:
    """A kind of one file: its name, what writes it there, and what reads its items."""

    def make(folder: Path) -> Path:
        write(folder / name)
        return folder / name

    return Kind(make, lambda path: [repr(each) for each in read(path)], **traits)


def _text(name: str, rows: Iterable[str], read: Callable[[Path], Iterable[Any]], **traits: bool) -> Kind:
    content = "".join(f"{row}\n" for row in rows)
    return _file(name, lambda path: path.write_text(content, encoding="utf-8"), read, **traits)


def _benchmark(
    name: str, write: Callable[..., None], read: Callable[..., benchmarks.EvaluationSet], **traits: bool
) -> Kind:
    """A file of rows and its features next to it; the features are damaged if ``name`` is theirs."""

    def make(path: Path) -> None:
        write(clips(), path.with_name("rows.csv"), path.with_name("features.pth"))

    return _file(
        name, make, lambda path: _pairs(read(path.with_name("rows.csv"), path.with_name("features.pth"))), **traits
    )


def _hero(name: str, items: list[Any], suffix: str = "jsonl") -> Kind:
    write, read = getattr(hero, f"write_{name}"), getattr(hero, f"read_{name}")
    return _file(f"{name}.{suffix}", lambda path: write(path, items), read)


def _subtitles(path: Path) -> Iterable[Any]:
    return read_subtitles(path).items()


def _array(path: Path) -> list[Any]:
    return [crosstask.read_array(path).tolist()]


def _words(path: Path) -> Iterable[Any]:
    read = read_word_vectors(path)
    return zip(read.words, read.vectors.tolist(), strict=True)


def _youcook2(path: Path) -> Iterable[Any]:
    read, places = benchmarks.list_youcook2(path, "val")
    return zip(read.captions, places, strict=True)


def _articles(path: Path) -> Iterable[Any]:
    source = ArticleFile(path)
    assert all(each.name.startswith(path.name) and each.problem for each in source.problems())
    return [(each.title, each.url, each.categories) for each in source.articles()]


def _transactions(path: Path) -> Iterable[Any]:
    known = path.with_name("known.csv")
    known.write_text("product_id,department\n" + "".join(f"{n},A\n" for n in range(3000)))
    rows = RetailFiles(path, known).transactions().filter("kept").drop("kept", "reason")
    return rows.collect().iter_rows()


def _folder(damaged: str) -> Kind:
    """Three videos of which one has a damaged file; the items are the two others."""

    def make(folder: Path) -> Path:
        for n in range(3):
            (folder / f"video{n}.webm").write_bytes(b"not opened here")
            info = {"id": f"video{n}", "title": f"How to Fold {n}", "duration": 60 + n, "tags": ["a", "b"]}
            (folder / f"video{n}.info.json").write_text(json.dumps(info, indent=1))
            (folder / f"video{n}.en.vtt").write_text(f"WEBVTT\n\n00:01.000 --> 00:03.500\nFold {n} times.\n")
        return folder / damaged

    def read(path: Path) -> list[str]:
        source = FolderSource(path.parent, ("Hobbies and Crafts",))
        assert all(each.name and each.problem for each in source.problems())
        found = {result.video_id for n in range(3) for result in source.search(f"how to fold {n}", 9)} - {"video1"}
        return [repr((each, source.metadata(each), source.captions(each).lines)) for each in sorted(found)]

    return Kind(make, read, lines=False, checked=True)


def _model(damaged: str) -> Kind:
    def make(path: Path) -> None:
        state = {"w": torch.arange(9.0)}
        write_model_folder(path.parent, state, {"a": 1}, {"b": 2.5}, [{"epoch": 1}, {"epoch": 2}], {})

    def read(path: Path) -> list[Any]:
        model = read_model_folder(path.parent)
        return [(model.config, model.metrics, model.inputs, model.history, model.state["w"].tolist())]

    return _file(f"model/{damaged}", make, read, lines=False)


DESCRIPTIONS = [hero.Description(n, f"He, {n}.", f"v{n}", ((1.0, 2.5 + n),), 60.0, "v") for n in NUMBERS]
HOW2R = [hero.Description(n, f'a "b", {n}', f"v{n}", ((1.0, 2.0),), clip=(0.0, 60.0)) for n in NUMBERS]
QUESTIONS = [hero.Question(n, f"Why {n}?", tuple("abcde"), 2, f"v{n}", (1.0, 2.0)) for n in NUMBERS]
HOW2QA = [hero.Question(n, f"Why, {n}?", ("a", "b", "c", f"d{n}"), 3, f"v{n}", (1.0, 2.0)) for n in NUMBERS]
STATEMENTS = [hero.Statement(f"{n}-0", f"He {n}.", f"v{n}", n % 2 == 0) for n in NUMBERS]
CAPTIONED = [hero.CaptionedClip(n, f"v{n}", 60.0, (1.0, 2.0), ((n, "He"),)) for n in NUMBERS]
SUBTITLES = {f"v{n}": [Line(0.5, 2.0, f"go {n}")] for n in NUMBERS}
TASKS = [crosstask.Task(str(n), f"Do {n}", "u", ("cut", "stir")) for n in NUMBERS]
TASK_VIDEOS = [crosstask.TaskVideo(str(n), f"v{n}", "u") for n in NUMBERS]
INTERVALS = [crosstask.Interval(n, n + 0.5, n + 2.0) for n in NUMBERS]
ARRAY = np.arange(12.0).reshape(3, 4)
VECTORS = [f"word{n} {n}.5 {n + 1}.5 {n + 2}.5" for n in NUMBERS]
WORDS = [f"word{n} ".encode() + np.arange(4, dtype="<f4").tobytes() for n in NUMBERS]
BINARY = f"{COUNT} 4\n".encode() + b"".join(WORDS)
CLIPS = ["end,start,task,text,video_id", *(f'{n + 2},{n},1,"cut, {n}",v{n}' for n in NUMBERS)]
ID_ROWS = ["text,video_id", *(f'"a, {n}",video000{n}' for n in NUMBERS)]
SOLD = [TRANSACTION_HEADER, *(f"b{n},{n}.0,h,s,1,2.5,2026-03-{n + 10}" for n in NUMBERS)]
SOLD_ROWS = pl.DataFrame({"basket_id": [n // 3 for n in range(3000)], "product_id": [str(n) for n in range(3000)]})
ARTICLES = ["title,categories,url", *(f'"Fold, {n}",Hobbies>Origami,u{n}' for n in NUMBERS)]
TITLES = pl.DataFrame({"title": [f"Fold {n}" for n in range(2000)]})

KINDS: dict[str, Kind] = {
    "YouCook2 pickle": _file(
        "val.pkl",
        lambda path: benchmarks.write_youcook2(clips(), path),
        lambda path: _pairs(benchmarks.read_youcook2(path, "val")),
        lines=False,
    ),
    "YouCook2 csv": _text("clips.csv", CLIPS, _youcook2, header=True),
    "MSR-VTT csv": _benchmark(
        "rows.csv", benchmarks.write_msrvtt_test, lambda rows, _: benchmarks.list_msrvtt_test(rows)
    ),
    "LSMDC": _benchmark("rows.csv", benchmarks.write_lsmdc, lambda rows, _: benchmarks.list_lsmdc(rows, "test")),
    "features": _benchmark(
        "features.pth", benchmarks.write_msrvtt_test, benchmarks.read_msrvtt_test, lines=False, checked=True
    ),
    "TVR": _hero("tvr", DESCRIPTIONS),
    "How2R": _hero("how2r", HOW2R, "csv"),
    "How2QA": _hero("how2qa", HOW2QA, "csv"),
    "TVQA": _hero("tvqa", QUESTIONS),
    "VIOLIN": _hero("violin", STATEMENTS),
    "TVC": _hero("tvc", CAPTIONED),
    "subtitles": _file(
        "s.jsonl", lambda path: write_subtitles(path, SUBTITLES), lambda path: read_subtitles(path).items()
    ),
    "HERO npz": _file(
        "a.npz",
        lambda path: write_npz(path.parent, [("a", ARRAY)]),
        lambda path: [NpzFolders([path.parent]).rows("a").tolist()],
        lines=False,
        checked=True,
    ),
    "CrossTask tasks": _file(
        "tasks.txt",
        lambda path: crosstask.write_tasks(TASKS, path),
        lambda path: crosstask.read_tasks(path).values(),
        lines=False,
    ),
    "CrossTask videos": _file("v.csv", lambda path: crosstask.write_videos(TASK_VIDEOS, path), crosstask.read_videos),
    "CrossTask intervals": _file(
        "i.csv", lambda path: crosstask.write_intervals(INTERVALS, path), crosstask.read_intervals
    ),
    "npy": _file("a.npy", lambda path: np.save(path, ARRAY), _array, lines=False),
    "id list": _text("ids.txt", (f"video000{n}.mp4" for n in NUMBERS), read_id_list),
    "id csv": _text(
        "ids.csv", ["text,video_id", *(f'"a, {n}",video000{n}' for n in NUMBERS)], read_id_list, header=True
    ),
    "word vectors text": _text("w.txt", VECTORS, _words),
    "word vectors binary": _file("w.bin", lambda path: path.write_bytes(BINARY), _words, lines=False),
    "model config": _model("config.json"),
    "model history": _model("training.jsonl"),
    "model weights": _model("model.safetensors"),
    "transactions csv": _text("sold.csv", SOLD, _transactions, header=True),
    "transactions parquet": _file("sold.parquet", SOLD_ROWS.write_parquet, _transactions, lines=False),
    "articles csv": _text("a.csv", ARTICLES, _articles, header=True),
    "articles jsonl": _text("a.jsonl", (json.dumps({"title": f"Fold {n}"}) for n in NUMBERS), _articles),
    "articles parquet": _file("a.parquet", TITLES.write_parquet, _articles, lines=False),
    "info file in a folder": _folder("video1.info.json"),
    "captions in a folder": _folder("video1.en.vtt"),
}
"""By name."""
