"""What a model names stays readable, and the model can be made again from it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.lake import Lake, LakeError
from assets.lake.snapshot import Snapshot
from assets.models.provenance import Provenance, ProvenanceError
from assets.retention import clean_up_arrays, maintain, named_snapshots, remember_export
from orchestration.reproduction import provenance_lines, reproduce
from orchestration.resources import lake_of
from orchestration.settings import Settings

DAYS = 60


def age(lake: Lake) -> None:
    """Make all snapshots of a lake 60 days older."""
    lake.close()
    with sqlite3.connect(lake.root / "catalog.sqlite") as catalog:
        times = catalog.execute("SELECT snapshot_id, snapshot_time FROM ducklake_snapshot").fetchall()
        for number, text in times:
            older = datetime.fromisoformat(text) - timedelta(days=DAYS)
            catalog.execute(
                "UPDATE ducklake_snapshot SET snapshot_time = ? WHERE snapshot_id = ?", (str(older), number)
            )
    catalog.close()


def change_every_table(lake: Lake) -> None:
    """Replace what models were trained on, and the arrays, by less."""
    for table in ("training_manifest", "hero_manifest", "graph_nodes", "graph_edges"):
        rows = lake.read(table).pl()
        lake.write(table, rows.head(max(rows.height // 2, 1)))


LONGER = [pytest.param(model, marks=pytest.mark.campaign) for model in ("joint_embedding", "hero_tokenizer", "hero")]


@pytest.mark.parametrize("model", ["word_vectors", "cluster_gcn", *LONGER])
def test_a_model_of_sixty_days_ago_is_made_again_after_maintenance(
    made: tuple[Settings, Path], model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, _ = made
    lake = lake_of(settings)
    if not (lake.root / "aged").exists():
        age(lake)
        change_every_table(lake)
        done = maintain(lake, datetime.now(UTC) - timedelta(days=30))
        assert done["snapshots_expired"] > 10 and done["older_snapshots_kept"] > 0
        assert clean_up_arrays(lake.root, lake.root / "arrays", timedelta(0)) >= 0
        (lake.root / "aged").touch()
    lake.close()
    rebuilt = reproduce(settings, model, print)
    assert rebuilt.same, rebuilt
    text = "\n".join(provenance_lines(settings, model))
    assert "readable" in text and "HOWTO_EMBEDDING_DIM=32" in text and "expired" not in text


def test_a_snapshot_expires_when_what_names_it_is_gone(lake: Lake, tmp_path: Path) -> None:
    for number in range(4):
        lake.write("evaluation_videos", pl.DataFrame({"video_id": [f"v{number}"], "benchmark": ["A"]}))
    (lake.root / "models" / "m").mkdir(parents=True)
    inputs = lake.root / "models" / "m" / "inputs.json"
    inputs.write_text(json.dumps({"lake_snapshot": 2}))
    manifest = tmp_path / "export" / "manifest.json"
    manifest.parent.mkdir()
    manifest.write_text(json.dumps({"snapshot": 3}))
    remember_export(lake.root, manifest)
    assert named_snapshots(lake) == {2: ["model m"], 3: [str(manifest)]}

    now = datetime.now(UTC) + timedelta(seconds=1)
    assert maintain(lake, now)["snapshots_expired"] == 2
    assert Snapshot(lake, 2).rows("evaluation_videos") == Snapshot(lake, 3).rows("evaluation_videos") == 1
    inputs.unlink()
    shutil.rmtree(manifest.parent)
    assert maintain(lake, now)["snapshots_expired"] == 2
    with pytest.raises(LakeError, match="snapshot 2: not in the lake"):
        Snapshot(lake, 2)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"lake_snapshot": "x"}', '{"lake_snapshot": 1, "models": 3}'])
def test_a_broken_provenance_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "inputs.json").write_text(text)
    with pytest.raises(ProvenanceError, match=r"inputs\.json: broken"):
        Provenance.read(tmp_path)
