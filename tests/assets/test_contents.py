"""Versions of files and folders by their content, and the memory of hashes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assets.contents import Contents


def test_a_file_that_did_not_change_is_read_once(tmp_path: Path) -> None:
    memory, file = tmp_path / "contents.json", tmp_path / "vectors.txt"
    file.write_text("first", encoding="utf-8")
    before = Contents(memory).version(file)
    status = file.stat()
    file.write_text("other", encoding="utf-8")
    assert Contents(memory).version(file) != before, "the time of change differs"
    file.write_text("first", encoding="utf-8")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    memory.write_text("damaged", encoding="utf-8")
    assert Contents(memory).version(file) == before
    file.write_text("other", encoding="utf-8")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert Contents(memory).version(file) == before, "same size and time: the remembered hash"
    assert Contents().version(file) != before


def test_a_folder_counts_by_names_and_contents_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.txt").write_text("c", encoding="utf-8")
    before = Contents().version(tmp_path / "a")
    (tmp_path / "a" / ".hidden").touch()
    assert Contents().version(tmp_path / "a") == before
    (tmp_path / "a" / "b" / "c.txt").rename(tmp_path / "a" / "c.txt")
    assert Contents().version(tmp_path / "a") != before
    assert Contents().version(tmp_path / "missing") is None


def test_a_folder_that_is_too_large_counts_by_names_and_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assets.contents.LARGEST_HASHED_FOLDER", 4)
    (tmp_path / "video.mp4").write_bytes(b"12345")
    before = Contents().version(tmp_path)
    (tmp_path / "video.mp4").write_bytes(b"54321")
    assert Contents().version(tmp_path) == before
    (tmp_path / "video.mp4").write_bytes(b"543210")
    assert Contents().version(tmp_path) != before
