"""The data set card of lakes small enough to count by hand: numbers, hostile texts, missing files, older snapshots."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from assets.card.blocks import Bars, Card, Section, Table, TreeMap, number
from assets.card.card import as_html, as_markdown, make_card, plain, previous_snapshot, write_card
from assets.card.options import CardOptions
from assets.card.treemap import Area, squarified
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


@dataclass(frozen=True)
class History:
    """A lake with two states: generated videos, and later real ones with hostile texts."""

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
    for table in ("caption_fetches", "feature_index"):
        lake.write(table, rows_of(table, []))
    result = {"model": "joint_embedding", "benchmark": "held-out clips", "split": "test", "queries": 40, "snapshot": 7}
    own = {"R@10": 0.45, "R@1": 0.25, "median_rank": 3.0, "R@5": 0.3}
    scores = [*(("joint_embedding", metric, value) for metric, value in own.items()), ("chance", "R@1", 0.025)]
    measured = [dict(zip(("method", "metric", "value"), score, strict=True)) for score in scores]
    lake.write("evaluations", rows_of("evaluations", [{**result, **each, "evaluated_at": NOW} for each in measured]))
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


def test_the_lake_stands_beside_the_paper(drawn: Card) -> None:
    sizes: Table = block(drawn, "papers", "Sizes")
    assert sizes.rows[0] == ["this lake", "1", "3", "6", "0.03"]
    assert sizes.rows[1] == ["HowTo100M", "23,611", "1,220,000", "136,600,000", "134,472"]
    categories = {row[0]: row[1:] for row in block(drawn, "papers", "Categories").rows}
    assert len(categories) == 12
    assert categories["Food and Entertaining"] == ["1", "3", "6", "0.007", "11,504", "497,000", "54,400,000"]
    assert categories["Health"] == ["0", "0", "0", "0", "172", "15,000", "1,700,000"]
    lengths: Bars = block(drawn, "distributions", "Seconds of a clip (clips)")
    assert [(length, beside) for _, length, beside in lengths.rows] == [(6.0, "6")]
    areas: TreeMap = block(drawn, "map", "Clips by category and its parts")
    assert areas.rows == [("Food and Entertaining", "Baking", 6.0)]


def test_models_stand_beside_their_baselines_and_probes_beside_the_paper(drawn: Card) -> None:
    told: Table = block(drawn, "models", "joint embedding: held-out clips")
    assert told.header == ("method", "R@1", "R@5", "R@10", "median rank")
    assert told.rows == [["joint embedding", "0.250", "0.300", "0.450", "3"], ["chance", "0.025", "–", "–", "–"]]
    assert block(drawn, "quality", "Probes").rows == [
        ["pairs: yes", "100 of 400", "40.0 %", "30.9 % to 49.8 %", "51.0 %"]
    ]


def test_what_others_wrote_is_only_text(filmed: Card) -> None:
    page, text = as_html(filmed), as_markdown(filmed)
    assert "&lt;script&gt;alert" in page and "&lt;img src=x&gt;" in page
    for form in (page, text.replace("`<img src=x>`", "")):
        assert "<script" not in form and "<img src=x" not in form
    assert "[click]" not in text and "**bold**" not in text
    assert re.findall(r"(?:src|href)=\"(?!#|data:)", page) == [] and "default-src 'none'" in page


def test_generated_and_real_videos_are_told_apart(drawn: Card, filmed: Card) -> None:
    for form in (as_html, as_markdown):
        assert "Synthetic data: generated, not filmed" in form(drawn)
        assert "ynthetic" not in form(filmed)
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
    assert f"Nothing since snapshot {history.drawn}" in as_markdown(history.card(history.drawn, previous=history.drawn))

    changes: Table = block(filmed, "changes", "Tables")
    changed = {row[0]: row[1:] for row in changes.rows}
    assert changed["videos"] == ["3", "4", "2", "1", "2"]
    assert changed["clips"] == ["6", "8", "4", "2", "4"]
    assert not {"tasks", "evaluations", "video_files"} & set(changed)
    assert block(history.card(history.filmed, previous=1), "changes", "Tables").rows[-1][-3:] == [
        "a new table",
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
    with pytest.raises(LakeError, match="dataset_statistics: not in snapshot 0; materialise the asset"):
        make_card(lake, lake.root, lake.root, {}, CardOptions())


@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=30), st.floats(1, 100), st.floats(1, 100))
def test_areas_are_proportional_and_fill_the_map(sizes: list[float], width: float, height: float) -> None:
    sizes = sorted(sizes, reverse=True)
    areas = squarified(sizes, Area(0, 0, width, height))
    scale = width * height / sum(sizes)
    assert [area.width * area.height for area in areas] == pytest.approx([size * scale for size in sizes], rel=1e-6)
    for area in areas:
        assert area.left >= -1e-9 and area.left + area.width <= width * (1 + 1e-6)
        assert area.top >= -1e-9 and area.top + area.height <= height * (1 + 1e-6)
    for index, one in enumerate(areas):
        for other in areas[:index]:
            across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
            down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
            assert min(across, down) <= 1e-6 * max(width, height), "two areas overlap"


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


def test_the_page_fits_narrow_and_wide_screens(filmed: Card, tmp_path: Path) -> None:
    write_card(tmp_path, filmed)
    profile = tmp_path / "profile"
    profile.mkdir()
    with Browser(profile) as browser:
        browser.open((tmp_path / "card.html").as_uri())
        assert [browser.width(pixels) for pixels in (400, 1280)] == [400, 1280]
        assert browser.see("performance.getEntriesByType('resource').length") == 0
