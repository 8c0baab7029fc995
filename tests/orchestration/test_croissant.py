"""The Croissant metadata of lakes of every kind are valid, and their records load."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import dagster as dg
import pytest

from assets.lake import Lake
from assets.sources.howto100m_release.export import export_release
from assets.sources.synthetic import SyntheticSource
from orchestration.definitions import build_defs
from orchestration.refresh import Refresh
from orchestration.settings import Settings
from tests.world import small_settings

COLLECTED = "group:sources or group:tasks or group:videos or group:captions"


def collected(settings: Settings) -> Lake:
    """A lake with everything up to the clips, and its metadata."""
    with dg.DagsterInstance.ephemeral() as instance:
        refresh = Refresh(build_defs(settings), instance)
        assert refresh.run(f'{COLLECTED} or key:"croissant"'), refresh.failed
    return Lake(settings.lake)


def generated(root: Path) -> Lake:
    return collected(small_settings(root))


def of_folder(root: Path) -> Lake:
    videos = root / "videos"
    videos.mkdir(parents=True)
    SyntheticSource(1, 1).media("synthetic-00000", root / "made").rename(videos / "fold.mp4")
    known = {"title": "How to Fold a Crane", "license": "by-sa", "upload_date": "20190228", "channel_id": "UC1"}
    (videos / "fold.info.json").write_text(json.dumps(known))
    (videos / "fold.en.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:02.000\nfold the corner of the paper\n")
    return collected(small_settings(root, source="folder", folder=videos, min_words=1))


def of_release(root: Path) -> Lake:
    export_release(generated(root / "origin"), root / "release")
    return collected(small_settings(root, source="howto100m_release", release=root / "release"))


@pytest.mark.campaign
@pytest.mark.parametrize("make", [generated, of_folder, of_release])
def test_metadata_have_no_errors_and_no_warnings(make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:  # type: ignore[no-untyped-def]
    import mlcroissant

    lake = make(tmp_path)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        described = mlcroissant.Dataset(jsonld=str(lake.root / "croissant.json"))
        records = {each.name: list(described.records(each.name)) for each in described.metadata.record_sets}
    issues = described.metadata.issues
    assert not issues.errors and not issues.warnings and not caplog.records
    assert len(records) > 8
    for name, rows in records.items():
        assert len(rows) == lake.sql(f"SELECT count(*) FROM {name}").fetchall()[0][0], name
