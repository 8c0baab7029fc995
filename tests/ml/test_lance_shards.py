"""Arrays that were replaced go, those in force stay."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np

from ml.hero.clip_store import Clip, ClipStore
from ml.lance_shards import clean_up


def test_what_was_replaced_goes_after_its_time_and_what_is_in_force_stays(tmp_path: Path) -> None:
    store = ClipStore(tmp_path / "hero_clips")
    for number in range(3):
        store.write("shard-0000", [Clip(f"clip-{number}", np.ones((500, 64), np.float16), 2.0, [])])
    assert clean_up(tmp_path, timedelta(days=1)) == 0
    assert clean_up(tmp_path, timedelta(0)) > 2 * 500 * 64
    assert store.open("shard-0000").to_table(columns=["clip_id"])["clip_id"].to_pylist() == ["clip-2"]
    assert clean_up(tmp_path / "nothing", timedelta(0)) == 0
