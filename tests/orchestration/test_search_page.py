"""The search page over a small lake whose clips, model and videos are real: answers, ranges, refusals, a browser."""

from __future__ import annotations

import io
import re
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from assets.search.narration import Line, Passage
from ml.joint_embedding.clip_index import ClipIndex
from orchestration.cli import main
from orchestration.search.app import build_app
from orchestration.search.chance import HeldOut, chance_caution
from orchestration.search.corpus import Corpus, line_text
from orchestration.search.errors import NotReadyError
from orchestration.search.hybrid import apart, fuse
from orchestration.search.library import Library
from orchestration.search.limits import TokenBuckets
from orchestration.search.loader import Loader
from orchestration.search.options import SearchOptions
from orchestration.search.seen import load_seen
from tests.browser import Browser
from tests.orchestration.search_world import STEP_S, VIDEOS, World, library_of, results, when_ready


@pytest.fixture(scope="module")
def client(search_world: World) -> Iterator[TestClient]:
    options = SearchOptions(hosts=("testserver",), rate=1000, burst=1000)
    with TestClient(build_app(search_world.library(), [search_world.media], options)) as client:
        yield when_ready(client)


def test_each_list_finds_the_step_and_the_fused_order_combines_them(client: TestClient) -> None:
    answer = client.get("/api/search", params={"q": "pour the batter", "limit": VIDEOS}).json()
    lists = {each["key"]: each["moments"] for each in answer["results"]}
    assert list(lists) == ["words", "meaning", "seen", "hero"]
    for key in ("words", "seen"):
        assert all("pour the batter" in moment["caption"] for moment in lists[key]), key
    assert len({moment["video_id"] for moment in lists["seen"]}) == VIDEOS
    for moments in lists.values():
        assert [each["score"] for each in moments] == sorted((each["score"] for each in moments), reverse=True)
    best = answer["moments"][0]
    assert (
        best["score"] == pytest.approx(sum(1 / (10 + rank) for rank in best["ranks"].values()))
        and len(best["ranks"]) > 1
    )
    first = next(each for each in lists["seen"] if each["video_id"] == "synthetic-00000")
    assert (first["start_s"], first["end_s"], first["split"]) == (0.0, STEP_S, "test")
    assert first["media"] == "/media/synthetic-00000" and first["still"].startswith("/still/synthetic-00000?at=3.0")


def test_ranks_are_fused_over_lists_and_overlapping_moments_are_one() -> None:
    one, near, other = (Passage("a", 0, 10, 3), Passage("a", 2, 10, 2), Passage("b", 0, 10, 1))
    assert apart([one, near, other]) == [one, other]
    fused = fuse({"words": [one, other], "meaning": [other, near]}, 5)
    assert [(each.passage.video_id, dict(each.ranks)) for each in fused] == [
        ("a", {"words": 1, "meaning": 2}),
        ("b", {"words": 2, "meaning": 1}),
    ]
    assert fused[0].passage.score == pytest.approx(1 / 11 + 1 / 12)
    filler = [Passage("c", 10 * n, 10 * n + 10, 0) for n in range(20)]
    first = fuse(
        {
            "words": [one, *filler[:9], other],
            "meaning": [one, *filler[9:15], other],
            "seen": [other, *filler[:19], one],
        },
        1,
    )
    assert first[0].passage.video_id == "a", "two first ranks count more than one, with lower ranks in all lists"


def test_words_phrases_and_exclusions(client: TestClient) -> None:
    assert [each["caption"] for each in results(client, "Whisking", limit=2)["words"]["moments"]] == [
        "whisk the eggs"
    ] * 2
    excluded = results(client, "the batter -eggs", limit=50)
    assert not [each for ranked in excluded.values() for each in ranked["moments"] if "egg" in each["caption"]]
    refused = client.get("/api/search", params={"q": "-eggs"})
    assert refused.status_code == 400 and "no word to search for" in refused.json()["error"]
    assert "no word to search for" in client.get("/", params={"q": "-eggs"}).text


def test_filters_hold_in_every_list(client: TestClient) -> None:
    for ranked in results(client, "pour the batter", category="Food", split="test", limit=50).values():
        assert {each["split"] for each in ranked["moments"]} <= {"test"}
    nothing = client.get("/api/search", params={"q": "pour", "category": "Travel"}).json()
    assert nothing["moments"] == [] and not any(each["moments"] for each in nothing["results"])
    page = client.get("/", params={"q": "pour", "category": "Travel", "channel": "", "after": ""})
    assert page.status_code == 200 and "No moment passes the filters" in page.text
    wrong = client.get("/", params={"q": "pour", "after": "yesterday"})
    assert wrong.status_code == 400 and "after=yesterday" in wrong.text


def test_a_list_at_chance_level_says_so_and_is_not_fused(search_world: World) -> None:
    """All videos have the same captions, so none can be found by one of them."""
    seen = search_world.seen_list()
    held_out = HeldOut([(search_world.ids[n % VIDEOS], "pour the batter") for n in range(24)], VIDEOS)
    caution = chance_caution(seen, held_out)
    assert caution and "Not better than chance" in caution
    seen.caution = caution
    with TestClient(
        build_app(
            library_of(search_world.corpus, words=search_world.words_list, seen=lambda: seen),
            [],
            SearchOptions(hosts=("testserver",)),
        )
    ) as client:
        answer = when_ready(client).get("/api/search?q=pour").json()
        assert answer["results"][1]["caution"] == caution and answer["results"][1]["moments"]
        assert answer["moments"] and all(set(each["ranks"]) == {"words"} for each in answer["moments"])
        assert caution in client.get("/?q=pour").text


def test_moments_like_another_one_are_others(client: TestClient) -> None:
    found = client.get("/api/similar", params={"video": "synthetic-00000", "at": 1, "limit": 5}).json()["moments"]
    assert found and not [each for each in found if each["video_id"] == "synthetic-00000" and each["start_s"] <= 1]
    assert client.get("/", params={"video": "synthetic-00000", "at": 1}).status_code == 200
    missing = client.get("/api/similar", params={"video": "none", "at": 1})
    assert (missing.status_code, missing.json()) == (400, {"error": "video=none: not in the data set"})


def test_a_moment_has_a_page_with_its_narration(client: TestClient) -> None:
    address = client.get("/api/search?q=pour&limit=1").json()["moments"][0]["page"]
    page = client.get(address).text
    assert all(caption in page for caption in ("pour the batter", "whisk the eggs", "slice the bread"))
    assert "Batter &amp; &lt;i&gt;dough" in client.get("/moment?video=synthetic-00000").text
    seen = results(client, "pour the batter", limit=50)["seen"]["moments"]
    named = {(each["video_id"], each["start_s"]): each["chapter"] for each in seen}
    assert named["synthetic-00000", 0.0] == "Batter & <i>dough</i>" and set(named.values()) > {None}
    missing = client.get("/moment?video=none&start=1")
    assert missing.status_code == 404 and "The data set has no video none." in missing.text
    assert client.get("/moment?video=synthetic-00000&start=x").status_code == 400


def test_stills_are_small_pictures_of_the_moment(client: TestClient) -> None:
    found = client.get("/still/synthetic-00000?at=3")
    assert found.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(found.content)) as image:
        assert image.width <= 320
    assert client.get("/still/synthetic-00000?at=9999").status_code == 200, "the last picture"
    assert [client.get(path).status_code for path in ("/still/none?at=1", "/still/synthetic-00000?at=-1")] == [404, 400]


def test_the_card_is_served_once_it_exists(search_world: World, tmp_path: Path) -> None:
    options, card = SearchOptions(hosts=("testserver",)), tmp_path / "card.html"
    with TestClient(build_app(search_world.library(), [search_world.media], options, card)) as client:
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
    lines = [Line(0, 4, "break the eggs"), Line(4, 8, "whisk them"), Line(8, 12, "pour")]
    assert line_text(lines, Passage("v", 0, 8, 1)) == "break the eggs whisk them"
    assert line_text(lines, Passage("v", 5, 9, 1)) == "whisk them pour"


def test_unknown_words_are_named_and_do_not_count(client: TestClient) -> None:
    answer = client.get("/api/search", params={"q": "pour the zeppelin", "limit": 1}).json()
    assert answer["unknown_words"] == ["zeppelin"]
    assert results(client, "pour the zeppelin")["words"]["moments"][0]["caption"] == "pour the batter"
    nothing = results(client, "zeppelin")
    assert nothing["words"]["message"] == "No narration has a word of the query."
    assert nothing["seen"]["message"] == "The model knows no word of the query."
    assert "No narration has" in client.get("/?q=zeppelin").text


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


def test_requests_that_are_too_long_or_too_many_are_refused(client: TestClient, search_world: World) -> None:
    assert client.get("/api/search", params={"q": "p" * 200}).status_code == 200
    long = client.get("/api/search", params={"q": "p" * 201})
    assert (long.status_code, long.json()) == (400, {"error": "q: has 201 characters; at most 200 are allowed"})
    assert client.get("/", params={"q": "p" * 201}).status_code == 400
    slow = SearchOptions(hosts=("testserver",), rate=0.001, burst=2)
    with TestClient(build_app(search_world.library(), [search_world.media], slow)) as eager:
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


def test_a_video_is_given_by_ranges(client: TestClient, search_world: World) -> None:
    whole = client.get("/media/synthetic-00000")
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    part = client.get("/media/synthetic-00000", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    beyond = client.get("/media/synthetic-00000", headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416
    assert client.get("/media/synthetic-00001").status_code == 404


@pytest.mark.parametrize("uri", ["../secret.mp4", "link.mp4", "folder-link/secret.mp4", "/etc/passwd", "notes.txt"])
def test_no_file_outside_the_media_root_is_served(search_world: World, uri: str, tmp_path: Path) -> None:
    root = tmp_path / "media"
    root.mkdir()
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (root / "inside.mp4").write_bytes(b"inside")
    (root / "notes.txt").write_text("not a video")
    (root / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (root / "folder-link").symlink_to(tmp_path)
    corpus = search_world.corpus()
    corpus.files = {"bad": uri, "good": "inside.mp4", "absolute": str(root / "inside.mp4")}
    with TestClient(build_app(library_of(lambda: corpus), [root], SearchOptions(hosts=("testserver",)))) as client:
        when_ready(client)
        assert client.get("/media/bad").status_code == 404
        assert client.get("/media/good").content == client.get("/media/absolute").content == b"inside"
        assert client.get("/media/..%2Fsecret.mp4").status_code == 404


def test_a_moment_has_no_address_of_a_file_that_is_not_served(search_world: World, tmp_path: Path) -> None:
    """The folder of the videos is not set now, or is elsewhere."""
    for root, served in ((search_world.media, True), (tmp_path, False)):
        with TestClient(
            build_app(
                library_of(search_world.corpus, words=search_world.words_list),
                [root],
                SearchOptions(hosts=("testserver",)),
            )
        ) as client:
            answer = when_ready(client).get("/api/search?q=pour").json()
            moments = [*answer["moments"], *answer["results"][0]["moments"]]
            assert moments and any(each["media"] and each["still"] for each in moments) == served
            assert ('src="/media/synthetic-00000' in client.get("/moment?video=synthetic-00000").text) == served


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


def test_words_are_found_where_nothing_is_trained_and_models_follow(search_world: World, tmp_path: Path) -> None:
    now, models, index = [0.0], tmp_path / "models", ClipIndex(tmp_path / "clips.lance")
    load = partial(load_seen, search_world.lake, models, search_world.pairs, index)
    library = Library(
        Loader("narration", search_world.corpus, lambda: 1),
        {
            "words": Loader("words", search_world.words_list, lambda: 1),
            "seen": Loader("seen", load, lambda: 1, clock=lambda: now[0]),
        },
    )
    with TestClient(
        build_app(library, [search_world.media], SearchOptions(hosts=("testserver",), rate=1e3, burst=999))
    ) as client:
        lists = results(when_ready(client), "pour")
        assert lists["words"]["moments"] and "The model word_vectors is not trained yet" in lists["seen"]["message"]
        shutil.copytree(search_world.models, models)
        now[0] = 10.0
        Browser.until(lambda: "materialize the asset clip_search_index" in results(client, "pour")["seen"]["message"])
        shutil.copytree(search_world.index.path, index.path)
        now[0] = 20.0
        Browser.until(lambda: results(client, "pour")["seen"]["moments"])


def test_a_list_of_other_content_is_used_without_a_restart(search_world: World) -> None:
    version, made = [1], []

    def load() -> Corpus:
        made.append(version[0])
        return search_world.corpus()

    library = Library(Loader("narration", load, lambda: version[0]), {})
    with TestClient(build_app(library, [Path()], SearchOptions(hosts=("testserver",)))) as client:
        when_ready(client)
        version[0] = 2
        while made != [1, 2]:
            assert client.get("/").status_code == 200
            time.sleep(0.02)


def test_a_failed_loading_is_shown_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def load() -> Corpus:
        raise NotReadyError("The narration is not indexed yet.")

    with TestClient(build_app(library_of(load), [Path()], SearchOptions(hosts=("testserver",)))) as client:
        while "Starting" in (page := client.get("/")).text:
            time.sleep(0.02)
        assert page.status_code == 503 and "The narration is not indexed yet." in page.text
        assert "The narration is not indexed yet." in caplog.text
        refused = client.get("/api/search?q=pour")
        assert refused.status_code == 503 and refused.headers["retry-after"] == "2"
        assert client.get("/healthz").json()["status"] == "unavailable"


def test_the_command_refuses_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("HOWTO_SHARDS", "0")
    assert main(["search"]) == 2
    assert "HOWTO_SHARDS=0" in capsys.readouterr().err
