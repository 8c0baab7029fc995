"""The lake: contracts, replacing partitions, content versions, snapshots, concurrent and killed writers."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.lake import Lake, LakeError, load_tables
from assets.lake.expiry import expire
from assets.lake.snapshot import Snapshot
from assets.lake.tables import parse_tables


def clips(shard: str, rows: int, start_s: float = 0.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "shard": [shard] * rows,
            "video_id": [f"video-{i // 10}" for i in range(rows)],
            "clip_index": list(range(rows)),
            "start_s": [start_s + i for i in range(rows)],
            "end_s": [start_s + i + 1.0 for i in range(rows)],
            "caption": ["stir the bowl"] * rows,
            "caption_clean": ["stir bowl"] * rows,
            "word_count": [3] * rows,
            "word_starts_s": [None] * rows,
            "sentence_index": [None] * rows,
            "caption_source": ["asr"] * rows,
            "language": ["en"] * rows,
            "language_probability": [None] * rows,
        },
        schema_overrides={
            "word_starts_s": pl.List(pl.Float64),
            "sentence_index": pl.Int64,
            "language_probability": pl.Float64,
        },
    )


@pytest.fixture(scope="module")
def one_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return Lake(tmp_path_factory.mktemp("lake"))


def test_replacing_a_partition_does_not_change_another(lake: Lake) -> None:
    lake.write("clips", clips("shard-0000", 30), "shard-0000")
    other = lake.write("clips", clips("shard-0001", 20), "shard-0001")
    lake.write("clips", clips("shard-0000", 5), "shard-0000")

    counts = lake.sql("SELECT shard, count(*) FROM clips GROUP BY shard ORDER BY shard").fetchall()
    assert counts == [("shard-0000", 5), ("shard-0001", 20)]
    assert lake.version("clips", "shard-0001") == other.version


def test_partitions_that_no_longer_exist_are_deleted(lake: Lake) -> None:
    for shard in ("shard-0000", "shard-0001", "shard-0002"):
        lake.write("clips", clips(shard, 4), shard)
    lake.write("clips", clips("shard-0000", 4), "shard-0000", partitions=["shard-0000", "shard-0001"])
    shards = lake.sql("SELECT DISTINCT shard FROM clips ORDER BY shard").fetchall()
    assert shards == [("shard-0000",), ("shard-0001",)]


NAMES = [
    "shard-0000",
    "Food and Entertaining",
    "Food%20and%20Entertaining",
    "Arts & Crafts/é=100%",
    "=",
    "a~b-c_d.e",
    "a'b",
]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 2), st.sets(st.sampled_from(NAMES))), max_size=6))
def test_a_table_has_what_was_written_last_to_each_partition_that_exists(one_lake: Lake, writes: list) -> None:
    expected: dict[str, int] = {}
    one_lake.write("clips", clips(NAMES[0], 0))
    for name, rows, existing in writes:
        existing = sorted(existing | {name})
        written = one_lake.write("clips", clips(name, rows), name, existing)
        expected = {each: count for each, count in (expected | {name: rows}).items() if each in existing}
        assert written.version == one_lake.version("clips", name) and len(written.first_rows) == rows
    stored = dict(one_lake.sql("SELECT shard, count(*) FROM clips GROUP BY shard").fetchall())
    assert stored == {name: rows for name, rows in expected.items() if rows}


@pytest.mark.parametrize("other", ["shard-0001", "Food and Entertaining", "Arts & Crafts/é=100%"])
def test_a_write_reads_no_file_of_another_partition(other: str, lake: Lake) -> None:
    lake.write("clips", clips("shard-0000", 4), "shard-0000")
    lake.write("clips", clips(other, 4), other)
    (path,) = [path for path, *_ in lake.files("clips") if "shard-0000" not in path]
    Path(path).write_bytes(b"damaged")
    assert lake.write("clips", clips("shard-0000", 6), "shard-0000", partitions=["shard-0000", other]).changed
    assert {path for path, *_ in lake.files("clips")} >= {path}


def test_an_earlier_snapshot_can_be_read_in_sql(lake: Lake) -> None:
    before = lake.write("clips", clips("shard-0000", 30), "shard-0000").snapshot
    lake.write("clips", clips("shard-0000", 5), "shard-0000")
    assert lake.sql(f"SELECT count(*) FROM clips AT (VERSION => {before})").fetchall() == [(30,)]


def test_a_relation_shows_the_snapshot_at_which_it_was_read(lake: Lake) -> None:
    lake.write("clips", clips("shard-0000", 30), "shard-0000")
    read = lake.read("clips").pl(lazy=True)
    lake.write("clips", clips("shard-0000", 5), "shard-0000")
    assert read.select(pl.len()).collect().item() == 30


@pytest.mark.parametrize("kind", ["eager", "lazy", "relation"])
def test_every_kind_of_frame_gives_the_same_content(lake: Lake, kind: str) -> None:
    frame = clips("shard-0000", 30)
    expected = lake.write("clips", frame, "shard-0000").version
    lake.write("clips", frame.head(3), "shard-0000")
    made = {
        "eager": lambda: frame,
        "lazy": frame.lazy,
        "relation": lambda: lake.connection.from_arrow(frame.to_arrow()).filter("clip_index >= 0"),
    }[kind]()
    assert lake.write("clips", made, "shard-0000").version == expected


def test_the_same_content_creates_no_snapshot(lake: Lake) -> None:
    first = lake.write("clips", clips("shard-0000", 30), "shard-0000")
    second = lake.write("clips", clips("shard-0000", 30).sample(fraction=1, shuffle=True, seed=1), "shard-0000")
    assert first.changed and not second.changed
    assert (first.version, first.snapshot) == (second.version, second.snapshot)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.text(), st.floats(allow_nan=False)), max_size=8), st.randoms())
def test_versions_differ_exactly_when_contents_differ(one_lake: Lake, rows: list, random: Random) -> None:
    def write(pairs: list[tuple[str, float]]) -> str:
        frame = pl.DataFrame(
            {
                "subject": ["videos"] * len(pairs),
                "statistic": ["s"] * len(pairs),
                "position": list(range(len(pairs))),
                "item": [item for item, _ in pairs],
                "measure": ["m"] * len(pairs),
                "value": [value for _, value in pairs],
            },
            schema={
                "subject": pl.String,
                "statistic": pl.String,
                "position": pl.Int64,
                "item": pl.String,
                "measure": pl.String,
            }
            | {"value": pl.Float64},
        )
        shuffled = frame.sample(fraction=1, shuffle=True, seed=random.randint(0, 9))
        return one_lake.write("dataset_statistics", shuffled).version

    version = write(rows)
    assert write(rows) == version
    assert write([*rows, ("one more", 1.0)]) != version


def test_timestamps_are_not_content(lake: Lake) -> None:
    def problems(listed_at: str) -> pl.DataFrame:
        frame = pl.DataFrame({"source": ["folder"], "version": ["1"], "listed_at": [listed_at]})
        return frame.with_columns(pl.col("listed_at").str.to_datetime(time_zone="UTC"))

    first = lake.write("video_source", problems("2026-01-01T00:00:00"))
    assert not lake.write("video_source", problems("2026-02-02T00:00:00")).changed
    assert lake.version("video_source") == first.version


def test_a_table_from_before_a_column_keeps_its_rows_and_its_order(lake: Lake) -> None:
    lake.write("clips", clips("shard-0000", 3), "shard-0000")
    lake.connection.execute("ALTER TABLE clips DROP COLUMN word_starts_s")
    before = Snapshot(lake)
    assert before.sql("SELECT word_starts_s FROM {clips}")["word_starts_s"].to_list() == [None] * 3
    assert lake.version("clips") is None, "out of date"
    lake.write("clips", clips("shard-0001", 3), "shard-0001")
    expected = pl.concat([clips("shard-0000", 3), clips("shard-0001", 3)]).sort("shard", "clip_index")
    found = lake.read("clips").pl().select(expected.columns).sort("shard", "clip_index")
    assert found.equals(expected, null_equal=True)


def test_errors_name_the_table_and_the_problem(lake: Lake) -> None:
    frame = clips("shard-0000", 3)
    with pytest.raises(LakeError, match=r"clips: columns differ.*missing \['caption'\], unknown \['capton'\]"):
        lake.write("clips", frame.rename({"caption": "capton"}), "shard-0000")
    with pytest.raises(LakeError, match=r"rows of shard .*shard-0000.* in the frame for shard-0001"):
        lake.write("clips", frame, "shard-0001")
    with pytest.raises(LakeError, match="clips: not in the lake yet; materialize the asset clips first"):
        lake.read("clips")
    with pytest.raises(LakeError, match=r"nothing: no contract sql/tables/nothing.sql"):
        lake.write("nothing", frame)


def test_lazy_reads_take_only_the_columns_and_rows_they_use(lake: Lake) -> None:
    lake.write("clips", clips("shard-0000", 30), "shard-0000")
    plan = lake.read("clips").pl(lazy=True).filter(pl.col("clip_index") == 3).select("caption").explain()
    assert "PROJECT 2/13" in plan and "SELECTION" in plan


def _write_shard(root: Path, shard: str, times: int) -> None:
    lake = Lake(root)
    for attempt in range(1, times + 1):
        lake.write("clips", clips(shard, 200, start_s=float(attempt)), shard)


def test_concurrent_writers_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    shards = [f"shard-{index:04d}" for index in range(3)]
    writers = [context.Process(target=_write_shard, args=(tmp_path, shard, 3)) for shard in shards]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    found = Lake(tmp_path).sql("SELECT shard, count(*), min(start_s) FROM clips GROUP BY shard ORDER BY shard")
    assert found.fetchall() == [(shard, 200, 3.0) for shard in shards]


def _make_tables(root: Path, names: Sequence[str]) -> None:
    lake = Lake(root)
    for name in names:
        lake.write(name, load_tables()[name].frame([]), "p" if load_tables()[name].partition_column else None)


@pytest.mark.parametrize("tables", [9, pytest.param(None, marks=pytest.mark.campaign)])
def test_writers_make_their_first_tables_at_the_same_time(tables: int | None, tmp_path: Path) -> None:
    context, names = multiprocessing.get_context("spawn"), sorted(load_tables())[:tables]
    writers = [context.Process(target=_make_tables, args=(tmp_path, names[each::3])) for each in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert all(Lake(tmp_path).has(name) for name in names)


def test_a_table_can_be_read_while_another_writer_creates_it(lake: Lake) -> None:
    names = sorted(load_tables())[:20]
    other = Lake(lake.root)
    with ThreadPoolExecutor(1) as writer:
        written = writer.submit(lambda: [other.write(name, load_tables()[name].frame([])) for name in names])
        for name in names:
            while not lake.files(name):
                if lake.has(name):
                    break
    assert len(written.result()) == len(names)


def test_a_killed_writer_leaves_whole_partitions(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    written = lake.write("clips", clips("shard-0000", 200), "shard-0000")
    writer = multiprocessing.get_context("spawn").Process(target=_write_shard, args=(tmp_path, "shard-0000", 1000))
    writer.start()
    while lake.snapshot() <= written.snapshot + 2:
        assert writer.is_alive()
        time.sleep(0.01)
    writer.kill()
    writer.join()
    assert lake.sql("SELECT count(*), max(start_s) - min(start_s) FROM clips").fetchall() == [(200, 199.0)]
    assert lake.write("clips", clips("shard-0000", 7), "shard-0000").rows == 7


def test_a_lake_can_be_moved(lake: Lake, tmp_path: Path) -> None:
    written = lake.write("clips", clips("shard-0000", 4), "shard-0000")
    lake.close()
    lake.root.rename(tmp_path / "moved")
    assert Lake(tmp_path / "moved").version("clips", "shard-0000") == written.version


def test_maintenance_expires_old_snapshots_and_keeps_the_current_one(lake: Lake) -> None:
    first = lake.write("clips", clips("shard-0000", 30), "shard-0000").snapshot
    for rows in (20, 10):
        lake.write("clips", clips("shard-0000", rows), "shard-0000")
    assert expire(lake, datetime.now(UTC) - timedelta(days=1))["snapshots_expired"] == 0
    before = len(list(lake.root.glob("tables/**/*.parquet")))

    done = expire(lake, datetime.now(UTC) + timedelta(seconds=1))
    assert done["snapshots_expired"] >= 3
    assert len(list(lake.root.glob("tables/**/*.parquet"))) < before
    assert lake.sql("SELECT count(*) FROM clips").fetchall() == [(10,)]
    with pytest.raises(duckdb.Error):
        lake.sql(f"SELECT count(*) FROM clips AT (VERSION => {first})").fetchall()


def test_a_stored_table_follows_its_contract(lake: Lake) -> None:
    kept = lake.write("clips", clips("shard-0000", 4), "shard-0000")
    lake.connection.execute("ALTER TABLE clips ADD COLUMN forgotten BIGINT")
    assert lake.version("clips", "shard-0000") is None
    lake.write("clips", clips("shard-0001", 4), "shard-0001")
    assert lake.version("clips", "shard-0000") == kept.version

    lake.connection.execute("ALTER TABLE clips DROP COLUMN caption")
    lake.write("clips", clips("shard-0001", 4), "shard-0001")
    assert lake.sql("SELECT DISTINCT shard FROM clips").fetchall() == [("shard-0001",)]
    assert lake.sql(f"SELECT count(*) FROM clips AT (VERSION => {kept.snapshot})").fetchall() == [(4,)]


def test_contracts_have_descriptions_keys_and_checks() -> None:
    table = load_tables()["clips"]
    assert table.partition_column == "shard"
    assert table.primary_key == ("shard", "video_id", "clip_index")
    assert "(end_s > start_s)" in table.checks
    assert all(column.description for contract in load_tables().values() for column in contract.columns)


def test_a_contract_needs_a_key_and_descriptions() -> None:
    with pytest.raises(ValueError, match=r"sql/tables/t.sql: must create table t with a PRIMARY KEY"):
        parse_tables({"t": "CREATE TABLE t (\n    a BIGINT -- a number\n)"})
    with pytest.raises(ValueError, match=r"no description .* on the line of a"):
        parse_tables({"t": "CREATE TABLE t (\n    a BIGINT,\n    PRIMARY KEY (a)\n)"})
    with pytest.raises(duckdb.ParserException):
        parse_tables({"t": "CREATE TABEL t"})


def test_a_contract_names_the_columns_that_a_column_is_derived_from() -> None:
    statement = "-- Lines.\nCREATE TABLE t (\n    a BIGINT, -- number\n    b BIGINT, -- sum\n    PRIMARY KEY (a)\n);\n"
    table = parse_tables({"t": f"{statement}-- from u: a, b = a, b = c\n-- from v: b\n"})["t"]
    assert table.description == "Lines."
    assert {column.name: column.derived_from for column in table.columns} == {
        "a": (("u", "a"),),
        "b": (("u", "a"), ("u", "c"), ("v", "b")),
    }
    with pytest.raises(ValueError, match=r"sql/tables/t.sql: -- from names d, which is no column"):
        parse_tables({"t": f"{statement}-- from u: d = a\n"})
