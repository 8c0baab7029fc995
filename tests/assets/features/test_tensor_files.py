"""Feature files that torch saved are read, single and in archives, without running code; grey videos are found."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from assets.features.exchange import import_shard
from assets.features.layouts import LayoutError
from assets.features.store import FeatureStore
from assets.features.tensor_files import find, read_tensor


def saved(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def rows(count: int, seed: int = 0, dtype: torch.dtype = torch.float16) -> torch.Tensor:
    return torch.randn((count, 768), generator=torch.Generator().manual_seed(seed)).to(dtype)


def archive(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_features_at_one_row_per_second_become_a_stream(tmp_path: Path) -> None:
    folder = tmp_path / "CLIP_L14"
    folder.mkdir()
    (folder / "single_vid1.pth.tar").write_bytes(saved(rows(3)))
    archive(
        folder / "video_FE_part1.tar",
        {
            "video_FE_part1/packed_vid1.pth.tar": saved(rows(4, 1, torch.float32)),
            "video_FE_part1/grey_video1.pth.tar": saved(rows(1).expand(5, 768).clone()),
        },
    )
    archive(folder / "video_FE_part2.tar", {"a/lost_video1.pth.tar": saved(rows(9))})
    content = (folder / "video_FE_part2.tar").read_bytes()
    (folder / "video_FE_part2.tar").write_bytes(b"x" * 600 + content[600:])
    ids = ["single_vid1", "packed_vid1", "grey_video1", "lost_video1"]
    store = FeatureStore(tmp_path / "arrays")
    outcomes, dim = import_shard(folder, "htm_clip_vit_l14", 1.0, ids, store, "shard-0000")
    assert dim == 768
    found = {each.video_id: (each.rows, each.error) for each in outcomes}
    assert found["single_vid1"] == (3, None) and found["packed_vid1"] == (4, None)
    assert "all 5 rows are equal" in str(found["grey_video1"][1])
    assert "video_FE_part2.tar is damaged" in str(found["lost_video1"][1])
    times, vectors = store.array("htm_clip_vit_l14", "shard-0000").read_video("packed_vid1")
    assert times.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert np.array_equal(vectors, rows(4, 1, torch.float32).numpy().astype(np.float16))


class Attack:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (Path("attacked"), "x"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Attack(), "not a file of one tensor"),
        ({"features": rows(2)}, "holds a dict"),
        (rows(2, 0, torch.bfloat16), "bfloat16"),
        (rows(2)[0], "shape"),
        (torch.full((2, 3), float("nan")), "not finite"),
        (rows(0), "shape"),
    ],
)
def test_a_file_of_anything_but_rows_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: object, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LayoutError, match=message):
        read_tensor(saved(value), "x.pth.tar")
    with pytest.raises(LayoutError, match="not a file of one tensor"):
        read_tensor(saved(rows(2))[:-60], "x.pth.tar")
    assert not (tmp_path / "attacked").exists()


def test_a_tensor_file_is_no_archive_whatever_its_name_says(tmp_path: Path) -> None:
    (tmp_path / "a.pth.tar").write_bytes(saved(rows(2)))
    found, problems = find(tmp_path)
    assert list(found) == ["a"] and problems == []
