"""The sections of a card that describe the data, from the tables of one snapshot.

See ``results`` for the models' scores, ``usage`` for loading and provenance, ``templates`` for the layout.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import polars as pl

from assets.card.blocks import Bars, Block, Figures, SampleClip, Samples, Section, Table, Text, TreeMap, number, share
from assets.card.published import CATEGORIES, MEANS, PROBES
from assets.lake.snapshot import Snapshot

DISTRIBUTIONS = (
    ("Clips per video", "clips_per_video", "videos"),
    ("Seconds per clip", "clip_seconds", "clips"),
    ("Words per caption", "caption_words", "clips"),
    ("Videos by best search rank", "rank_histogram", "videos"),
    ("Sources of captions", "caption_sources", "videos"),
    ("Languages of captions", "spoken_languages", "clips"),
    ("Licences of videos", "licenses", "videos"),
    ("Videos by year of upload", "upload_years", "videos"),
)
"""Title, statistic, and the measure of the statistic that is plotted."""


def synthetic_videos(snapshot: Snapshot) -> tuple[int, int]:
    """The number of synthetic videos among the kept ones, and the number of kept ones."""
    counted = snapshot.sql("SELECT count(*) FILTER (source = 'synthetic'), count(*) FROM {videos} WHERE kept")
    generated, total = counted.row(0)
    return generated, total


def what_it_is(snapshot: Snapshot) -> Section:
    """A description of the data set, and headline numbers."""
    size = _first(snapshot, "overview")
    spoken = _first(snapshot, "spoken_words")
    generated, total = synthetic_videos(snapshot)
    blocks: list[Block] = [
        Figures(
            [
                (number(size.get("tasks")), "tasks", f"in {number(size.get('categories'))} categories"),
                (number(size.get("videos")), "videos", f"{number(size.get('video_hours'))} hours"),
                (number(size.get("clips")), "clips with captions", f"{number(size.get('clip_hours'))} hours"),
                (number(size.get("mean_clip_s")), "seconds per clip", "on average"),
                (number(spoken.get("words")), "words per caption", "on average"),
            ]
        ),
        Text(
            "Clips of narrated how-to videos with their captions. Tasks are titles of how-to articles. The videos were"
            " found by searching for “how to” and the title, filtered, and cut at their caption lines, as HowTo100M was"
            " made (arXiv 1906.03327, section 3). A caption contains the words spoken during the clip, which do not"
            " always describe what is visible."
        ),
    ]
    if generated:
        some = f"All {number(total)}" if generated == total else f"{number(generated)} of the {number(total)}"
        blocks.append(
            Text(
                f"{some} videos are synthetic: a program generated their pictures and narration, so that every step of"
                " the pipeline runs without real videos. Numbers on this page do not apply to real videos.",
                strong=True,
            )
        )
    return Section("what", "Overview", blocks)


def comparison(snapshot: Snapshot) -> Section:
    """This lake compared with HowTo100M and the data sets that its paper lists."""
    sets = snapshot.statistic("data_sets")
    measures = ("tasks", "videos", "clips", "video_hours")
    others = [[row["item"], *(number(row.get(name)) for name in measures)] for row in sets.iter_rows(named=True)]
    own = {**_first(snapshot, "overview"), **_first(snapshot, "spoken_words")}
    named = {
        "mean_video_minutes": "minutes per video",
        "clips_per_video": "clips per video",
        "mean_clip_s": "seconds per clip",
        "words_without_stop_words": "words per caption, without stop words",
    }
    means = [[words, number(own.get(name)), number(MEANS[name])] for name, words in named.items()]
    cuts = snapshot.statistic("ranks")
    ranks = [
        [row["item"], number(row["videos"]), share(row["share"]), number(row["videos_in_howto100m"])]
        for row in cuts.iter_rows(named=True)
    ]
    return Section(
        "papers",
        "Comparison with HowTo100M and other data sets",
        [
            Table(
                "Sizes",
                ("data set", "tasks", "videos", "clips", "hours of video"),
                others,
                "Other data sets as published in arXiv 1906.03327 and 1903.08225; – means not published there.",
            ),
            Table("Means", ("mean", "this lake", "HowTo100M"), means, "HowTo100M: section 3 of the paper."),
            _categories(snapshot),
            Table(
                "Videos up to a search rank",
                ("search rank", "this lake", "share", "HowTo100M"),
                ranks,
                "HowTo100M: the subsets of its experiment on scale.",
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
    return Table("Categories", header, rows, "HT100M: the category table of the HowTo100M paper, rounded as published.")


def categories_map(snapshot: Snapshot) -> Section:
    """Clips per category and subcategory."""
    counted = snapshot.sql(
        "SELECT videos.category_1 AS category, coalesce(videos.category_2, 'unknown') AS part, count(*) AS clips"
        " FROM {clips} AS clips INNER JOIN {videos} AS videos ON clips.video_id = videos.video_id"
        " GROUP BY ALL ORDER BY clips DESC, category, part"
    )
    rows = [(category, part, float(clips)) for category, part, clips in counted.iter_rows()]
    return Section("map", "Categories by clips", [TreeMap("Clips by category and subcategory", "clips", rows)])


def distributions(snapshot: Snapshot) -> Section:
    """Histograms and quantiles of clips and videos."""
    blocks: list[Block] = []
    for title, name, measure in DISTRIBUTIONS:
        statistic = snapshot.statistic(name)
        rows = [(row["item"], float(row[measure]), number(row[measure])) for row in statistic.iter_rows(named=True)]
        blocks.append(Bars(f"{title} ({measure})", rows))
    quantiles = [
        [row["item"], number(row["clip_s"]), number(row["caption_words"]), number(row["clips_per_video"])]
        for row in snapshot.statistic("quantiles").iter_rows(named=True)
    ]
    header = ("quantile", "seconds per clip", "words per caption", "clips per video")
    blocks.append(Table("Quantiles", header, quantiles))
    return Section("distributions", "Distributions", blocks)


def funnel(snapshot: Snapshot) -> Section:
    """Rows that each filter kept and dropped."""
    rows = snapshot.statistic("funnel").iter_rows(named=True)
    counted = [(*row["item"].split(": ", 1), row["row_count"], row["share_of_stage"]) for row in rows]
    blocks: list[Block] = [Text("A row that a filter drops stays in its table, with the first reason.")]
    for stage, members in groupby(counted, key=lambda row: row[0]):
        bars = [(reason, float(count), f"{number(count)} · {share(part)}") for _, reason, count, part in members]
        blocks.append(Bars(stage[2:].capitalize(), bars))
    if snapshot.has("benchmark_references") and snapshot.has("benchmark_leaks"):
        blocks.append(_compared_with_benchmarks(snapshot))
    return Section("funnel", "Filters", blocks)


def _compared_with_benchmarks(snapshot: Snapshot) -> Table:
    """How many evaluation videos could be compared with the lake's by their pictures, and what was found."""
    statuses = ("ok", "too_few_pictures", "failed", "missing")
    counts = ", ".join(f"count(*) FILTER (status = '{status}') AS {status}" for status in statuses)
    rows = snapshot.sql(
        f"SELECT benchmark, split, {counts}, coalesce(sum(leaks.videos), 0) AS videos"
        " FROM {benchmark_references} LEFT JOIN ("
        "SELECT benchmark_video AS video_id, count(*) AS videos FROM {benchmark_leaks} GROUP BY ALL"
        ") AS leaks USING (video_id) GROUP BY ALL ORDER BY ALL"
    ).iter_rows()
    header = ("benchmark", "compared", "too few pictures", "cannot be decoded", "no file", "lake videos that show one")
    cells = [[f"{benchmark}, {split}", *map(number, found)] for benchmark, split, *found in rows]
    note = "A video is too short, or too still, to be compared if it has fewer than six different pictures."
    return Table("Evaluation videos of benchmarks, compared by pictures", header, cells, note)


def sample_clips(clips: list[SampleClip], generated: bool) -> Section:
    """Sample clips with frames."""
    if not clips:
        return Section(
            "samples", "Sample clips", [Text("This card was made without sample clips (HOWTO_CARD_SAMPLES=0).")]
        )
    note = "One random clip per random video, with frames from its start, middle and end."
    source = "The frames are synthetic." if generated else "Titles, captions and frames belong to their makers."
    return Section("samples", "Sample clips", [Text(f"{note} {source}"), Samples(clips)])


def product_graph(snapshot: Snapshot) -> Section:
    """The co-purchase graph of products."""
    title = "Product graph"
    size = _first(snapshot, "co_purchase_graph", "graph")
    if not size:
        return Section("graph", title, [Text("No statistics yet: materialize the asset graph_statistics.")])
    sources = []
    if snapshot.has("retail_source"):
        sources = snapshot.sql("SELECT source FROM {retail_source} ORDER BY source")["source"].to_list()
    blocks: list[Block] = [
        Text(f"Products that are bought together, from {', '.join(sources) or 'an unknown source'}."),
        Figures(
            [
                (number(size.get("nodes")), "products", "with an edge"),
                (number(size.get("edges")), "edges", "pairs of products"),
                (number(size.get("mean_degree")), "neighbours per product", "on average"),
                (share(size.get("homophily")), "of edges", "connect products of one label"),
                (share(size.get("edge_cut")), "of edges", "connect two clusters"),
            ]
        ),
    ]
    for heading, name, measure in (("Products", "products", "products"), ("Labels (products)", "labels", "nodes")):
        rows = snapshot.statistic(name, "graph").iter_rows(named=True)
        blocks.append(Bars(heading, [(row["item"], float(row[measure]), number(row[measure])) for row in rows]))
    return Section("graph", title, blocks)


def quality(snapshot: Snapshot) -> Section:
    """Labels that people gave to random clips, videos and re-uploads."""
    title = "Quality probes"
    if not snapshot.has("quality_probes") or not snapshot.rows("quality_probes"):
        return Section("quality", title, [Text("No probes yet: materialize the asset quality_probes.")])
    probes = snapshot.sql("FROM {quality_probes} ORDER BY probe, label")
    if not probes["labelled"].sum():
        drawn = " and ".join(
            f"{count} {probe}"
            for probe, count in probes.group_by("probe").agg(pl.col("drawn").max()).sort("probe").rows()
        )
        return Section("quality", title, [Text(f"No labels yet: {drawn} wait on the review sheets of quality_probes.")])
    rows = []
    for row in probes.iter_rows(named=True):
        interval = "–" if row["share"] is None else f"{share(row['share_low'])} to {share(row['share_high'])}"
        paper = share(PROBES.get((row["probe"], row["label"])))
        labelled = f"{number(row['labelled'])} of {number(row['drawn'])}"
        rows.append([f"{row['probe']}: {row['label']}", labelled, share(row["share"]), interval, paper])
    note = (
        "pairs: is an object or action of the caption visible in the clip? videos: what kind is it?"
        " video_duplicates, visual_duplicates: do both videos say, or show, the same?"
    )
    header = ("probe", "labelled", "share", "95 % interval", "HowTo100M")
    return Section("quality", title, [Table("Probes", header, rows, note)])


def availability(snapshot: Snapshot) -> Section:
    """The share of videos that can still be watched, by survey, and by category and age in the newest one."""
    title = "Videos that are left"
    if not snapshot.has("link_rot") or not snapshot.rows("link_rot"):
        return Section("availability", title, [Text("No survey yet: run howto availability.")])
    rows = snapshot.sql("FROM {link_rot} ORDER BY survey, item").rows(named=True)
    newest = max(row["survey"] for row in rows)
    overall = [{**row, "item": f"survey {row['survey']}"} for row in rows if row["grouping"] == "all"]
    blocks: list[Block] = [_shares("All videos, by survey", overall)]
    for heading, grouping in (("Category", "category"), ("Years since the upload", "age"), ("State", "state")):
        of_newest = [row for row in rows if row["survey"] == newest and row["grouping"] == grouping]
        blocks.append(_shares(f"{heading}, in survey {newest}", of_newest))
    years = [number(overall[-1][name]) for name in ("half_life_years", "half_life_low", "half_life_high")]
    if overall[-1]["half_life_years"] is not None:
        blocks.append(Text(f"Half of the videos are gone after {years[0]} years ({years[1]} to {years[2]})."))
    return Section("availability", title, blocks)


def _shares(title: str, rows: list[dict[str, Any]]) -> Table:
    cells = [
        [
            row["item"],
            f"{number(row['available'])} of {number(row['answered'])}",
            share(row["share"]),
            "–" if row["share"] is None else f"{share(row['share_low'])} to {share(row['share_high'])}",
        ]
        for row in rows
    ]
    return Table(title, ("videos", "in the sample", "share", "95 % interval"), cells)


def _first(snapshot: Snapshot, statistic: str, subject: str = "videos") -> dict[str, Any]:
    """The measures of a statistic with one item."""
    rows = snapshot.statistic(statistic, subject)
    return rows.row(0, named=True) if len(rows) else {}
