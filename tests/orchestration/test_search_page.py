"""The search page over a small lake whose clips, model and videos are real: answers, ranges, refusals, a browser."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest
import uvicorn
from starlette.testclient import TestClient

from assets.joint_embedding.clip_search import write_clip_index
from assets.joint_embedding.text_video import LakeModel, load_joint_embedding
from ml.hero.clip_store import Clip, ClipStore
from ml.hero.tokenizer import trained
from ml.joint_embedding.clip_index import ClipIndex
from ml.joint_embedding.pair_store import PairStore
from ml.joint_embedding.pairs import VideoPairs
from orchestration.cli import main
from orchestration.search.app import build_app
from orchestration.search.errors import NotReadyError
from orchestration.search.hero_moments import Corpus, load_corpus
from orchestration.search.library import Library
from orchestration.search.limits import TokenBuckets
from orchestration.search.moments import Moments, Video, load_moments
from orchestration.search.options import SearchOptions
from tests.browser import Browser
from tests.orchestration.search_world import DIM, STEP_S, VIDEOS, World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("search"))


@pytest.fixture(scope="module")
def moments(world: World) -> Moments:
    return world.moments()


def when_ready(client: TestClient) -> TestClient:
    """The client once the model is loaded."""
    while client.get("/").status_code == 503:
        time.sleep(0.05)
    return client


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[TestClient]:
    options = SearchOptions(hosts=("testserver",), rate=1000, burst=1000)
    with TestClient(build_app(world.library(), [world.media], options)) as client:
        yield when_ready(client)


def test_the_moments_of_a_step_come_before_all_others(moments: Moments) -> None:
    found = moments.search("pour the batter", VIDEOS)
    assert {moment.caption for moment in found} == {"pour the batter"}
    assert len({moment.video_id for moment in found}) == VIDEOS
    assert [moment.score for moment in found] == sorted((moment.score for moment in found), reverse=True)
    first = next(moment for moment in found if moment.video_id == "synthetic-00000")
    assert (first.start_s, first.end_s, first.split, first.playable) == (0.0, STEP_S, "test", True)
    assert [moment.caption for moment in moments.search("Whisk", 2)] == ["whisk the eggs"] * 2


def test_overlapping_clips_are_one_moment(world: World, moments: Moments) -> None:
    lines = VideoPairs(
        np.array([0.0, 1.0, 20.0]), np.array([6.0, 7.0, 26.0]), ["batter pour"] * 3, np.ones((3, DIM), np.float16), 0, 0
    )
    store = PairStore(world.root / "overlapping")
    place = store.write("shard-0000", [("synthetic-00000", lines)], DIM)[0]
    before = world.lake.read("training_manifest").pl()
    world.lake.write("training_manifest", before.head(1).with_columns(pairs=pl.lit(place.pairs)))
    manifest, index = world.lake.read("training_manifest").pl(), ClipIndex(world.root / "overlapping.lance")
    write_clip_index(index, store, manifest, LakeModel(load_joint_embedding(world.models)))
    found = load_moments(world.lake, world.models, store, index).search("pour batter", 5)
    world.lake.write("training_manifest", before)
    assert sorted(moment.start_s for moment in found) == [0.0, 20.0]


def test_an_index_of_another_model_is_refused(world: World, tmp_path: Path) -> None:
    """Its scores would mean nothing."""
    stored, index = world.index.take(np.arange(len(world.index))), ClipIndex(tmp_path / "clips.lance")
    for other, dim in ((stored.vectors[:, ::-1], 16), (stored.vectors[:, 1:], 15)):
        index.write([replace(stored, vectors=other)], dim)
        with pytest.raises(NotReadyError, match="index of the clips is of another model"):
            load_moments(world.lake, world.models, world.pairs, index)


def test_hero_finds_moments_next_to_the_clips(world: World, client: TestClient) -> None:
    clips, hero = client.get("/api/search?q=pour the batter&limit=5").json()["results"]
    assert [clips["model"], hero["model"]] == ["joint embedding", "HERO, pre-trained"]
    assert len(hero["moments"]) == 5 and hero["message"] is None
    for moment in hero["moments"]:
        first = 20.0 * (moment["start_s"] >= 20)
        assert first <= moment["start_s"] < moment["end_s"] <= first + 20, "a moment is within its clip"
        assert 0 < moment["score"] <= 1
    found = [(moment["video_id"], moment["start_s"]) for moment in hero["moments"]]
    assert len(set(found)) == 5
    page = client.get("/?q=pour the batter").text
    assert page.index("<h2>joint embedding</h2>") < page.index("<h2>HERO, pre-trained</h2>")


def test_without_a_hero_that_fits_the_page_gives_the_reason_next_to_the_clips(world: World, tmp_path: Path) -> None:
    def message(store: ClipStore, models: Path) -> str:
        corpus = load_corpus(world.moments(), world.lake, models, store)
        with TestClient(
            build_app(Library(lambda: corpus, lambda: 1), [], SearchOptions(hosts=("testserver",)))
        ) as page:
            clips, hero = when_ready(page).get("/api/search?q=pour").json()["results"]
            assert clips["moments"] and hero["moments"] == [] and hero["message"] in page.get("/?q=pour").text
        return str(hero["message"])

    assert "materialize the assets of the group hero" in message(world.clips, tmp_path)
    wide, other = ClipStore(tmp_path / "wide"), tmp_path / "models"
    wide.write("shard-0000", [Clip(f"{v}.{n}", np.ones((10, 9), "f2"), 2.0, []) for v in world.ids for n in range(2)])
    assert "features of 9 numbers, but the model reads 8" in message(wide, world.models)
    shutil.copytree(world.models, other)
    trained(["batter"], 280).write(other / "hero_tokenizer", {})
    assert "another vocabulary" in message(world.clips, other)


def test_the_card_is_served_once_it_exists(world: World, tmp_path: Path) -> None:
    options, card = SearchOptions(hosts=("testserver",)), tmp_path / "card.html"
    with TestClient(build_app(world.library(), [world.media], options, card)) as client:
        missing = client.get("/card")
        assert missing.status_code == 404 and "materialize the asset data_set_card" in missing.json()["error"]
        assert 'href="/card"' not in client.get("/").text
        card.write_text("<!doctype html><title>card</title>", encoding="utf-8")
        found = client.get("/card")
        assert found.status_code == 200 and "<title>card</title>" in found.text
        assert "style-src 'unsafe-inline'" in found.headers["content-security-policy"]
        assert "script-src" not in found.headers["content-security-policy"]
        assert 'href="/card"' in client.get("/").text


def test_a_moment_has_the_captions_within_it() -> None:
    starts = np.array([0.0, 4.0, 8.0])
    video = Video("t", "synthetic", "test", starts, starts + 4, ["break the eggs", "whisk them", "pour"])
    assert video.said(0.0, 8.0) == "break the eggs whisk them"
    assert video.said(5.0, 9.0) == "whisk them pour"


def test_unknown_words_are_named_and_do_not_count(client: TestClient) -> None:
    answer = client.get("/api/search", params={"q": "pour the zeppelin", "limit": 1}).json()
    assert answer["unknown_words"] == ["zeppelin"]
    assert answer["results"][0]["moments"][0]["caption"] == "pour the batter"
    assert client.get("/api/search", params={"q": "zeppelin"}).json()["results"][0]["moments"] == []
    assert "Nothing found" in client.get("/?q=zeppelin").text


def test_the_api_keeps_its_description(client: TestClient) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = pytest.importorskip("openapi_spec_validator")
    described = client.get("/api/openapi.json").json()
    validator.validate(described)
    assert {"/api/search", "/healthz", "/media/{video_id}"} <= set(described["paths"])
    for query, status in (
        ("q=pour", 200),
        ("q=zeppelin", 200),
        ("q=", 400),
        ("", 400),
        ("q=a&limit=0", 400),
        ("q=a&limit=x", 400),
    ):
        response = client.get(f"/api/search?{query}")
        assert response.status_code == status, response.text
        said = described["paths"]["/api/search"]["get"]["responses"][str(status)]
        reference = said["content"]["application/json"]["schema"]["$ref"].removeprefix("#/components/schemas/")
        schema = {"$ref": f"#/components/schemas/{reference}", "components": described["components"]}
        jsonschema.Draft202012Validator(schema).validate(response.json())
    assert client.get("/api/search?q=a&limit=x").json()["error"].startswith("limit=x: ")
    assert client.get("/healthz").json() == {"status": "ready", "message": None}


def test_requests_that_are_too_long_or_too_many_are_refused(client: TestClient, world: World) -> None:
    assert client.get("/api/search", params={"q": "p" * 200}).status_code == 200
    long = client.get("/api/search", params={"q": "p" * 201})
    assert (long.status_code, long.json()) == (400, {"error": "q: has 201 characters; at most 200 are allowed"})
    assert client.get("/", params={"q": "p" * 201}).status_code == 400
    slow = SearchOptions(hosts=("testserver",), rate=0.001, burst=2)
    with TestClient(build_app(world.library(), [world.media], slow)) as eager:
        when_ready(eager)
        statuses = [eager.get("/api/search?q=pour").status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        refused = eager.get("/?q=pour")
        assert refused.status_code == 429 and 900 < int(refused.headers["retry-after"]) <= 1000
        assert eager.get("/").status_code == 200


def test_a_bucket_fills_again_for_each_client() -> None:
    now = [0.0]
    buckets = TokenBuckets(rate=0.5, burst=2, clients=2, clock=lambda: now[0])
    assert [buckets.wait_s("a"), buckets.wait_s("a"), buckets.wait_s("a"), buckets.wait_s("b")] == [0, 0, 2, 0]
    now[0] = 2.0
    assert [buckets.wait_s("a"), buckets.wait_s("a")] == [0, 2]
    assert [buckets.wait_s(client) for client in ("b", "c")] == [0, 0]
    assert buckets.wait_s("a") == 0, "the bucket that was not used for longest is replaced by a new one"


def test_a_video_is_given_by_ranges(client: TestClient, world: World) -> None:
    whole = client.get("/media/synthetic-00000")
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    part = client.get("/media/synthetic-00000", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    beyond = client.get("/media/synthetic-00000", headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416
    assert client.get("/media/synthetic-00001").status_code == 404


@pytest.mark.parametrize("uri", ["../secret.mp4", "link.mp4", "folder-link/secret.mp4", "/etc/passwd", "notes.txt"])
def test_no_file_outside_the_media_root_is_served(world: World, moments: Moments, uri: str, tmp_path: Path) -> None:
    root = tmp_path / "media"
    root.mkdir()
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (root / "inside.mp4").write_bytes(b"inside")
    (root / "notes.txt").write_text("not a video")
    (root / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (root / "folder-link").symlink_to(tmp_path)
    moments = world.moments()
    moments.files = {"bad": uri, "good": "inside.mp4", "absolute": str(root / "inside.mp4")}
    library = Library(lambda: Corpus(moments, "none"), lambda: 1)
    with TestClient(build_app(library, [root], SearchOptions(hosts=("testserver",)))) as client:
        when_ready(client)
        assert client.get("/media/bad").status_code == 404
        assert client.get("/media/good").content == client.get("/media/absolute").content == b"inside"
        assert client.get("/media/..%2Fsecret.mp4").status_code == 404


def test_every_answer_is_closed_to_other_sites(client: TestClient) -> None:
    for path in ("/", "/?q=pour", "/api/search?q=pour", "/api/search", "/media/none", "/nothing"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert client.get("/", headers={"Host": "elsewhere.example"}).status_code == 400
    page = client.get("/?q=pour")
    nonce = re.search(r"'nonce-([^']+)'", page.headers["content-security-policy"]).group(1)
    assert f'<style nonce="{nonce}">' in page.text and f'<script nonce="{nonce}">' in page.text
    assert nonce not in client.get("/?q=pour").text
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page.text), "nothing is loaded from elsewhere"


def test_what_others_wrote_is_only_text(client: TestClient) -> None:
    page = client.get("/", params={"q": 'pour "><script>alert(1)</script>'}).text
    assert "How to &lt;b&gt;bake&lt;/b&gt;" in page
    assert "<script>alert" not in page and "<b>bake" not in page


def test_without_a_model_the_page_says_what_to_run(world: World, tmp_path: Path) -> None:
    now = [0.0]
    models = tmp_path / "models"
    index = ClipIndex(tmp_path / "clips.lance")
    library = Library(
        lambda: Corpus(load_moments(world.lake, models, world.pairs, index), "none"), lambda: 1, clock=lambda: now[0]
    )
    with TestClient(build_app(library, [world.media], SearchOptions(hosts=("testserver",)))) as client:
        while "Starting" in (page := client.get("/?q=pour")).text:
            time.sleep(0.05)
        assert page.status_code == 503 and "The model word_vectors is not in" in page.text
        refused = client.get("/api/search?q=pour")
        assert refused.status_code == 503 and "howto refresh" in refused.json()["error"]
        shutil.copytree(world.models, models)
        now[0] = 10.0
        Browser.until(lambda: "The clips are not indexed in" in client.get("/?q=pour").text)
        assert "materialize the asset clip_search_index" in client.get("/api/search?q=pour").json()["error"]
        shutil.copytree(world.index.path, index.path)
        now[0] = 20.0
        when_ready(client)
        assert "pour the batter" in client.get("/?q=pour").text


def test_a_retrained_model_is_used_without_a_restart(moments: Moments) -> None:
    version, made = [1], []

    def load() -> Corpus:
        made.append(version[0])
        return Corpus(moments, "none")

    library = Library(load, lambda: version[0])
    with TestClient(build_app(library, [Path()], SearchOptions(hosts=("testserver",)))) as client:
        when_ready(client)
        version[0] = 2
        while made != [1, 2]:
            assert client.get("/").status_code == 200
            time.sleep(0.02)


def test_a_failed_loading_is_shown_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def load() -> Corpus:
        raise NotReadyError("The lake has no table clips yet.")

    with TestClient(build_app(Library(load, lambda: 1), [Path()], SearchOptions(hosts=("testserver",)))) as client:
        while "Starting" in (page := client.get("/")).text:
            time.sleep(0.02)
        assert "The lake has no table clips yet." in page.text and "The lake has no table clips yet." in caplog.text


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def address(world: World) -> Iterator[str]:
    """The page on a real socket."""
    port = free_port()
    app = build_app(world.library(), [world.media], SearchOptions(rate=1000, burst=1000))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path) as opened:
        yield opened


def test_in_a_browser_by_keys_alone(browser: Browser, address: str) -> None:
    browser.do("Page.navigate", url=address)
    browser.until(lambda: browser.see("document.activeElement?.name === 'q'"))
    browser.do("Input.insertText", text="pour the batter")
    browser.press("Enter", "\r")
    browser.until(lambda: browser.see("document.querySelectorAll('section:first-child .moment').length") == VIDEOS)
    browser.until(lambda: browser.see("document.querySelector('video')?.readyState >= 1"))
    browser.press("j", "j")
    assert browser.see("document.activeElement.className") == "play"
    browser.see("document.querySelector('.moment:has(video) .play').focus()")
    browser.press("Enter", "\r")
    browser.until(lambda: browser.see("document.querySelector('video').currentTime > 0.3"))
    browser.press("/", "/")
    assert browser.see("document.activeElement.value") == "pour the batter"
    assert [browser.width(pixels) for pixels in (400, 1280)] == [400, 1280]
    loaded = browser.see("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert loaded and all(name.startswith(address) for name in loaded)


def test_a_moment_starts_where_its_step_starts(browser: Browser, address: str, moments: Moments) -> None:
    start = next(m.start_s for m in moments.search("slice the bread", VIDEOS) if m.playable)
    assert start > 0
    browser.do("Page.navigate", url=f"{address}/?q=slice+the+bread")
    browser.until(lambda: browser.see("document.querySelector('video')?.readyState >= 2"))
    assert browser.see("document.querySelector('video').currentTime") == pytest.approx(start, abs=0.1)


def test_the_command_serves_a_lake_that_is_not_made_yet_and_makes_none(tmp_path: Path) -> None:
    lake, port = tmp_path / "lake", free_port()
    command = [sys.executable, "-m", "orchestration.cli", "search", "--port", str(port)]
    server = subprocess.Popen(command, env={**os.environ, "HOWTO_LAKE": str(lake)})
    pages: list[httpx.Response] = []

    def answered() -> bool:
        assert server.poll() is None
        with suppress(httpx.TransportError):
            pages.append(httpx.get(f"http://127.0.0.1:{port}/"))
        return bool(pages) and "Starting." not in pages[-1].text

    try:
        Browser.until(answered, seconds=120)
    finally:
        server.terminate()
        server.wait()
    assert pages[-1].status_code == 503
    assert "The model word_vectors is not in" in pages[-1].text and "howto refresh" in pages[-1].text
    assert not lake.exists()


def test_the_command_refuses_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("HOWTO_SHARDS", "0")
    assert main(["search"]) == 2
    assert "HOWTO_SHARDS=0" in capsys.readouterr().err
