"""A small lake with a trained model, clips and videos, for the tests of the search page."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from starlette.testclient import TestClient

from assets.joint_embedding.clip_search import write_clip_index
from assets.joint_embedding.text_video import LakeModel, load_joint_embedding
from assets.lake import Lake, load_tables
from assets.search.narration import NarrationArray
from assets.search.passages import write_meaning, write_words
from assets.sources.synthetic import SyntheticSource
from assets.splits import SplitOptions
from ml.harness import Runtime
from ml.hero.clip_store import Clip, ClipStore
from ml.hero.config import PRESETS
from ml.hero.data.subtitles import Line
from ml.hero.pretraining.job import Job as HeroJob
from ml.hero.pretraining.train import Settings
from ml.hero.tokenizer import trained
from ml.joint_embedding.clip_index import ClipIndex
from ml.joint_embedding.job import Job
from ml.joint_embedding.pair_store import PairStore, Place
from ml.joint_embedding.pairs import VideoPairs
from ml.joint_embedding.train import Config
from ml.text.sentence_encoder import DIM as MEANING
from ml.text.sentence_encoder import packaged_encoder
from ml.text.word_vectors import train_word_vectors
from ml.training import write_model_folder
from orchestration.search.corpus import Corpus, load_corpus
from orchestration.search.hero import load_hero
from orchestration.search.library import NAMES, Library
from orchestration.search.lists import Meaning, RankedList, Words
from orchestration.search.loader import Loader
from orchestration.search.seen import load_seen

STEPS = (("pour the batter", "batter pour"), ("whisk the eggs", "eggs whisk"), ("slice the bread", "bread slice"))
STEP_S, DIM, VIDEOS = 6.0, 16, 12


def library_of(corpus: Callable[[], Corpus], **lists: Callable[[], RankedList]) -> Library:
    """A library of parts that never change."""
    loaders = {key: Loader(NAMES[key], load, lambda: 1) for key, load in lists.items()}
    return Library(Loader("narration", corpus, lambda: 1), loaders)


class World:
    """A lake of synthetic videos in which every step looks like itself: its clips share a direction."""

    def __init__(self, root: Path) -> None:
        self.root, self.models, self.media = root, root / "models", root / "media"
        self.lake, self.pairs, self.index = Lake(root), PairStore(root / "pairs"), ClipIndex(root / "clips.lance")
        self.ids = [f"synthetic-{number:05d}" for number in range(VIDEOS)]
        self.clips = ClipStore(root / "hero_clips")
        self.words, self.meaning = NarrationArray(root / "words.lance"), NarrationArray(root / "meaning.lance")
        self._write_tables()
        self._train()
        self._train_hero()
        write_clip_index(
            self.index,
            self.pairs,
            self.lake.read("training_manifest").pl(),
            LakeModel(load_joint_embedding(self.models)),
        )

    def library(self) -> Library:
        """What the page searches in, as the command line makes it; no list is compared with chance."""
        return library_of(self.corpus, **{key: getattr(self, f"{key}_list") for key in NAMES})

    def corpus(self) -> Corpus:
        """The narration of the lake."""
        return load_corpus(self.lake, self.words, SplitOptions())

    def words_list(self) -> Words:
        return Words(self.words.pinned())

    def meaning_list(self) -> Meaning:
        return Meaning(self.meaning.pinned(), packaged_encoder().encode)

    def seen_list(self) -> RankedList:
        return load_seen(self.lake, self.models, self.pairs, self.index)

    def hero_list(self) -> RankedList:
        return load_hero(self.lake, self.models, self.clips, self.words, None)

    def _rows(self, table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
        contract = load_tables()[table]
        always = {"shard": "shard-0000", "rank": 1, "category_1": "Food", "task_id": "t", "word_count": 3, "kept": True}
        return contract.frame(
            tuple({**always, "source": "synthetic", "attempts": 1, **row}.get(c.name) for c in contract.columns)
            for row in rows
        )

    def _write_tables(self) -> None:
        source = SyntheticSource(tasks=4, videos_per_task=3)
        played = source.media(self.ids[0], self.media)
        files = [{"video_id": self.ids[0], "uri": str(played.relative_to(self.media)), "status": "ok"}]
        rng = np.random.default_rng(0)
        looks = rng.normal(size=(len(STEPS), DIM))
        clips, places, videos = [], [], []
        for number, video_id in enumerate(self.ids):
            order = np.roll(np.arange(len(STEPS)), number)
            starts = STEP_S * np.arange(len(STEPS))
            for index, step in enumerate(order):
                clip = {"video_id": video_id, "clip_index": index, "start_s": starts[index], "end_s": starts[index] + 6}
                clips.append({**clip, "caption": STEPS[step][0], "caption_clean": STEPS[step][1]})
            vectors = (looks[order] + 0.1 * rng.normal(size=(len(order), DIM))).astype(np.float16)
            cleaned = [STEPS[step][1] for step in order]
            places.append((video_id, VideoPairs(starts, starts + STEP_S, cleaned, vectors, 0, 0)))
            videos.append({"video_id": video_id, "title": f"How to <b>bake</b> {number}"})
        self.places: list[Place] = self.pairs.write("shard-0000", places, DIM)
        manifest = [
            {**vars(place), "pairs_version": place.content_hash, "split": "test" if number < 2 else "train"}
            for number, place in enumerate(self.places)
        ]
        self.lake.write("clips", self._rows("clips", clips), "shard-0000")
        self.lake.write("videos", self._rows("videos", videos))
        self.lake.write("video_files", self._rows("video_files", files), "shard-0000")
        chapter = {"video_id": self.ids[0], "source": "creator", "chapter_index": 0, "title": "Batter & <i>dough</i>"}
        chapter |= {"start_s": 0.0, "end_s": STEP_S}
        self.lake.write("chapters", self._rows("chapters", [chapter]), "shard-0000")
        self.lake.write("training_manifest", self._rows("training_manifest", manifest))
        self.captions = [clip["caption_clean"] for clip in clips]
        write_words(self.words, self.lake)
        encoder = packaged_encoder()
        write_meaning(self.meaning, self.lake, encoder.encode, encoder.identity, MEANING)

    def _train(self) -> None:
        import torch

        words = train_word_vectors(self.captions * 5, 12, 0)
        config, vectors = {"dim": words.dim, "words": words.words}, torch.from_numpy(words.vectors)
        write_model_folder(self.models / "word_vectors", {"vectors": vectors}, config, {}, [], {})
        job = Job(
            self.models / "joint_embedding",
            self.models / "word_vectors",
            str(self.pairs.root),
            self.places[2:],
            [],
            Config(embedding_dim=16, epochs=60, videos_per_batch=5, pairs_per_video=4, learning_rate=1e-2),
            Runtime(device="cpu"),
            {},
        )
        job.run()

    def _train_hero(self) -> None:
        """A few steps on two clips per video, of frames of noise."""
        rng = np.random.default_rng(1)
        lines = [[Line(STEP_S * n, STEP_S * n + 6, caption) for n, (caption, _) in enumerate(STEPS)], []]
        cuts = [
            (video_id, number, Clip(f"{video_id}.{number}", rng.normal(size=(10, 8)).astype("f2"), 2.0, lines[number]))
            for video_id in self.ids
            for number in range(2)
        ]
        clips = self.clips.write("shard-0000", [clip for *_, clip in cuts])
        of = {"frames": 10, "subtitles": 0}
        times = [{"video_id": v, "start_s": 20.0 * n, "end_s": 20.0 * n + 20} for v, n, _ in cuts]
        rows = [
            {**of, **time, "clip_id": c.clip_id, "array_row": c.row, "content_hash": c.content_hash}
            for time, c in zip(times, clips, strict=True)
        ]
        self.lake.write("hero_clips", self._rows("hero_clips", rows), "shard-0000")
        vocabulary, config = self.models / "hero_tokenizer", replace(PRESETS["small"], hidden=16)
        trained([caption for caption, _ in STEPS] * 5, 300).write(vocabulary, {})
        how = Settings(steps=3, warm_up=0, batch=4)
        hero = self.models / "hero"
        HeroJob(hero, vocabulary, str(self.clips.root), clips, [], config, how, Runtime(device="cpu"), {}).run()


def when_ready(client: TestClient) -> TestClient:
    """The client once every part is loaded, or cannot be."""
    while client.get("/healthz").status_code == 503 or client.get("/healthz").json()["message"]:
        time.sleep(0.05)
    return client


def results(client: TestClient, query: str, **more: object) -> dict[str, dict]:
    """The lists of an answer by their keys."""
    answer = client.get("/api/search", params={"q": query, **more})
    assert answer.status_code == 200, answer.text
    return {each["key"]: each for each in answer.json()["results"]}
