"""Making a data set card and writing it as HTML and Markdown.

See ``sections``, ``results``, ``usage`` and ``changes`` for its content.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import squarify
from jinja2 import Environment, PackageLoader, StrictUndefined

from assets.card import results, sections, usage
from assets.card.blocks import KINDS, Card, Section, Text, TreeMap, number
from assets.card.changes import changes_since
from assets.card.options import CardOptions
from assets.card.samples import draw
from assets.lake import Lake, LakeError
from assets.lake.snapshot import Snapshot
from ml.files import whole_file

NEEDED = ("dataset_statistics", "tasks", "videos", "clips")
SMALLEST_AREA = 0.004
"""Share of the tree map below which the parts of a category are merged."""
FILES = ("card.html", "card.md", "card.json")


def make_card(
    lake: Lake,
    media_root: Path,
    model_root: Path,
    settings: Mapping[str, str],
    options: CardOptions,
    snapshot: int | None = None,
    previous: int | None = None,
) -> Card:
    """The card of a snapshot.

    Args:
        media_root: folder of the videos; the card reports missing files.
        model_root: folder of the model folders.
        settings: settings to list, by name.
        snapshot: id of the snapshot; None for the newest.
        previous: snapshot of an earlier card; None if there was none, or if it has expired.

    Raises:
        LakeError: the snapshot does not exist, or a required table is missing.
    """
    now = Snapshot(lake, snapshot)
    if missing := [table for table in NEEDED if not now.has(table)]:
        raise LakeError(f"{missing[0]}: not in snapshot {now.number}; materialize the asset {missing[0]} first")
    generated, total = sections.synthetic_videos(now)
    clips = draw(now, media_root, options.samples, options.seed) if options.samples else []
    chapters = [
        sections.what_it_is(now),
        sections.sample_clips(clips, generated == total),
        usage.loading(now, settings),
        sections.comparison(now),
        sections.categories_map(now),
        sections.distributions(now),
        sections.funnel(now),
        sections.product_graph(now),
        sections.quality(now),
        sections.availability(now),
        results.models(now),
        _changes(now, _earlier(lake, previous)),
        usage.schema(now),
        usage.provenance(now, usage.inputs_of_models(model_root), settings),
        usage.licence(generated, total),
        usage.citation(now),
    ]
    kind = "synthetic how-to videos" if generated == total and total else "narrated how-to videos"
    clips_made = number(now.rows("clips"))
    summary = (
        f"{number(total)} {kind}, {clips_made} clips with captions. Snapshot {now.number}, {now.made_at:%-d %B %Y}."
    )
    return Card("HowTo Lake", summary, bool(generated), now.number, chapters)


def write_card(folder: Path, card: Card) -> None:
    """Write ``card.html``, ``card.md``, and ``card.json`` for the next card; each file is replaced atomically."""
    record = json.dumps({"snapshot": card.snapshot}) + "\n"
    for name, text in zip(FILES, (as_html(card), as_markdown(card), record), strict=True):
        with whole_file(folder / name) as new:
            new.write_text(text, encoding="utf-8")


def previous_snapshot(folder: Path) -> int | None:
    """Snapshot of the card in a folder; None if there is none."""
    path = folder / "card.json"
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["snapshot"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # a damaged card is replaced like one that is missing
        return None


def card_version(folder: Path) -> str | None:
    """Hash of the card's files; None if one is missing."""
    if not all((folder / name).exists() for name in FILES):
        return None
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in FILES)).hexdigest()[:16]


def as_html(card: Card) -> str:
    """The card as one self-contained page."""
    return _templates(autoescape=True).get_template("card.html").render(card=card, areas=_areas)


def as_markdown(card: Card) -> str:
    """The card as Markdown without pictures; text from sources is escaped."""
    text = _templates(autoescape=False).get_template("card.md").render(card=card)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _changes(now: Snapshot, then: Snapshot | None) -> Section:
    """The changes since an earlier snapshot; of one whose files are lost it is stated that it cannot be read."""
    try:
        return changes_since(now, then)
    except duckdb.Error:  # DuckDB has several errors for a file that is missing, cut or overwritten
        number = "" if then is None else f" {then.number}"
        text = f"Snapshot{number} of the previous card cannot be read any more."
        return Section("changes", "Changes", [Text(text)])


def _earlier(lake: Lake, previous: int | None) -> Snapshot | None:
    known = lake.sql("SELECT snapshot_id FROM lake.snapshots()").fetchall()
    return Snapshot(lake, previous) if (previous,) in known else None


def _templates(autoescape: bool) -> Environment:
    templates = Environment(
        loader=PackageLoader("assets.card"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.tests |= {kind.__name__.lower(): _is_a(kind) for kind in KINDS}
    templates.filters |= {"clock": _clock, "data_uri": _data_uri, "plain": plain, "number": number}
    return templates


def _is_a(kind: type) -> Callable[[object], bool]:
    return lambda block: isinstance(block, kind)


def plain(text: str) -> str:
    """Text on one line with all Markdown and HTML syntax escaped."""
    escaped = re.sub(r"([\\`*_\[\]#|~])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _areas(block: TreeMap) -> list[dict[str, Any]]:
    """Each part with its position in percent of the map. Parts of a group are adjacent; small parts are merged."""
    least = SMALLEST_AREA * sum(size for _, _, size in block.rows)
    by_group = groupby(sorted(block.rows, key=lambda row: row[0]), key=lambda row: row[0])
    groups = {name: _large_parts([(part, size) for _, part, size in parts], least) for name, parts in by_group}
    totals = {name: sum(size for _, size in parts) for name, parts in groups.items()}
    ordered = sorted(groups, key=lambda name: (-totals[name], name))
    areas = []
    for hue, (name, whole) in enumerate(zip(ordered, _squarified([totals[name] for name in ordered]), strict=True)):
        places = _squarified([size for _, size in groups[name]], **whole)
        for (part, size), place in zip(groups[name], places, strict=True):
            areas.append({"group": name, "part": part, "size": size, "hue": hue, **place})
    return areas


def _squarified(
    sizes: list[float], x: float = 0, y: float = 0, dx: float = 100, dy: float = 100
) -> list[dict[str, float]]:
    """Rectangles ``x, y, dx, dy`` of areas proportional to ``sizes`` (largest first) that fill a rectangle."""
    return squarify.squarify(squarify.normalize_sizes(sizes, dx, dy), x, y, dx, dy)


def _large_parts(parts: list[tuple[str, float]], least: float) -> list[tuple[str, float]]:
    """Parts, largest first; several parts smaller than ``least`` are merged into one."""
    small = [size for _, size in parts if size < least]
    if len(small) > 1:
        parts = [(part, size) for part, size in parts if size >= least] + [(f"{len(small)} more", sum(small))]
    return sorted(parts, key=lambda part: -part[1])
