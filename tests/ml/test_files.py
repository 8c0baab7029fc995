"""Files and folders are replaced whole or not at all; hashes depend on content alone."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ml.files import content_hash, file_hash, recover_folder, whole_file, whole_folder


def test_a_file_is_replaced_only_when_the_block_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.csv"
    with whole_file(path) as new:
        new.write_text("first")
        assert not path.exists()
    with pytest.raises(RuntimeError, match="disk"), whole_file(path) as new:
        new.write_text("half of the sec")
        raise RuntimeError("disk")
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_a_block_that_writes_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "table.csv"):
        pass


def test_a_folder_is_replaced_only_when_the_block_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for content in ("first", "second"):
        with whole_folder(path) as new:
            (new / content).touch()
    with pytest.raises(RuntimeError, match="disk"), whole_folder(path) as new:
        (new / "third").touch()
        raise RuntimeError("disk")
    assert [each.name for each in path.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_restored_when_a_process_was_killed_between_the_renames(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with whole_folder(path) as new:
        (new / "weights").touch()
    path.rename(tmp_path / ".model.1-2.old")
    recover_folder(path)
    assert (path / "weights").exists()
    with whole_folder(path) as new:
        (new / "other").touch()
    (tmp_path / ".model.1-2.old").mkdir()
    recover_folder(path)
    assert list(tmp_path.iterdir()) == [path]


def test_writers_of_one_folder_at_once_leave_a_whole_folder(tmp_path: Path) -> None:
    path = tmp_path / "model"

    def write(writer: int) -> None:
        for _ in range(30):
            with whole_folder(path) as new:
                for name in "abc":
                    (new / name).write_text(str(writer))
            recover_folder(path)

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(4)))
    assert len({(path / name).read_text() for name in "abc"}) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_was_writing_is_removed_and_nothing_else(tmp_path: Path) -> None:
    path, ended = tmp_path / "model", subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with whole_folder(path) as mine:
        machine = mine.name.split(".")[2].split("-")[0]
        for writer in (f"{machine}-{ended.pid}-1", elsewhere := f"00000000-{ended.pid}-1"):
            (tmp_path / f".model.{writer}.new").mkdir()
        with ThreadPoolExecutor(1) as other:
            other.submit(lambda: whole_folder(path).__enter__()).result()
        assert {each.name for each in tmp_path.iterdir()} == {mine.name, f".model.{elsewhere}.new"}


def test_hashes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"(1, 'a')")
    expected = hashlib.sha256(b"(1, 'a')").hexdigest()
    assert file_hash(tmp_path / "file") == expected
    assert content_hash((1, "a")) == expected[:16]
    assert content_hash((1, "a"), digits=64) == expected
