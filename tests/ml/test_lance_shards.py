"""Lance arrays: reading, several writers, clean-up of replaced versions, and damaged manifests."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from ml.array_history import clean_up
from ml.hero.clip_store import Clip, ClipStore
from ml.lance_arrays import WriteMode, array_versions, open_array, write_array
from ml.lance_shards import VectorColumn
from ml.token_ids import token_ids


def test_what_was_replaced_goes_after_its_time_and_what_is_in_force_stays(tmp_path: Path) -> None:
    store = ClipStore(tmp_path / "hero_clips")
    for number in range(3):
        store.write("shard-0000", [Clip(f"clip-{number}", np.ones((500, 64), np.float16), 2.0, [])])
    assert clean_up(tmp_path, timedelta(days=1)) == 0
    assert clean_up(tmp_path, timedelta(0)) > 2 * 500 * 64
    assert store.open("shard-0000").to_table(columns=["clip_id"])["clip_id"].to_pylist() == ["clip-2"]
    assert clean_up(tmp_path / "nothing", timedelta(0)) == 0


@pytest.mark.parametrize(("dim", "mapped"), [(512, True), (16, False)])
def test_rows_of_a_mapped_column_are_those_that_lance_reads(tmp_path: Path, dim: int, mapped: bool) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((20_000, dim)).astype(np.float16)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dim)
    table = pa.table({"number": np.arange(20_000), "vector": column})
    lance.write_dataset(table, str(tmp_path / "a.lance"), max_rows_per_file=15_000)
    read = VectorColumn(lance.dataset(str(tmp_path / "a.lance")), "vector", dim)
    assert read.is_mapped == mapped
    for rows in (
        rng.permutation(20_000)[:300].repeat(2),
        np.arange(14_990, 15_010),
        np.arange(5),
        np.empty(0, np.int64),
    ):
        into = np.zeros((len(rows) + 1, dim), np.float16)
        at = rng.permutation(len(rows) + 1)[: len(rows)]
        read.read(rows, into, at)
        np.testing.assert_array_equal(into[at], vectors[rows])
        whole = np.zeros((len(rows), dim), np.float16)
        read.read(rows, whole, np.arange(len(rows)))
        np.testing.assert_array_equal(whole, vectors[rows])


@pytest.mark.parametrize(("mode", "exists", "rows"), [("append", True, 15), ("overwrite", False, 3)])
def test_several_writers_at_once(mode: WriteMode, exists: bool, rows: int, tmp_path: Path) -> None:
    path, schema = tmp_path / "array.lance", pa.schema([("n", pa.int64())])

    def write(number: int) -> int:
        batches = (pa.record_batch([pa.array([number])], schema=schema) for _ in range(3))
        return write_array(path, pa.RecordBatchReader.from_batches(schema, batches), mode)

    if exists:
        write(9)
    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(4)))
    numbers = open_array(path).to_table()["n"].to_pylist()
    assert len(numbers) == rows and set(Counter(numbers).values()) == {3}


def test_token_ids_of_an_array_that_is_not_on_disk_are_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    array = lance.write_dataset(pa.table({"text": ["fold the paper", "cut"]}), "memory://bucket/clips.lance")
    read = iter([[["fold the paper", "cut"]]])
    for _ in range(2):  # the texts can be read once
        ids = token_ids(array, lambda: next(read), lambda texts: ([len(text)] for text in texts), "lengths")
        assert ids.ids.tolist() == [14, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_a_manifest_that_is_cut_anywhere_is_an_error_that_counts_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "array.lance"
    write_array(path, pa.table({"n": [1, 2]}).to_reader(), "overwrite")
    newest = path / "_versions" / array_versions(path)[0]
    content = newest.read_bytes()
    for length in range(len(content)):
        newest.write_bytes(content[:length])
        with pytest.raises((OSError, ValueError)):
            open_array(path)
