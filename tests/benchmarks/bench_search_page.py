"""Latency of the search page, of its parts, and of a plain matrix product.

The clips are random vectors of the demo's dimension. 2,000 is about the size of the demo; 500,000 are searched by an
index. HERO of size small searches the same videos, cut into minutes. There is one client.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from starlette.testclient import TestClient

from ml.hero.config import PRESETS
from ml.hero.model import Hero
from ml.hero.search import MomentSearch
from ml.hero.video import Video
from ml.joint_embedding.clip_index import ClipEmbeddings, ClipIndex
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.search import ClipSearch
from ml.joint_embedding.text_video import JointTextVideo
from ml.metrics.moments import Search
from ml.text.word_vectors import WordVectors
from orchestration.search.app import build_app
from orchestration.search.hero_moments import Corpus, HeroMoments, Place
from orchestration.search.library import Library
from orchestration.search.moments import Moments
from orchestration.search.moments import Video as Known
from orchestration.search.options import SearchOptions
from tests.benchmarks.results import Table

DIM, WORD_DIM, CLIPS_OF_VIDEO, CLIP_S, CLIPS_OF_MINUTE = 256, 300, 100, 4.0, 15
REQUESTS = 200


def corpus(clips: int, path: Path) -> tuple[Moments, NDArray[np.float32]]:
    """Consecutive clips of videos of equal length; captions of two words out of a thousand."""
    rng = np.random.default_rng(0)
    words = WordVectors([f"word{number}" for number in range(1000)], rng.normal(size=(1000, WORD_DIM)).astype("f4"))
    vectors = rng.normal(size=(clips, DIM)).astype("f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    start_s = CLIP_S * (np.arange(clips) % CLIPS_OF_VIDEO)
    video_ids = [f"video-{clip // CLIPS_OF_VIDEO}" for clip in range(clips)]
    own = start_s[:CLIPS_OF_VIDEO]
    captions = [f"word{clip} word{clip + 1}" for clip in range(CLIPS_OF_VIDEO)]
    videos = {
        video_id: Known(video_id, "synthetic", "test", own, own + CLIP_S, captions) for video_id in sorted({*video_ids})
    }
    model = JointEmbedding(DIM, WORD_DIM, DIM).eval()
    index = ClipIndex(path)
    index.write([ClipEmbeddings(video_ids, start_s, start_s + CLIP_S, vectors)], DIM)
    return Moments(ClipSearch(index, JointTextVideo(model, words)), videos, {}), vectors


def hero(videos: int) -> HeroMoments:
    """HERO of size small over clips of a minute, with random parameters and frames, without subtitles."""
    rng, config = np.random.default_rng(0), replace(PRESETS["small"], frame_dim=64)
    clips = [Video(f"video-{n}", rng.normal(size=(30, 64)).astype("f4"), 2.0, []) for n in range(videos)]
    search = MomentSearch(Hero(config), lambda text: [4 + len(word) for word in text.split()], clips, Search())
    own = np.zeros(1)
    known = {clip.video_id: Known(clip.video_id, "synthetic", "test", own, own + 60, ["word"]) for clip in clips}
    return HeroMoments(search, [Place(clip.video_id, 0.0, 60.0) for clip in clips], known, {})


def milliseconds(work: Callable[[int], object]) -> np.ndarray:
    """Milliseconds of each of many calls."""
    taken = []
    for turn in range(REQUESTS):
        started = time.perf_counter()
        work(turn)
        taken.append(1000 * (time.perf_counter() - started))
    return np.array(taken)


@pytest.mark.parametrize("clips", [2_000, 100_000, 500_000])
def test_a_search_and_its_parts(clips: int, tmp_path: Path, table: Callable[..., Table]) -> None:
    torch.manual_seed(0)
    moments, vectors = corpus(clips, tmp_path / "clips.lance")
    query, moments_of_hero = vectors[0].copy(), hero(clips // CLIPS_OF_MINUTE)
    app = build_app(
        Library(lambda: Corpus(moments, moments_of_hero), lambda: 1),
        [],
        SearchOptions(hosts=("testserver",), rate=1e6, burst=10**6),
    )
    with TestClient(app) as client:
        while client.get("/").status_code == 503:
            time.sleep(0.05)
        rows = {
            "request to the API": milliseconds(lambda turn: client.get(f"/api/search?q=word{turn}+word{turn + 7}")),
            "request to the page": milliseconds(lambda turn: client.get(f"/?q=word{turn}+word{turn + 7}")),
            "search of clips": milliseconds(lambda turn: moments.search(f"word{turn} word{turn + 7}", 12)),
            "search of moments": milliseconds(lambda turn: moments_of_hero.search(f"word{turn} word{turn + 7}", 12)),
            "matrix product and full sort": milliseconds(lambda _: np.argsort(-(vectors @ query))[:12]),
            "request without a search": milliseconds(lambda _: client.get("/api/openapi.json")),
        }
    base = np.median(rows["matrix product and full sort"])
    title = f"Search page: {clips:,} clips of dimension {DIM}"
    measured = table(title, "operation", "p50 ms", "p95 ms", "relative to the matrix product")
    for name, taken in rows.items():
        measured.add(name, np.median(taken), np.quantile(taken, 0.95), np.median(taken) / base)
