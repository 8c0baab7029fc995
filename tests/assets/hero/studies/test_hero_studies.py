"""HERO's studies: every way is trained and judged on the same held-out videos."""

from __future__ import annotations

import polars as pl
import pytest

from assets.hero.studies.comparisons import RECALLS, TRIALS, Effort, Worlds, compare
from ml.hero.pretraining.train import TASKS

TINY = Effort(videos=24, steps=dict.fromkeys(TASKS, 2), retrieval_steps=2, question_steps=2, batch=4)


def test_corpora_share_no_video_with_the_held_out_videos() -> None:
    worlds = Worlds.make(24, seed=0)
    held_out = {video.video_id for video in worlds.held_out}
    assert held_out.isdisjoint(video.video_id for video in worlds.training["TV"])
    assert len(worlds.corpus(("TV", "HowTo"))) == len(worlds.training["TV"]) + len(worlds.training["HowTo"])
    assert {video.interval_s for video in worlds.corpus(("HowTo",)).videos} == {2.0}


@pytest.mark.campaign
def test_a_variant_that_two_subjects_share_is_trained_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setitem(TRIALS, "corpus", TRIALS["corpus"][:1])
    rows = compare(["architecture", "corpus"], [0], TINY, "cpu", shown.append)
    assert sorted(line.split(",")[0] for line in shown) == ["F-TRM", "H-TRM", "TV-like"]
    counts = rows.filter(pl.col("benchmark") == "moments, fine-tuned").group_by("method").agg(pl.col("metric"))
    assert all(set(metrics) == set(RECALLS) for metrics in counts["metric"])
    assert rows["value"].is_between(0, 1000).all()
    assert rows.filter(pl.col("metric") == "accuracy")["queries"].min() > 10
    hero, tv_like = (rows.filter(pl.col("method") == name).drop("subject", "method") for name in ("HERO", "TV-like"))
    assert hero.equals(tv_like)
