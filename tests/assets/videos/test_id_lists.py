"""Lists of evaluation videos: the benchmarks' own files are read, and a line without an id is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assets.videos.id_lists import IdListError, leakage, read_id_list

ID, OTHER = "fHPGFkZlSYE", "-Zl0_fBXyKY"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("videos.csv", f"105222,{ID},https://www.youtube.com/watch?v={ID}\n105222,{OTHER},https://youtu.be/{OTHER}\n"),
        ("youcook.csv", f"end,start,task,text,video_id\n9,1,113,add ingredients,{ID}\n9,1,113,stir,{OTHER}\n"),
        ("val_list.txt", f"101/{ID}\n\n# the rest\n102/{OTHER}\n"),
        ("files.txt", f"{ID}.mp4\n{OTHER}.webm\n"),
        ("ids.json", json.dumps([ID, OTHER])),
        (
            "annotations.json",
            json.dumps(
                {
                    "database": {
                        ID: {"subset": "validation"},
                        OTHER: {"subset": "testing"},
                        "AAAAAAAAAAA": {"subset": "training"},
                    }
                }
            ),
        ),
    ],
)
def test_the_benchmarks_own_files_are_read(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert read_id_list(tmp_path / name) == {ID, OTHER}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("list.txt", f"{ID}\nsee the paper\n", "list.txt:2: no video id in 'see the paper'"),
        ("list.csv", f'video_id,text\n{ID},"a, b"\n,x\n', r"list.csv:3: no video id in ''"),
        ("list.csv", f'video_id\n"{ID}\n{OTHER}\n', r"list.csv:2: a quotation mark is never closed"),
        ("list.json", f'{{"database": {{"{ID}": [1]}}}}', r"database.*is a list of 1 instead of an object"),
        ("list.json", '["a"\n7]', r"list.json:2: not JSON"),
        ("list.csv", f"task,text\n1,{ID}\n", "list.csv:1: no video id"),
        ("list.json", "{", "not JSON"),
        ("list.json", "[1]", "entry 1 is 1 instead of a video id"),
        ("list.json", "7", "neither an object"),
        ("list.txt", "\n", "holds no video id"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(IdListError, match=said):
        read_id_list(tmp_path / name)


def test_leakage_names_the_benchmark(tmp_path: Path) -> None:
    for name, ids in (("crosstask", [ID]), ("youcook2", [ID, OTHER])):
        (tmp_path / name).write_text("\n".join(ids))
    made = leakage({"CrossTask": tmp_path / "crosstask", "YouCook2": tmp_path / "youcook2"})
    assert dict(made.iter_rows()) == {ID: "CrossTask", OTHER: "YouCook2"}
