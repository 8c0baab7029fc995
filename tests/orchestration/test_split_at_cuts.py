"""Clips that end where shots end: an option makes the table of shots an input, which it is not otherwise."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from assets.lake import Lake
from orchestration.definitions import build_defs
from orchestration.refresh import Refresh
from orchestration.settings import Settings
from orchestration.staleness import Staleness
from tests.world import instance_in, small_settings

MADE_FROM_SHOTS = ("clips", "hero_clips")


def inputs(defs: dg.Definitions, name: str) -> set[str]:
    return {parent.to_user_string() for parent in defs.resolve_asset_graph().get(dg.AssetKey(name)).parent_keys}


def test_clips_end_at_cuts_and_follow_the_shots(made: tuple[Settings, Path]) -> None:
    settings, records = made
    folder, lake = settings.lake.parent, Lake(settings.lake)
    paths = {"transactions": settings.retail.transactions, "products": settings.retail.products}
    whole = build_defs(settings)
    split = build_defs(small_settings(folder, **paths, split_at_cuts=True))
    crossing = """
        SELECT count(*) FROM clips JOIN shots USING (video_id)
        WHERE clips.start_s < shots.start_s AND shots.start_s < clips.end_s
    """
    words = "SELECT sum(word_count) FROM clips"
    before = lake.sql(words).fetchall()
    assert lake.sql(crossing).fetchall()[0][0] > 0
    for name in MADE_FROM_SHOTS:
        assert inputs(split, name) - inputs(whole, name) == {"shots"}
    with instance_in(records) as instance:
        refresh = Refresh(split, instance)
        assert refresh.run('+key:"clips" or +key:"hero_clips"'), refresh.failed
        ran = {key.to_user_string() for step in refresh.ran for key in step.keys}
        assert ran == {"video_source", "clips", "hero_frames", "hero_clips"}, "the source is always checked"
        assert lake.sql(crossing).fetchall() == [(0,)] and lake.sql(words).fetchall() == before

        shard = lake.sql("SELECT min(shard) FROM shots").fetchall()[0][0]
        other = dg.AssetMaterialization("shots", partition=shard, tags={"dagster/data_version": "other"})
        instance.report_runless_asset_event(other)
        found = [Staleness(defs.resolve_asset_graph(), instance) for defs in (split, whole)]
        for name in MADE_FROM_SHOTS:
            reasons = [each.reason(dg.AssetKey(name), shard) for each in found]
            assert reasons == ["new content of shots", "its code or options changed"]
