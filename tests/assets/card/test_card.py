"""The data set card of lakes small enough to count by hand: numbers, hostile texts, missing files, older snapshots."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from assets.card.blocks import Bars, Card, Code, Schema, Section, Table, Text, TreeMap, number
from assets.card.card import as_html, as_markdown, make_card, plain, previous_snapshot, write_card
from assets.card.options import CardOptions
from assets.features.store import FeatureStore, Source, VideoRows
from assets.lake import Lake, LakeError, load_tables
from assets.media.files import fetch_files
from assets.sources.synthetic import SyntheticSource
from assets.statistics.queries import compute_all
from tests.browser import Browser

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALWAYS = {"shard": "shard-0000", "rank": 1, "kept": True, "word_count": 2, "attempts": 1, "fetched_at": NOW}
HOSTILE = "<script>alert('x')</script> [click](http://elsewhere.example) | **bold**"


def rows_of(table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of a table; columns that they lack have the constants above, or NULL."""
    contract = load_tables()[table]
    return contract.frame(tuple({**ALWAYS, **row}.get(column.name) for column in contract.columns) for row in rows)


def write(lake: Lake, video_ids: list[str], source: str, title: str, caption: str) -> None:
    """A lake of videos of two clips each, in one task; then its statistics."""
    home = {"task_id": "bake", "category_1": "Food and Entertaining", "category_2": "Baking", "source": source}
    videos = [{"video_id": video_id, "title": title, "duration_s": 36.0, **home} for video_id in video_ids]
    clips = [
        {"video_id": video_id, "clip_index": index, "start_s": 4.0 * index, "end_s": 4.0 * index + 4}
        for video_id in video_ids
        for index in range(2)
    ]
    spoken = [{**clip, "caption": caption, "caption_clean": "fold dough"} for clip in clips]
    lake.write("tasks", rows_of("tasks", [{"title": "Bake", **home, "source": "wikihow"}]))
    lake.write("candidate_videos", rows_of("candidate_videos", videos))
    lake.write("videos", rows_of("videos", videos))
    lake.write("clips", rows_of("clips", spoken), "shard-0000")
    lake.write("dataset_statistics", compute_all(lake, "videos"), "videos")


def evaluations() -> pl.DataFrame:
    """Scores of a model and of chance; two synthetic benchmarks have equal scores, a third has others."""
    own = {"R@10": 0.45, "R@1": 0.25, "median_rank": 1.0, "R@5": 0.3, "R@1_high": 0.312, "R@1_low": 0.1876}
    own |= {"captions_without_words": 2, "recall_pooled": 0.5, "recall_pooled_deviation": 0.02, "splits": 20}
    scores = [("chance", "R@1", 0.025), *(("joint_embedding", metric, value) for metric, value in own.items())]
    others = [("zero-shot", f"VCMR_{iou}_R@{rank}", 0.1) for iou in (0.5, 0.7) for rank in (1, 10, 100, 1000)]
    benchmarks = {
        "LSMDC, text to video (synthetic)": scores,
        "YouCook2, text to video (synthetic)": scores,
        "LSMDC, text to video": scores,
        "TVR": others,
    }
    result = {"model": "joint_embedding", "split": "test", "queries": 40, "snapshot": 7, "evaluated_at": NOW}
    return rows_of(
        "evaluations",
        [
            {**result, "benchmark": benchmark, "method": method, "metric": metric, "value": value}
            for benchmark, rows in benchmarks.items()
            for method, metric, value in rows
        ],
    )


@dataclass(frozen=True)
class History:
    """A lake with two snapshots: synthetic videos, and later real ones with hostile texts."""

    lake: Lake
    media: Path
    drawn: int
    filmed: int
    page_then: str

    def card(self, snapshot: int, samples: int = 4, previous: int | None = None) -> Card:
        models, options = self.lake.root / "models", CardOptions(samples=samples)
        return make_card(self.lake, self.media, models, {"HOWTO_SHARDS": "8"}, options, snapshot, previous)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    root = tmp_path_factory.mktemp("card")
    lake, media = Lake(root / "lake"), root / "media"
    made = fetch_files(SyntheticSource(tasks=4, videos_per_task=2), ["synthetic-00000"], "shard-0000", media)
    broken = {"video_id": "b", "status": "failed", "error": "b.mp4: no video stream"}
    lake.write("video_files", pl.concat([made, rows_of("video_files", [broken])]), "shard-0000")
    for table in ("caption_fetches", "feature_index", "chapters", "shots", "clip_quality"):
        lake.write(table, rows_of(table, []))
    lake.write("evaluations", evaluations())
    statuses = (("video1", "ok"), ("video2", "ok"), ("video3", "too_few_pictures"))
    listed = [("MSR-VTT", "test", name, kind, None if kind == "ok" else kind) for name, kind in statuses]
    lake.write("benchmark_references", load_tables()["benchmark_references"].frame(listed))
    leaks = [(name, "MSR-VTT", "video2", 0.9, 0.5, False, 0.0, "90% of its pictures") for name in ("b", "c")]
    lake.write("benchmark_leaks", load_tables()["benchmark_leaks"].frame(leaks))
    seen = {"probe": "pairs", "label": "yes", "drawn": 400, "labelled": 100, "items": 40, "share": 0.4}
    lake.write("quality_probes", rows_of("quality_probes", [{**seen, "share_low": 0.309, "share_high": 0.498}]))
    write(lake, ["synthetic-00000", "b", "c"], "synthetic", "How to Bake", "fold the dough")
    before = History(lake, media, lake.snapshot(), 0, "")
    page = as_html(before.card(before.drawn))
    write(lake, ["b", "c", "<img src=x>", "long-name-" * 4], "youtube", HOSTILE, HOSTILE + " again" * 60)
    return replace(before, filmed=lake.snapshot(), page_then=page)


@pytest.fixture(scope="module")
def drawn(history: History) -> Card:
    """The card of the generated videos."""
    return history.card(history.drawn)


@pytest.fixture(scope="module")
def filmed(history: History) -> Card:
    """The card of the real videos, with what changed."""
    return history.card(history.filmed, previous=history.drawn)


def block(card: Card, anchor: str, title: str) -> Any:
    section = next(section for section in card.sections if section.anchor == anchor)
    return next(block for block in section.blocks if getattr(block, "title", None) == title)


def test_the_lake_is_compared_with_the_paper(drawn: Card) -> None:
    sizes: Table = block(drawn, "papers", "Sizes")
    assert sizes.rows[0] == ["this lake", "1", "3", "6", "0.03"]
    assert sizes.rows[1] == ["HowTo100M", "23,611", "1,220,000", "136,600,000", "134,472"]
    categories = {row[0]: row[1:] for row in block(drawn, "papers", "Categories").rows}
    assert len(categories) == 12
    assert categories["Food and Entertaining"] == ["1", "3", "6", "0.007", "11,504", "497,000", "54,400,000"]
    assert categories["Health"] == ["0", "0", "0", "0", "172", "15,000", "1,700,000"]
    lengths: Bars = block(drawn, "distributions", "Seconds per clip (clips)")
    assert [(length, text) for _, length, text in lengths.rows] == [(6.0, "6")]
    areas: TreeMap = block(drawn, "map", "Clips by category and subcategory")
    assert areas.rows == [("Food and Entertaining", "Baking", 6.0)]


def test_scores_have_a_fixed_order_and_their_intervals(drawn: Card) -> None:
    table: Table = block(drawn, "models", "Joint embedding: LSMDC, text to video")
    assert table.header == ("method", "R@1", "R@5", "R@10", "median rank", "recall pooled")
    assert table.rows == [
        ["joint embedding", "0.250 [0.188, 0.312]", "0.300", "0.450", "1", "0.500 ± 0.020"],
        ["chance", "0.025", "–", "–", "–", "–"],
    ]
    assert table.note.endswith("snapshot 7. Captions without words: 2, splits: 20.")


def test_equal_synthetic_benchmarks_share_a_table_and_many_metrics_are_rows(drawn: Card) -> None:
    shared: Table = block(drawn, "models", "Joint embedding: LSMDC and YouCook2, text to video (synthetic)")
    assert shared.rows == block(drawn, "models", "Joint embedding: LSMDC, text to video").rows
    assert "the same synthetic clips" in shared.note
    many: Table = block(drawn, "models", "Joint embedding: TVR")
    assert many.header == ("metric", "zero-shot")
    assert [row[0] for row in many.rows][:3] == ["VCMR 0.5 R@1", "VCMR 0.5 R@10", "VCMR 0.5 R@100"]


def test_evaluation_videos_that_could_not_be_compared_are_counted(drawn: Card) -> None:
    compared: Table = block(drawn, "funnel", "Evaluation videos of benchmarks, compared by pictures")
    assert compared.rows == [["MSR-VTT, test", "2", "1", "0", "0", "2"]]


def test_probes_are_compared_with_the_paper(drawn: Card) -> None:
    assert block(drawn, "quality", "Probes").rows == [
        ["pairs: yes", "100 of 400", "40.0 %", "30.9 % to 49.8 %", "51.0 %"]
    ]


def test_text_from_sources_is_escaped(filmed: Card) -> None:
    page, text = as_html(filmed), as_markdown(filmed)
    assert "&lt;script&gt;alert" in page and "&lt;img src=x&gt;" in page
    for form in (page, text.replace("`<img src=x>`", "")):
        assert "<script" not in form and "<img src=x" not in form
    assert "[click]" not in text and "**bold**" not in text
    assert re.findall(r"(?:src|href)=\"(?!#|data:)", page) == [] and "default-src 'none'" in page


def test_synthetic_and_real_videos_have_their_own_terms(drawn: Card, filmed: Card) -> None:
    for form in (as_html, as_markdown):
        assert "Synthetic data: generated, not filmed" in form(drawn)
        assert "Synthetic data" not in form(filmed) and "videos are synthetic" not in form(filmed)
        assert "synthetic videos may be shared" not in form(filmed)
        assert "Share ids, times and numbers; do not share videos." in form(filmed)
        assert "do not share videos" not in form(drawn)


def test_samples_have_their_frames_or_the_reason(history: History, drawn: Card, tmp_path: Path) -> None:
    page = as_html(drawn)
    frames = [base64.b64decode(data) for data in re.findall(r"data:image/jpeg;base64,([^\"]+)", page)]
    assert [Image.open(io.BytesIO(frame)).format for frame in frames] == ["JPEG"] * 3
    assert "No frames: b.mp4: no video stream" in page
    assert "No frames: no file of this video has been fetched" in page
    elsewhere = replace(history, media=tmp_path)
    assert "No frames: synthetic-00000.mp4: No such file" in as_html(elsewhere.card(history.drawn))
    assert "fold the dough" not in as_html(history.card(history.drawn, samples=0))


def test_what_changed_since_the_last_card(history: History, drawn: Card, filmed: Card, tmp_path: Path) -> None:
    assert previous_snapshot(tmp_path) is None
    assert "This is the first card of this lake." in as_markdown(drawn)
    write_card(tmp_path, drawn)
    assert previous_snapshot(tmp_path) == history.drawn
    assert f"No changes since snapshot {history.drawn}" in as_markdown(
        history.card(history.drawn, previous=history.drawn)
    )

    changes: Table = block(filmed, "changes", "Tables")
    changed = {row[0]: row[1:] for row in changes.rows}
    assert changed["videos"] == ["3", "4", "2", "1", "2"]
    assert changed["clips"] == ["6", "8", "4", "2", "4"]
    assert not {"tasks", "evaluations", "video_files"} & set(changed)
    assert block(history.card(history.filmed, previous=1), "changes", "Tables").rows[-1][-3:] == [
        "new table",
        "–",
        "–",
    ]
    expired = history.card(history.filmed, previous=10_000)
    assert "This is the first card" in as_markdown(expired)


def test_the_card_of_an_older_snapshot_is_what_it_was(history: History, drawn: Card) -> None:
    assert as_html(drawn) == history.page_then
    with pytest.raises(LakeError, match="snapshot 999: not in the lake"):
        history.card(999)


def test_a_lake_without_statistics_names_the_asset_to_make(lake: Lake) -> None:
    with pytest.raises(LakeError, match="dataset_statistics: not in snapshot 0; materialize the asset"):
        make_card(lake, lake.root, lake.root, {}, CardOptions())


def test_empty_sections_are_one_line(lake: Lake) -> None:
    for table in ("caption_fetches", "video_files", "feature_index", "chapters", "shots", "clip_quality"):
        lake.write(table, rows_of(table, []))
    write(lake, ["a"], "youtube", "How to Bake", "fold")
    unlabelled = {"label": "yes", "labelled": 0, "items": 0}
    rows = [{"probe": probe, "drawn": drawn, **unlabelled} for probe, drawn in (("pairs", 400), ("videos", 100))]
    lake.write("quality_probes", rows_of("quality_probes", rows))
    card = make_card(lake, lake.root, lake.root, {}, CardOptions(samples=0))
    lines = {section.anchor: section.blocks for section in card.sections}
    for anchor in ("samples", "graph", "quality", "models", "changes"):
        assert [type(each) for each in lines[anchor]] == [Text], anchor
    assert "400 pairs and 100 videos wait" in as_markdown(card)


def test_the_programs_on_the_card_load_its_snapshot(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    array = FeatureStore(history.lake.root / "arrays").array("net", "shard-0000")
    vectors = np.ones((3, 4), np.float16)
    array.append([VideoRows(Source("b", "sha", "net"), np.arange(3.0), vectors)])
    index = {"video_id": "b", "stream": "net", "first_row": 0, "rows": 3, "rate_hz": 1.0, "dim": 4}
    index |= {"extractor": "net", "content_hash": "hash", "status": "ok"}
    history.lake.write("feature_index", rows_of("feature_index", [index]), "shard-0000")
    section = next(each for each in history.card(history.lake.snapshot()).sections if each.anchor == "load")
    monkeypatch.chdir(history.lake.root.parent)
    monkeypatch.setenv("HOWTO_LAKE", "lake")
    names: dict[str, Any] = {}
    found = []
    for program in section.blocks:
        assert isinstance(program, Code)
        exec(program.text, names)
        found.append(names["clips"])
    assert len(found) == 3 and names["rows"].num_rows == 3
    captions = [clips.sort("video_id", "start_s")["caption"].to_list() for clips in found]
    assert captions[0] == captions[2] and len(captions[0]) == 8
    older = next(each for each in history.card(history.drawn).sections if each.anchor == "load").blocks[0]
    assert isinstance(older, Code)
    exec(older.text, names)
    assert len(names["clips"]) == 6


def test_a_catalog_elsewhere_is_not_named(tmp_path: Path, history: History) -> None:
    elsewhere = Lake(history.lake.root, history.lake.catalog, f"{history.lake.root}/./tables/")
    page = as_html(make_card(elsewhere, tmp_path, tmp_path, {}, CardOptions(samples=0)))
    assert "lake_of(load_settings())" in page and "ducklake:" not in page


def test_the_schema_lists_every_table_with_its_columns(drawn: Card) -> None:
    schema = next(section for section in drawn.sections if section.anchor == "schema").blocks[0]
    assert isinstance(schema, Schema)
    clips = next(table for table in schema.tables if table.name == "clips")
    assert clips.rows == 6 and ("start_s", "DOUBLE") in [(name, kind) for name, kind, _ in clips.columns]
    text = as_markdown(drawn)
    assert "- `clips` (6 rows)" in text and "  - `start\\_s`" not in text and "  - `start_s` DOUBLE" in text


def test_small_parts_of_a_category_are_drawn_as_one() -> None:
    rows = [("Food", "Baking", 900.0), ("Food", "Tea", 1.0), ("Food", "Jam", 2.0), ("Home", "Chairs", 97.0)]
    page = as_html(Card("t", "s", False, 1, [Section("map", "Map", [TreeMap("Clips", "clips", rows)])]))
    assert re.findall(r'title="(.*?)"', page) == [
        "Food › Baking: 900 clips",
        "Food › 2 more: 3 clips",
        "Home › Chairs: 97 clips",
    ]


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (float("nan"), "–"), (1234567, "1,234,567"), (6.5, "6.5"), (0.1234, "0.123")]
)
def test_numbers_are_written_for_people(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_text_cannot_break_a_line_of_a_table() -> None:
    assert plain("a\n| b <i>") == "a \\| b &lt;i&gt;"


def test_no_column_is_cut_off(filmed: Card, tmp_path: Path) -> None:
    write_card(tmp_path, filmed)
    profile = tmp_path / "profile"
    profile.mkdir()
    with Browser(profile) as browser:
        browser.open((tmp_path / "card.html").as_uri())
        assert [browser.width(pixels) for pixels in (375, 1280)] == [375, 1280]
        wide = "[...document.querySelectorAll('.scroll, pre')].filter(box => box.scrollWidth > box.clientWidth).length"
        assert browser.see(wide) == 0
        assert browser.see("performance.getEntriesByType('resource').length") == 0


@pytest.fixture(scope="module")
def replaced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, int, list[Path]]:
    """A lake, its first snapshot, and the files of clips that only this snapshot needs."""
    lake = Lake(tmp_path_factory.mktemp("replaced") / "lake")
    for table in ("caption_fetches", "video_files", "feature_index", "chapters", "shots", "clip_quality"):
        lake.write(table, rows_of(table, []))
    write(lake, ["a"], "youtube", "How to Bake", "fold")
    then, old = lake.snapshot(), list(lake.root.rglob("clips/**/*.parquet"))
    write(lake, ["a", "b"], "youtube", "How to Bake", "fold")
    return lake, then, old


@pytest.mark.parametrize("content", [None, b"", b"PAR1 cut", bytes(range(256)) * 20])
def test_damaged_files_of_the_previous_snapshot_are_stated(
    replaced: tuple[Lake, int, list[Path]], content: bytes | None
) -> None:
    lake, then, old = replaced
    for path in old:
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
    card = make_card(lake, lake.root, lake.root, {}, CardOptions(), previous=then)
    assert f"Snapshot {then} of the previous card cannot be read any more." in as_markdown(card)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", bytes(range(255, 0, -1))])
def test_a_damaged_record_of_the_card_counts_as_missing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "card.json").write_bytes(content)
    assert previous_snapshot(tmp_path) is None
