"""The chapters of the card, from one snapshot's tables. Belongs here: what is told, and beside what.

How chapters look is told in ``templates``; sample clips are drawn in ``samples``; changes are found in ``changes``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from assets.card.blocks import Bars, Block, Figures, SampleClip, Samples, Section, Table, Text, TreeMap, number, share
from assets.card.published import CATEGORIES, MEANS, PROBES
from assets.lake.snapshot import Snapshot
from assets.models.folder import MODEL_FILES

DISTRIBUTIONS = (
    ("Clips of a video", "clips_per_video", "videos"),
    ("Seconds of a clip", "clip_seconds", "clips"),
    ("Words of a caption", "caption_words", "clips"),
    ("Videos by best search rank", "rank_histogram", "videos"),
    ("Where captions come from", "caption_sources", "videos"),
)
"""Title, statistic, and the measure of it that is drawn."""


def synthetic_videos(snapshot: Snapshot) -> tuple[int, int]:
    """How many of the kept videos are generated data, and how many there are."""
    counted = snapshot.sql("SELECT count(*) FILTER (source = 'synthetic'), count(*) FROM {videos} WHERE kept")
    generated, total = counted.row(0)
    return generated, total


def what_it_is(snapshot: Snapshot) -> Section:
    """The data set in words and headline numbers."""
    size = _first(snapshot, "overview")
    spoken = _first(snapshot, "spoken_words")
    generated, total = synthetic_videos(snapshot)
    blocks: list[Block] = [
        Figures(
            [
                (number(size.get("tasks")), "tasks", f"in {number(size.get('categories'))} categories"),
                (number(size.get("videos")), "videos", f"{number(size.get('video_hours'))} hours"),
                (number(size.get("clips")), "clips with captions", f"{number(size.get('clip_hours'))} hours"),
                (number(size.get("mean_clip_s")), "seconds a clip", "on average"),
                (number(spoken.get("words")), "words a caption", "on average"),
            ]
        ),
        Text(
            "Clips of narrated how-to videos, each with what is said during it. Tasks are titles of how-to articles."
            " Videos were searched for by “how to” and the title, filtered, and cut where their caption lines begin and"
            " end, the way HowTo100M was made (arXiv 1906.03327, section 3). A caption tells what is said, which is"
            " not always what is seen."
        ),
    ]
    if generated:
        some = f"All {number(total)}" if generated == total else f"{number(generated)} of the {number(total)}"
        blocks.append(
            Text(
                f"{some} videos are synthetic: a program drew and narrated them, so that every step of the pipeline can"
                " run anywhere. Their numbers say that the pipeline works; they say nothing of real videos.",
                strong=True,
            )
        )
    return Section("what", "What it is", blocks)


def beside_howto100m(snapshot: Snapshot) -> Section:
    """The paper's tables with this lake's numbers in them."""
    sets = snapshot.statistic("data_sets")
    measures = ("tasks", "videos", "clips", "video_hours")
    others = [[row["item"], *(number(row.get(name)) for name in measures)] for row in sets.iter_rows(named=True)]
    own = {**_first(snapshot, "overview"), **_first(snapshot, "spoken_words")}
    named = {
        "mean_video_minutes": "minutes of a video",
        "clips_per_video": "clips of a video",
        "mean_clip_s": "seconds of a clip",
        "words_without_stop_words": "words of a caption, without stop words",
    }
    means = [[words, number(own.get(name)), number(MEANS[name])] for name, words in named.items()]
    cuts = snapshot.statistic("ranks")
    ranks = [
        [row["item"], number(row["videos"]), share(row["share"]), number(row["videos_in_howto100m"])]
        for row in cuts.iter_rows(named=True)
    ]
    return Section(
        "papers",
        "Beside HowTo100M and other data sets",
        [
            Table(
                "Sizes",
                ("data set", "tasks", "videos", "clips", "hours of video"),
                others,
                "Other data sets as arXiv 1906.03327 and 1903.08225 tell; – is not told there.",
            ),
            Table("Means", ("mean", "this lake", "HowTo100M"), means, "HowTo100M: section 3 of the paper."),
            _categories(snapshot),
            Table(
                "Videos that a cut by search rank leaves",
                ("cut", "this lake", "share", "HowTo100M"),
                ranks,
                "HowTo100M: the subsets of its study of scale.",
            ),
        ],
    )


def _categories(snapshot: Snapshot) -> Table:
    own = {row["item"]: row for row in snapshot.statistic("categories").iter_rows(named=True)}
    rows = []
    for name in [*own, *(name for name in CATEGORIES if name not in own)]:
        here, there = own.get(name, {}), CATEGORIES.get(name, (None, None, None))
        counts = ("tasks", "videos", "clips")
        rows.append(
            [
                name,
                *(number(here.get(count, 0)) for count in counts),
                number(here.get("clip_hours", 0)),
                *map(number, there),
            ]
        )
    header = ("category", "tasks", "videos", "clips", "hours of clips", "HT100M tasks", "HT100M videos", "HT100M clips")
    return Table("Categories", header, rows, "HT100M: HowTo100M's table of categories, rounded as it is there.")


def categories_map(snapshot: Snapshot) -> Section:
    """Clips of each category and of its parts."""
    counted = snapshot.sql(
        "SELECT videos.category_1 AS category, coalesce(videos.category_2, 'not told') AS part, count(*) AS clips"
        " FROM {clips} AS clips INNER JOIN {videos} AS videos ON clips.video_id = videos.video_id"
        " GROUP BY ALL ORDER BY clips DESC, category, part"
    )
    rows = [(category, part, float(clips)) for category, part, clips in counted.iter_rows()]
    return Section("map", "Categories by clips", [TreeMap("Clips by category and its parts", "clips", rows)])


def distributions(snapshot: Snapshot) -> Section:
    """How numbers of the clips and videos are spread."""
    drawn: list[Block] = []
    for title, name, measure in DISTRIBUTIONS:
        told = snapshot.statistic(name)
        rows = [(row["item"], float(row[measure]), number(row[measure])) for row in told.iter_rows(named=True)]
        drawn.append(Bars(f"{title} ({measure})", rows))
    quantiles = [
        [row["item"], number(row["clip_s"]), number(row["caption_words"]), number(row["clips_per_video"])]
        for row in snapshot.statistic("quantiles").iter_rows(named=True)
    ]
    drawn.append(
        Table("Quantiles", ("at most", "seconds of a clip", "words of a caption", "clips of a video"), quantiles)
    )
    return Section("distributions", "Distributions", drawn)


def funnel(snapshot: Snapshot) -> Section:
    """What each filter kept and dropped."""
    rows = snapshot.statistic("funnel").iter_rows(named=True)
    told = [(*row["item"].split(": ", 1), row["row_count"], row["share_of_stage"]) for row in rows]
    blocks: list[Block] = [
        Text("Nothing is dropped silently: each row that a filter drops stays in its table, with the first reason.")
    ]
    for stage, members in groupby(told, key=lambda row: row[0]):
        bars = [(reason, float(count), f"{number(count)} · {share(part)}") for _, reason, count, part in members]
        blocks.append(Bars(stage[2:].capitalize(), bars))
    return Section("funnel", "What the filters kept and dropped", blocks)


def sample_clips(clips: list[SampleClip], generated: bool) -> Section:
    """Some clips with their frames."""
    if not clips:
        return Section("samples", "Sample clips", [Text("This card was made without sample clips.")])
    note = "A random clip of each of some random videos, with frames from its start, middle and end."
    source = "Synthetic frames: drawn, not filmed." if generated else "Titles, captions and frames are their makers'."
    return Section("samples", "Sample clips", [Text(f"{note} {source}"), Samples(clips)])


def product_graph(snapshot: Snapshot) -> Section:
    """The products that are bought together, beside the videos."""
    title = "The product graph"
    size = _first(snapshot, "co_purchase_graph", "graph")
    if not size:
        return Section("graph", title, [Text("Not counted yet: materialise the asset graph_statistics.")])
    sources = []
    if snapshot.has("retail_source"):
        sources = snapshot.sql("SELECT source FROM {retail_source} ORDER BY source")["source"].to_list()
    drawn: list[Block] = [
        Text(f"Products that are bought together, from {', '.join(sources) or 'a source that is not told'}."),
        Figures(
            [
                (number(size.get("nodes")), "products", "with an edge"),
                (number(size.get("edges")), "pairs of products", "kept as edges"),
                (number(size.get("mean_degree")), "neighbours a product", "on average"),
                (share(size.get("homophily")), "of edges", "join products of one label"),
                (share(size.get("edge_cut")), "of edges", "lie between clusters"),
            ]
        ),
    ]
    for heading, name, measure in (("Products", "products", "products"), ("Labels (products)", "labels", "nodes")):
        told = snapshot.statistic(name, "graph").iter_rows(named=True)
        drawn.append(Bars(heading, [(row["item"], float(row[measure]), number(row[measure])) for row in told]))
    return Section("graph", title, drawn)


def quality(snapshot: Snapshot) -> Section:
    """What people saw in drawn clips and videos."""
    title = "Quality, as people see it"
    if not snapshot.has("quality_probes") or not snapshot.rows("quality_probes"):
        return Section("quality", title, [Text("Not looked at yet: materialise the asset quality_probes.")])
    rows = []
    for row in snapshot.sql("FROM {quality_probes} ORDER BY probe, label").iter_rows(named=True):
        interval = "–" if row["share"] is None else f"{share(row['share_low'])} to {share(row['share_high'])}"
        paper = share(PROBES.get((row["probe"], row["label"])))
        labelled = f"{number(row['labelled'])} of {number(row['drawn'])}"
        rows.append([f"{row['probe']}: {row['label']}", labelled, share(row["share"]), interval, paper])
    note = "pairs: is an object or action of the caption visible in the clip? videos: what kind is it?"
    if all(row[2] == "–" for row in rows):
        note += " Nobody has filled in the review sheets yet."
    header = ("probe", "looked at", "share", "95 % interval", "HowTo100M")
    return Section("quality", title, [Table("Probes", header, rows, note)])


def models(snapshot: Snapshot) -> Section:
    """What the models score, each beside its baselines."""
    title = "What models reach on it"
    if not snapshot.has("evaluations") or not snapshot.rows("evaluations"):
        return Section("models", title, [Text("No model has been measured yet.")])
    found = snapshot.sql("FROM {evaluations} ORDER BY model, benchmark, split, method = model DESC, method, metric")
    blocks: list[Block] = []
    for (model, benchmark, split), rows in found.group_by("model", "benchmark", "split", maintain_order=True):
        table = rows.pivot("metric", index="method", values="value")
        metrics = sorted(table.drop("method").columns, key=_natural)
        shown = [
            [each["method"].replace("_", " "), *(_score(each[name]) for name in metrics)]
            for each in table.iter_rows(named=True)
        ]
        queries = number(int(rows["queries"].max()))  # type: ignore[arg-type]
        measured_on = ", ".join(map(str, rows["snapshot"].unique().sort()))
        note = f"{queries} queries or items of the {split} split, measured on snapshot {measured_on}."
        name = str(model).replace("_", " ")
        blocks.append(
            Table(f"{name}: {benchmark}", ("method", *(metric.replace("_", " ") for metric in metrics)), shown, note)
        )
    return Section("models", title, blocks)


def provenance(
    snapshot: Snapshot, model_inputs: Mapping[str, Mapping[str, Any]], settings: Mapping[str, str]
) -> Section:
    """From what, when and with which code and settings it was made."""
    made = f"{snapshot.made_at:%Y-%m-%d %H:%M} UTC"
    blocks: list[Block] = [
        Text(
            f"Snapshot {snapshot.number} of the lake, of {made}. As long as it is kept, each table can be read as it"
            f" was then, e.g. FROM clips AT (VERSION => {snapshot.number})."
        )
    ]
    if snapshot.has("video_source"):
        told = snapshot.sql("SELECT source, version, strftime(listed_at, '%Y-%m-%d %H:%M') FROM {video_source}")
        blocks.append(Table("Sources of videos", ("source", "version", "looked at (UTC)"), [*told.iter_rows()]))
    if model_inputs:
        rows = [
            [name.replace("_", " "), str(told.get("lake_snapshot", "–")), str(told.get("code_version", "–"))]
            for name, told in model_inputs.items()
        ]
        blocks.append(Table("Models", ("model", "trained on snapshot", "code version"), rows))
    if settings:
        blocks.append(Table("Settings that are not the default", ("setting", "value"), [*settings.items()]))
    counts = [[name, number(snapshot.rows(name))] for name in snapshot.tables]
    blocks.append(Table("Tables", ("table", "rows"), counts))
    return Section("provenance", "Provenance", blocks)


def licence(generated: int, total: int) -> Section:
    """What may be done with it, and what should be thought of."""
    blocks: list[Block] = []
    if generated:
        blocks.append(
            Text(
                "Of the synthetic videos everything may be shared, under the licence of this project (Apache-2.0). No"
                " person, voice or brand is in them."
            )
        )
    if generated < total or not total:
        blocks += [
            Text(
                "Share ids, times and numbers; do not share videos. Files, frames, titles and captions belong to those"
                " who made them, and their terms, not this project's, say what may be done with them. This page shows"
                " samples of them: keep it where the videos may be kept, or make it without samples.",
                strong=True,
            ),
            Text(
                "Whoever takes a video down takes it out of the data set: ids that are gone should be dropped from"
                " copies too. People are seen and heard who did not agree to be studied: do not identify them, and"
                " do not learn faces or voices from them."
            ),
        ]
    blocks.append(
        Text(
            "What to expect: tasks are those that WikiHow's authors wrote about, videos those that a search engine"
            " ranks high and many have watched. Captions are mostly made by speech recognition, which errs more for"
            " some voices than for others. Models learned from it carry all of this on."
        )
    )
    return Section("licence", "Licence and ethics", blocks)


def inputs_of_models(root: Path) -> dict[str, dict[str, Any]]:
    """What each whole model folder says that it was trained on."""
    found = {}
    for folder in sorted(path for path in root.glob("*") if all((path / name).exists() for name in MODEL_FILES)):
        found[folder.name] = json.loads((folder / "inputs.json").read_text(encoding="utf-8"))
    return found


def _first(snapshot: Snapshot, statistic: str, subject: str = "videos") -> dict[str, Any]:
    """The measures of a statistic that has one item."""
    told = snapshot.statistic(statistic, subject)
    return told.row(0, named=True) if len(told) else {}


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """A key by which R@5 stands before R@10."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)]


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if abs(value) <= 1 else number(value)
