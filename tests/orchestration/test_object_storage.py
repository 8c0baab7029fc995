"""Arrays in object storage: the same versions as on disk, killed writers, damage, and a store that does not answer."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from assets.features.index import index_version
from assets.features.networks import make_shard
from assets.features.options import FeatureOptions
from assets.features.store import FeatureStore, Source, VideoRows
from assets.lake import Lake, load_tables
from assets.lake.locks import Locks
from assets.lake.search_files import Ids
from ml.array_history import clean_up
from ml.hero.clip_store import Clip, ClipStore
from ml.joint_embedding.clip_index import ClipEmbeddings, ClipIndex, SearchOptions
from ml.lance_arrays import StoreUnreachableError, array_versions
from ml.places import Place, place
from orchestration.artifacts.arrays import FeatureArrays, ShardArrays
from orchestration.doctor import _object_storage
from orchestration.removal import _arrays
from orchestration.settings import SettingsError, load_settings
from tests.services import BUCKET, Services

SHARD = "shard-0000"
STREAM = "efficientnet_lite0"


@pytest.fixture
def remote(services: Services) -> Place:
    return place(f"s3://{BUCKET}/{uuid4().hex}")


def videos(*names: str, rows: int = 40) -> list[VideoRows]:
    return [
        VideoRows(
            Source(name, "file", "network"),
            np.arange(float(rows)),
            np.random.default_rng(number).standard_normal((rows, 32)).astype(np.float16),
        )
        for number, name in enumerate(names)
    ]


def clips(*names: str) -> list[Clip]:
    return [Clip(name, np.full((50, 16), number, np.float16), 2.0, []) for number, name in enumerate(names)]


def embeddings(count: int) -> ClipEmbeddings:
    vectors = np.random.default_rng(0).standard_normal((count, 16))
    return ClipEmbeddings(
        [f"video-{n}" for n in range(count)], np.arange(float(count)), np.arange(1.0, count + 1), vectors
    )


def test_arrays_have_the_same_versions_rows_and_answers_as_on_disk(remote: Place, tmp_path: Path) -> None:
    found = []
    for root in (tmp_path, remote):
        features, store = FeatureStore(root), ClipStore(root / "hero_clips")
        array = features.array(STREAM, SHARD)
        assert array.version() is None and array.finished() == {} and store.version_of(SHARD) is None
        array.append(videos("a", "b"))
        array.append(videos("a", "b", "c")[2:])
        array.finish([source for source in array.finished() if source.video_id != "b"])
        for names in (("one",), ("one", "two")):
            store.write(SHARD, clips(*names))
        index = ClipIndex(root / "clip_embeddings.lance", SearchOptions(exact_below=300))
        assert not index.exists() and index.write([embeddings(400)], 16) == 400 and index.indexed
        nearest = index.nearest(embeddings(400).vectors[7], 5, exact=True)["video_id"].to_pylist()
        rows = array.take([(40, 3)])[0].tolist()
        found.append(
            (index_version(features, [STREAM], SHARD), store.version_of(SHARD), index.version(), nearest, rows)
        )
    assert found[0] == found[1]

    store = ClipStore(remote / "hero_clips")
    assert len(array_versions(store.path(SHARD))) == 3  # an empty one first
    assert clean_up(remote, timedelta(0)) > 0 and len(array_versions(store.path(SHARD))) == 1
    assert store.version_of(SHARD) == found[0][1] and clean_up(remote / "nothing", timedelta(0)) == 0


def _append_often(root: str) -> None:
    array = FeatureStore(place(root)).array(STREAM, SHARD)
    for number in range(1000):
        array.append(videos(*(f"video-{number}-{each}" for each in range(3)), rows=2000))


def test_a_killed_writer_leaves_whole_videos(remote: Place) -> None:
    array = FeatureStore(remote).array(STREAM, SHARD)
    writer = multiprocessing.get_context("spawn").Process(target=_append_often, args=(str(remote),))
    writer.start()
    while len(array_versions(array.path)) < 2:
        assert writer.is_alive()
        time.sleep(0.02)
    writer.kill()
    writer.join()
    finished = array.finished()
    assert len(finished) % 3 == 0 and set(finished.values()) == {2000}
    array.append(videos("last"))
    assert len(array.finished()) == len(finished) + 1


def test_a_damaged_array_is_removed_and_one_that_cannot_be_reached_stays(
    remote: Place, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, store = FeatureStore(remote), ClipStore(remote / "hero_clips")
    features.array(STREAM, SHARD).append(videos("a"))
    store.write(SHARD, clips("one"))
    options = FeatureOptions(networks=STREAM)
    resources = {"features": features, "feature_options": options, "lake": lake, "hero_store": store}
    artifacts = (FeatureArrays(), ShardArrays("hero_store", "hero_clips", "count(*)", ""))
    lake.write("feature_index", load_tables()["feature_index"].frame([]), SHARD)
    paths = (features.array(STREAM, SHARD).path, store.path(SHARD))

    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        for artifact in artifacts:
            with pytest.raises(StoreUnreachableError, match="object storage cannot be used"):
                artifact.repair(resources, SHARD)
    for path, artifact in zip(paths, artifacts, strict=True):
        assert array_versions(path)
        [data] = (path / "data").iterdir()
        data.write_bytes(data.read_bytes()[:100])
        with pytest.raises((OSError, ValueError)):
            artifact.version(resources, SHARD)
        artifact.repair(resources, SHARD)
        assert not array_versions(path)


def test_removed_ids_leave_the_arrays(remote: Place) -> None:
    array, store = FeatureStore(remote).array(STREAM, SHARD), ClipStore(remote / "hero_clips")
    array.append(videos("a", "b"))
    store.write(SHARD, clips("a", "b"))
    assert list(_arrays(remote, Ids({"a"}))) == [array.path, store.path(SHARD)]
    assert [source.video_id for source in array.finished()] == ["b"] and len(array_versions(array.path)) == 1
    assert not array_versions(store.path(SHARD)) and list(_arrays(remote / "nothing", Ids({"a"}))) == []


def test_the_doctor_names_a_bucket_that_cannot_be_used(services: Services, tmp_path: Path) -> None:
    for bucket, level in ((BUCKET, "ok"), ("another", "fail")):
        settings = load_settings(lake=tmp_path, arrays=f"s3://{bucket}/prefix")
        [finding] = _object_storage(settings)
        assert finding.level == level and finding.text.startswith(f"s3://{bucket}/prefix")


@pytest.mark.parametrize("address", ["arrays", "gs://bucket/arrays", "s3://"])
def test_another_address_than_a_bucket_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match=r"HOWTO_ARRAYS=.*: must begin with s3:// and a bucket"):
        load_settings(arrays=address)


def test_two_machines_fill_the_arrays_of_a_shard_one_after_the_other(
    services: Services, remote: Place, tmp_path: Path
) -> None:
    services.new_database("locks")
    catalog, names = "postgres:dbname=locks", [f"video-{number}" for number in range(8)]
    for each in videos(*names):
        np.save(tmp_path / f"{each.source.video_id}.npy", each.vectors)
    options = FeatureOptions(networks=STREAM, files={STREAM: tmp_path})

    def fill(machine: str) -> object:
        store = FeatureStore(remote, Locks(tmp_path / machine, catalog))
        return make_shard(options, [], names, store, SHARD, lambda _: None)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(fill, ("a", "b"))
    assert first == second
    array = FeatureStore(remote).array(STREAM, SHARD)
    assert len(array_versions(array.path)) == 1 + len(names)  # an empty one first; none was appended twice
