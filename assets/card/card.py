"""Making the card and writing it as HTML and Markdown.

Belongs here: the order of the chapters, and how a card becomes files. What is told is in ``sections``.
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

from jinja2 import Environment, PackageLoader, StrictUndefined

from assets.card import sections
from assets.card.blocks import KINDS, Card, TreeMap, number
from assets.card.changes import changes_since
from assets.card.options import CardOptions
from assets.card.samples import draw
from assets.card.treemap import Area, squarified
from assets.lake import Lake, LakeError
from assets.lake.snapshot import Snapshot
from ml.files import whole_file

NEEDED = ("dataset_statistics", "tasks", "videos", "clips")
SMALLEST_AREA = 0.004
"""Share of the tree map below which parts of a category are drawn as one."""
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
        media_root: folder of the videos; where a file is missing, the card says so.
        model_root: folder of the model folders.
        settings: settings worth telling, by name.
        snapshot: the snapshot's id; None for the newest.
        previous: snapshot of an earlier card; None if there was none, or if it has expired.

    Raises:
        LakeError: there is no such snapshot, or a table is missing that the card cannot do without.
    """
    now = Snapshot(lake, snapshot)
    if missing := [table for table in NEEDED if not now.has(table)]:
        raise LakeError(f"{missing[0]}: not in snapshot {now.number}; materialise the asset {missing[0]} first")
    generated, total = sections.synthetic_videos(now)
    clips = draw(now, media_root, options.samples, options.seed) if options.samples else []
    chapters = [
        sections.what_it_is(now),
        sections.sample_clips(clips, generated == total),
        sections.beside_howto100m(now),
        sections.categories_map(now),
        sections.distributions(now),
        sections.funnel(now),
        sections.product_graph(now),
        sections.quality(now),
        sections.models(now),
        changes_since(now, _earlier(lake, previous)),
        sections.provenance(now, sections.inputs_of_models(model_root), settings),
        sections.licence(generated, total),
    ]
    kind = "synthetic how-to videos" if generated == total and total else "narrated how-to videos"
    clips_made = number(now.rows("clips"))
    summary = (
        f"{number(total)} {kind}, {clips_made} clips with captions. Snapshot {now.number}, {now.made_at:%-d %B %Y}."
    )
    return Card("HowTo Lake", summary, bool(generated), now.number, chapters)


def write_card(folder: Path, card: Card) -> None:
    """Write ``card.html``, ``card.md`` and, for the next card, ``card.json`` into a folder, each file whole."""
    record = json.dumps({"snapshot": card.snapshot}) + "\n"
    for name, text in zip(FILES, (as_html(card), as_markdown(card), record), strict=True):
        with whole_file(folder / name) as new:
            new.write_text(text, encoding="utf-8")


def previous_snapshot(folder: Path) -> int | None:
    """Snapshot of the card that was written into the folder; None if there is none."""
    path = folder / "card.json"
    return int(json.loads(path.read_text(encoding="utf-8"))["snapshot"]) if path.exists() else None


def card_version(folder: Path) -> str | None:
    """Hash of the card's files; None if one is missing."""
    if not all((folder / name).exists() for name in FILES):
        return None
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in FILES)).hexdigest()[:16]


def as_html(card: Card) -> str:
    """The card as one page that needs no other file."""
    return _templates(autoescape=True).get_template("card.html").render(card=card, areas=_areas)


def as_markdown(card: Card) -> str:
    """The card as Markdown, without pictures; what others wrote stands in it as plain text."""
    text = _templates(autoescape=False).get_template("card.md").render(card=card)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


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
    templates.tests |= {kind.__name__.lower(): _being(kind) for kind in KINDS}
    templates.filters |= {"clock": _clock, "data_uri": _data_uri, "plain": plain, "number": number}
    return templates


def _being(kind: type) -> Callable[[object], bool]:
    return lambda block: isinstance(block, kind)


def plain(text: str) -> str:
    """Text in which Markdown and HTML find nothing to act on."""
    escaped = re.sub(r"([\\`*_\[\]#|~])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _areas(block: TreeMap) -> list[dict[str, Any]]:
    """Each part with its place in percent of the map; parts of a group lie together, small ones as one."""
    least = SMALLEST_AREA * sum(size for _, _, size in block.rows)
    by_group = groupby(sorted(block.rows, key=lambda row: row[0]), key=lambda row: row[0])
    groups = {name: _large_parts([(part, size) for _, part, size in parts], least) for name, parts in by_group}
    totals = {name: sum(size for _, size in parts) for name, parts in groups.items()}
    ordered = sorted(groups, key=lambda name: (-totals[name], name))
    placed = []
    for turn, (name, area) in enumerate(
        zip(ordered, squarified([totals[name] for name in ordered], Area(0, 0, 100, 100)), strict=True)
    ):
        places = squarified([size for _, size in groups[name]], area)
        for (part, size), place in zip(groups[name], places, strict=True):
            placed.append({"group": name, "part": part, "size": size, "turn": turn, "place": place})
    return placed


def _large_parts(parts: list[tuple[str, float]], least: float) -> list[tuple[str, float]]:
    """Parts, largest first; those smaller than ``least`` are one if there are several."""
    small = [size for _, size in parts if size < least]
    if len(small) > 1:
        parts = [(part, size) for part, size in parts if size >= least] + [(f"{len(small)} more", sum(small))]
    return sorted(parts, key=lambda part: -part[1])
