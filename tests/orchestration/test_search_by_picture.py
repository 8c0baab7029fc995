"""Search by a picture on the real app, with an open_clip model of random weights."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import uvicorn
from PIL import Image
from starlette.testclient import TestClient

from assets.features.decode import probe
from assets.features.extract import VideoFile
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.joint_embedding.clip_search import write_clip_index
from assets.joint_embedding.text_video import LakeModel, tower_index
from ml.joint_embedding.clip_index import ClipIndex
from ml.text_video.open_clip import OpenClipTextVideo
from ml.vision.presets import Options
from ml.vision.sampling import SourceVideo
from orchestration.search import pictures
from orchestration.search.app import build_app
from orchestration.search.options import SearchOptions
from orchestration.search.seen import load_seen
from tests.browser import Browser
from tests.ml.text_video.towers import open_clip_folder
from tests.orchestration.search_world import World, library_of, when_ready
from tests.orchestration.test_search_browser import free_port

VIDEO = "synthetic-00000"
"""The only video of the world that has a file."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("open_clip")


@pytest.fixture(scope="module")
def app(search_world: World, root: Path):  # type: ignore[no-untyped-def]
    tower = OpenClipTextVideo(open_clip_folder(root, "clip"), Options())
    (path,) = search_world.media.rglob("*.mp4")
    info = probe(path)
    file = VideoFile(VIDEO, path, "sha", SourceVideo(info.frame_rate, info.duration_s))
    store, clips = FeatureStore(root / "arrays"), ClipIndex(root / "clips.lance")
    own = LakeModel(tower, FeatureReader(tower_index(tower, [file], store, "shard-0000"), store, [tower.stream]))
    lake, pairs = search_world.lake, search_world.pairs
    write_clip_index(clips, pairs, lake.read("training_manifest").pl(), own)
    library = library_of(
        search_world.corpus,
        words=search_world.words_list,
        seen=lambda: load_seen(lake, search_world.models, pairs, clips, own),
    )
    return build_app(
        library, [search_world.media], SearchOptions(hosts=("testserver", "127.0.0.1"), rate=1000, burst=1000)
    )


@pytest.fixture
def client(app) -> Iterator[TestClient]:  # type: ignore[no-untyped-def]
    with TestClient(app) as client:
        yield when_ready(client)


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    written = io.BytesIO()
    picture.save(written, kind)
    return written.getvalue()


def test_clips_are_found_by_the_vector_of_the_picture(client: TestClient, root: Path) -> None:
    theirs = open_clip.create_model_from_pretrained(f"local-dir:{root / 'clip'}", return_transform=False).eval()
    about = open_clip.get_model_preprocess_cfg(theirs)
    clips = ClipIndex(root / "clips.lance").take(np.arange(3))
    still = Image.open(io.BytesIO(client.get(f"/still/{VIDEO}?at=8").content)).resize(about["size"])
    pixels = (np.asarray(still) / 255 - about["mean"]) / about["std"]
    with torch.inference_mode():
        vector = theirs.encode_image(torch.from_numpy(pixels.transpose(2, 0, 1)[None]).float(), normalize=True)[0]
    scores = clips.vectors.astype(np.float32) @ vector.numpy()
    expected = sorted(zip(scores.tolist(), clips.start_s.tolist(), strict=True), reverse=True)

    response = client.post("/api/picture", params={"limit": 2}, content=encoded(still))
    assert response.status_code == 200, response.text
    answer = response.json()
    lists = {each["key"]: each for each in answer["results"]}
    found = [(each["score"], each["start_s"]) for each in lists["seen"]["moments"]]
    assert found == [(pytest.approx(score, abs=1e-3), start_s) for score, start_s in expected[:2]]
    assert answer["moments"][0]["ranks"] == {"seen": 1}
    assert lists["words"]["moments"] == [] and "what is seen only" in lists["words"]["message"]
    assert client.get("/api/picture", params={"limit": 2, "picture": answer["picture"]}).json() == answer
    assert client.post("/api/picture?split=train", content=encoded(still)).json()["moments"] == [], "filters hold"
    page = client.get(f"/?picture={answer['picture']}")
    assert page.status_code == 200 and "look like the picture" in page.text and 'type="file"' in page.text


def test_pictures_of_all_kinds_are_read() -> None:
    turned = Image.new("RGB", (40, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    written = io.BytesIO()
    turned.save(written, "JPEG", exif=exif)
    assert pictures.read_picture(written.getvalue()).shape == (40, 20, 3)
    kinds = {"RGBA": "PNG", "P": "PNG", "L": "JPEG", "CMYK": "JPEG", "I;16": "PNG", "RGB": "WEBP"}
    for mode, kind in kinds.items():
        assert pictures.read_picture(encoded(Image.new(mode, (9, 8)), kind)).shape == (8, 9, 3)


def test_what_is_no_picture_is_refused_in_one_line(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = encoded(Image.effect_noise((300, 200), 80))
    cases = [
        (b"", "it is not a JPEG, PNG or WebP picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is not a JPEG, PNG or WebP picture"),
        (encoded(Image.new("RGB", (9, 9)), "GIF"), "it is not a JPEG, PNG or WebP picture"),
        (noise[: len(noise) // 2], "it is damaged"),
        (noise[:200] + b"\0" * 50 + noise[250:], "it is damaged"),
        (encoded(Image.new("1", (9000, 5000))), "it has 45,000,000 pixels; at most 40,000,000 are allowed"),
        (encoded(Image.new("L", (200, 2))), "one side, 200 pixels, is more than 10 times the other, 2"),
    ]
    for content, reason in cases:
        refused = client.post("/api/picture", content=content)
        assert refused.status_code == 400 and reason in refused.json()["error"], refused.text
        assert refused.json()["error"].count("\n") == 0
    monkeypatch.setattr("orchestration.search.app.MOST_BYTES", 1000)
    long = client.post("/api/picture", content=noise)
    assert (long.status_code, long.json()) == (413, {"error": "A picture has at most 1,000 bytes."})
    assert client.get("/api/picture?picture=0123456789abcdef").status_code == 404
    assert client.get("/?picture=0123456789abcdef").status_code == 404
    assert client.get("/api/picture?picture=../x").status_code == 400


def test_a_model_without_an_image_side_says_so(search_world: World) -> None:
    options = SearchOptions(hosts=("testserver",), rate=1000, burst=1000)
    with TestClient(build_app(search_world.library(), [search_world.media], options)) as client:
        when_ready(client)
        refused = client.post("/api/picture", content=encoded(Image.new("RGB", (9, 9))))
        assert refused.status_code == 400 and "The joint embedding has no image side" in refused.json()["error"]
        page = client.get("/").text
        assert "The joint embedding has no image side" in page and 'type="file"' not in page


def test_a_file_is_chosen_in_a_browser(app, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        with Browser(tmp_path / "profile") as browser:
            address = f"http://127.0.0.1:{port}/"
            browser.until(lambda: browser.open(address) is None and chooser(browser) is not None)
            (tmp_path / "text.png").write_text("no picture")
            choose(browser, tmp_path / "text.png")
            browser.until(lambda: browser.see("document.querySelector('#problem')?.hidden === false"))
            assert "not a JPEG, PNG or WebP" in browser.see("document.querySelector('#problem').innerText")
            Image.new("RGB", (64, 48), "teal").save(tmp_path / "teal.png")
            choose(browser, tmp_path / "teal.png")
            browser.until(lambda: browser.see("location.search").startswith("?picture="))
            browser.until(lambda: browser.see("document.querySelectorAll('.moment').length") == 3)
            assert [browser.width(pixels) for pixels in (375, 1280)] == [375, 1280]
    finally:
        server.should_exit = True
        thread.join()


def chooser(browser: Browser) -> int | None:
    """The DOM node of the field for a file."""
    document = browser.do("DOM.getDocument")["root"]["nodeId"]
    return browser.do("DOM.querySelector", nodeId=document, selector="input[type=file]")["nodeId"] or None


def choose(browser: Browser, path: Path) -> None:
    browser.do("DOM.setFileInputFiles", files=[str(path)], nodeId=chooser(browser))
