"""The browse page over kept and dropped rows: counts, other thresholds, labels, exports, attacks, and a browser."""

from __future__ import annotations

import csv
import io
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient

from assets.features.frames.quality import clip_quality
from assets.lake import Lake
from assets.statistics.probes import DUPLICATES, PAIRS, read_labels
from assets.tasks.review import read_review
from orchestration.search.browse.labels import Sheets
from orchestration.search.browse.request import Selection
from orchestration.search.browse.rows import find
from orchestration.search.browse.thresholds import compare, compare_clips, other_limits
from tests.browser import Browser
from tests.orchestration.browse_world import ATTACK, CLIP_LIMITS, LIMITS, BrowseWorld
from tests.orchestration.test_screens import keep

SAME = {"Origin": "http://testserver"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> BrowseWorld:
    return BrowseWorld(tmp_path_factory.mktemp("browse"))


@pytest.fixture(scope="module")
def client(world: BrowseWorld) -> Iterator[TestClient]:
    with TestClient(world.app()) as client:
        yield client


def counts(page: str) -> tuple[int, int]:
    found = re.search(r"<b>([\d,]+)</b> kept, <b>([\d,]+)</b> dropped", page)
    assert found
    return int(found[1].replace(",", "")), int(found[2].replace(",", ""))


def test_every_candidate_is_there_once_with_its_verdict(world: BrowseWorld, client: TestClient) -> None:
    whole = find(world.lake, Selection(), limit=1000)
    candidates = {v for (v,) in world.lake.sql("SELECT DISTINCT video_id FROM candidate_videos").fetchall()}
    assert sorted(row["video_id"] for row in whole.rows) == sorted(candidates)
    kept = world.lake.sql("SELECT count(*) FROM videos WHERE kept").fetchall()[0][0]
    assert counts(client.get("/browse").text) == (kept, len(candidates) - kept) == (whole.kept, whole.dropped)
    assert sum(count for _, count in whole.reasons) == whole.dropped > 0
    for reason, count in whole.reasons:
        page = client.get("/browse", params={"reason": reason}).text
        assert counts(page) == (0, count)
    assert counts(client.get("/browse?verdict=kept").text) == (kept, 0)
    assert "Nothing here" in client.get("/browse?text=zeppelin").text


def test_clips_and_the_lines_that_became_none(world: BrowseWorld) -> None:
    verdicts = world.lake.sql("SELECT kept, count(*) FROM clip_quality GROUP BY kept").fetchall()
    whole = find(world.lake, Selection(kind="clips"), limit=10**6)
    assert whole.kept == dict(verdicts)[True] and len(whole.rows) == whole.total
    fast = find(world.lake, Selection(kind="clips", reason="more than 3 words per second"), limit=10**6)
    assert len(fast.rows) == fast.dropped == dict(verdicts)[False] > 0 == fast.kept
    assert all(row["words_per_s"] > 3 for row in fast.rows)
    pages = [find(world.lake, Selection(kind="clips", page=page)).rows for page in range(1, 2 + whole.total // 24)]
    assert [row for page in pages for row in page] == whole.rows
    video = whole.rows[0]["video_id"]
    assert {row["video_id"] for row in find(world.lake, Selection(kind="clips", video=video)).rows} == {video}


def test_other_thresholds_are_those_of_the_filters(world: BrowseWorld, client: TestClient) -> None:
    same = compare(world.lake, LIMITS, {})
    assert (same.kept, same.gained, same.lost) == (same.kept_then, [], [])
    assert all(now == then for _, now, then in same.reasons)
    assert {reason: now for reason, now, _ in same.reasons} == dict(find(world.lake, Selection()).reasons)
    none, everything = (
        compare(world.lake, LIMITS, {"min_words": "1000000"}),
        compare(world.lake, LIMITS, {"min_words": "0"}),
    )
    assert none.kept_then == 0 and len(none.lost) == none.kept and none.clips_lost == none.clips > 0
    assert everything.lost == [] and len(everything.gained) == everything.kept_then - everything.kept > 0
    page = client.get("/browse?min_words=0&change=gained").text
    assert counts(page) == (0, len(everything.gained)) and "HOWTO_MIN_WORDS=0" in page
    waiting = compare(world.lake, LIMITS, {"min_views": "0", "max_duration_s": "1e6"})
    assert waiting.waiting > 0, "captions of such candidates are not fetched yet"


def test_other_limits_of_clips_are_those_of_the_asset(world: BrowseWorld, client: TestClient) -> None:
    """Each limit gives what the asset would write; unknown measures pass."""
    same = compare_clips(world.lake, CLIP_LIMITS, {})
    assert (same.kept, same.gained, same.lost) == (same.kept_then, 0, 0)
    own = {
        **{"max_cuts": "0", "min_motion": "0.03", "min_brightness": "0.5", "max_brightness": "0.3"},
        **{"min_sharpness": "100", "max_words_per_s": "1.5", "languages": "de,fr", "drop_visual_duplicates": "true"},
        "drop_benchmark_leaks": "true",
    }
    names = ("clips", "shots", "frame_statistics", "visual_duplicates", "benchmark_leaks")
    stored = {name: world.lake.read(name).pl() for name in names}
    for name, value in own.items():
        made = clip_quality(*stored.values(), other_limits(CLIP_LIMITS, {name: value}))
        assert compare_clips(world.lake, CLIP_LIMITS, {name: value}).kept_then == made["kept"].sum(), name
    page = client.get("/browse?kind=clips&max_cuts=0&change=lost").text
    rows = find(world.lake, Selection(kind="clips", verdict="kept"), limit=10**6).rows
    crossing = sum(row["cuts"] == 1 for row in rows)
    assert counts(page) == (crossing, 0) and 0 < crossing <= 2 and "HOWTO_CLIP_MAX_CUTS=0" in page
    assert counts(client.get("/browse?kind=clips&max_words_per_s=9&change=gained").text) == (0, same.reasons[0][1])


def test_labels_are_saved_in_the_review_files(world: BrowseWorld, client: TestClient) -> None:
    def label(sheet: str, item: str, word: str) -> httpx.Response:
        return client.post("/api/labels", json={"sheet": sheet, "item": item, "label": word}, headers=SAME)

    sheets = Sheets(world.lake, world.review, world.verbs)
    for name, read in (
        ("pairs", lambda item: read_labels(world.review / "pairs.csv", PAIRS).get(item)),
        ("verbs", lambda item: read_review(world.verbs).get(item)),
        ("video_duplicates", lambda item: read_labels(world.review / "video_duplicates.csv", DUPLICATES).get(item)),
    ):
        sheet = sheets.sheet(name, 1, waiting_only=False)  # type: ignore[arg-type]
        item, word = sheet.items[0].item, sheet.answers[1]
        before = len(sheet.items)
        assert label(name, item, word).json() == {"sheet": name, "item": item, "label": word}
        assert read(item) == word
        page = client.get(f"/browse/labels/{name}").text
        assert len(re.findall('aria-pressed="true"', page)) == 1
        assert label(name, item, "perhaps").status_code == 409 and read(item) == word
        assert label(name, "no such item", word).status_code in (404, 409)
        assert label(name, item, "").status_code == 200 and read(item) is None
        assert len(sheets.sheet(name, 1, False).items) == before  # type: ignore[arg-type]
    assert client.get("/browse/labels/none").status_code == 400
    (pair,) = sheets.sheet("video_duplicates", 1, waiting_only=False).items
    first, other = world.lake.sql("SELECT video_id, duplicate_of FROM video_duplicates").fetchall()[0]
    assert [video for video, _ in pair.pictures] == [first, first, other, other]
    assert pair.text.startswith("75 % of the words: ")


def test_many_writers_lose_no_label(world: BrowseWorld) -> None:
    sheets = Sheets(world.lake, world.review, world.verbs)
    items = [each.item for each in sheets.sheet("pairs", 1, False).items]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: sheets.write("pairs", item, "no"), items))
    assert set(items) <= set(read_labels(world.review / "pairs.csv", PAIRS))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: sheets.write("pairs", item, ""), items))


def test_no_other_site_writes_a_label(world: BrowseWorld, client: TestClient) -> None:
    body = json.dumps({"sheet": "verbs", "item": "cut", "label": "drop"})
    before = world.verbs.read_bytes()
    kind = {"Content-Type": "application/json"}
    for headers, status in (
        ({**kind}, 403),
        ({**kind, "Origin": "null"}, 403),
        ({**kind, "Origin": "http://evil.example"}, 403),
        ({**kind, "Origin": "http://testserver.evil.example"}, 403),
        ({"Content-Type": "text/plain", **SAME}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded", **SAME}, 415),
    ):
        assert client.post("/api/labels", content=body, headers=headers).status_code == status, headers
    assert client.post("/api/labels", content=body, headers={**kind, **SAME, "Host": "evil.example"}).status_code == 400
    assert client.post("/api/labels", content=b"[" * 5000, headers={**kind, **SAME}).status_code == 413
    for odd in (b"{", b"[]", b'{"sheet":"../verbs","item":"a","label":""}', b'{"sheet":"verbs","item":"","label":1}'):
        assert client.post("/api/labels", content=odd, headers={**kind, **SAME}).status_code == 400
    with TestClient(world.app(writable=False)) as remote:
        assert remote.post("/api/labels", content=body, headers={**kind, **SAME}).status_code == 403
        assert "Read-only" in remote.get("/browse/labels/verbs").text
    assert world.verbs.read_bytes() == before


def test_a_broken_sheet_is_named_and_left_alone(world: BrowseWorld, client: TestClient) -> None:
    sheet = world.review / "pairs.csv"
    before = sheet.read_bytes()
    try:
        sheet.write_text("item;visible\n", encoding="utf-8")
        page = client.get("/browse/labels/pairs")
        assert page.status_code == 409 and "no column" in page.text
        said = client.post("/api/labels", json={"sheet": "pairs", "item": "a", "label": "yes"}, headers=SAME)
        assert said.status_code == 409 and "no column" in said.json()["error"]
        assert sheet.read_text(encoding="utf-8") == "item;visible\n"
    finally:
        sheet.write_bytes(before)


def test_exports_have_the_selection(world: BrowseWorld, client: TestClient) -> None:
    rows = list(csv.DictReader(io.StringIO(client.get("/browse/rows.csv?verdict=kept").text)))
    assert len(rows) == find(world.lake, Selection(verdict="kept")).kept
    assert sum(Path(row["filepath"]).is_file() for row in rows) == 2
    labels = client.get("/browse/labels.json?kind=clips&verdict=kept").json()["labels"]
    assert len(labels) == 2 and all(Path(path).is_file() for path in labels)
    detection = next(iter(labels.values()))[0]
    assert detection["label"] == "kept" and detection["timestamps"][0] < detection["timestamps"][1]
    assert client.get("/browse/rows.csv?text=zeppelin").text == ""
    assert client.get("/browse/rows.csv?page=x").status_code == 400


@pytest.mark.parametrize(
    "query",
    ["kind=tables", "page=0", "page=99999999999999999999", "min_words=-1", "max_duration_s=nan", "text=" + "a" * 201],
)
def test_odd_parameters_are_refused_in_a_sentence(client: TestClient, query: str) -> None:
    page = client.get(f"/browse?{query}")
    assert page.status_code == 400 and query.split("=")[0] + "=" in page.text and "Traceback" not in page.text
    assert client.get("/browse?page=1000000").status_code == 200
    assert client.get("/browse", params={"text": "'; DROP TABLE videos; --", "reason": "\x00"}).status_code == 200


def test_what_others_wrote_is_only_text(client: TestClient) -> None:
    for address in (
        "/browse?text=script",
        "/browse",
        f"/browse?category={ATTACK}&reason={ATTACK}",
        "/browse/labels/videos",
    ):
        page = client.get(address)
        assert "<script>alert" not in page.text and "<img src=x" not in page.text
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page.text), "nothing is loaded from elsewhere"
    assert "&lt;script&gt;" in client.get("/browse?text=script").text


def test_a_still_is_a_picture_or_a_reason(world: BrowseWorld, client: TestClient) -> None:
    video = world.lake.sql("SELECT video_id FROM video_files").fetchall()[0][0]
    picture = client.get(f"/browse/still/{video}?at=1.5")
    assert picture.headers["content-type"] == "image/jpeg" and picture.content[:2] == b"\xff\xd8"
    assert client.get(f"/browse/media/{video}", headers={"Range": "bytes=0-9"}).status_code == 206
    for address in ("none", "..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd"):
        assert client.get(f"/browse/still/{address}?at=0").status_code == 404
        assert client.get(f"/browse/media/{address}").status_code == 404
    for time in ("nan", "-1", "inf", "x", "1e300"):
        assert client.get(f"/browse/still/{video}?at={time}").status_code == 400
        assert client.get(f"/still/{video}?at={time}").status_code == 400


def test_a_lake_that_is_not_there_is_named_and_not_made(tmp_path: Path, world: BrowseWorld) -> None:
    empty = BrowseWorld.__new__(BrowseWorld)
    empty.media, empty.review, empty.verbs, empty.lake = tmp_path, tmp_path, None, Lake(tmp_path / "lake")
    with TestClient(empty.app()) as client:
        for address in ("/browse", "/browse/labels/pairs", "/browse/rows.csv"):
            page = client.get(address)
            assert page.status_code == 503 and "howto refresh" in page.text
        assert client.get("/browse/still/a?at=0").status_code == 404
    assert not (tmp_path / "lake").exists()


@pytest.fixture(scope="module")
def address(world: BrowseWorld) -> Iterator[str]:
    """The page on a real socket."""
    server = uvicorn.Server(uvicorn.Config(world.app(), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    Browser.until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def dark(browser: Browser, scheme: str) -> None:
    browser.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


def test_in_a_browser_by_keys_alone(tmp_path: Path, address: str, world: BrowseWorld) -> None:
    with Browser(tmp_path) as browser:
        browser.open(f"{address}/browse")
        browser.until(lambda: browser.see("[...document.images].some((image) => image.naturalWidth > 0)"))
        assert browser.see("document.title") == "Videos – HowTo Lake"
        browser.press("j", "j")
        assert browser.see("document.activeElement.className") == "card"
        keep(browser, "browse_page")
        browser.press("/", "/")
        browser.do("Input.insertText", text="zeppelin")
        browser.press("Enter", "\r")
        browser.until(lambda: browser.see("document.querySelector('.empty h1')?.innerText === 'Nothing here'"))
        keep(browser, "browse_empty")

        browser.open(f"{address}/browse/labels/pairs")
        browser.until(lambda: browser.see("document.querySelectorAll('.card').length > 1"))
        browser.press("j", "j")
        item = browser.see("document.activeElement.dataset.item")
        browser.press("1", "1")
        browser.until(lambda: browser.see("document.querySelector('[aria-pressed=true]') !== null"))
        assert read_labels(world.review / "pairs.csv", PAIRS)[item] == "yes"
        assert browser.see("document.activeElement.dataset.item") != item, "the next item has the focus"
        browser.press("k", "k")
        browser.press("0", "0")
        browser.until(lambda: browser.see("document.querySelector('[aria-pressed=true]') === null"))
        assert read_labels(world.review / "pairs.csv", PAIRS).get(item) is None

        for name, path in (
            ("browse", "/browse?min_words=0"),
            ("clips", "/browse?kind=clips"),
            ("labels", "/browse/labels/pairs"),
        ):
            browser.open(address + path)
            dark(browser, "dark")
            assert [browser.width(pixels) for pixels in (375, 1280)] == [375, 1280]
            assert browser.see("getComputedStyle(document.body).backgroundColor") == "rgb(18, 23, 22)"
            keep(browser, f"{name}_dark")
            dark(browser, "light")
            browser.width(375)
            keep(browser, f"{name}_375")
        loaded = browser.see("performance.getEntriesByType('resource').map((entry) => entry.name)")
        assert loaded and all(name.startswith(address) for name in loaded)
