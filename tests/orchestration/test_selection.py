"""What is made without ``--select`` is derived from the sources that the user gave."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.definitions import build_defs
from orchestration.selection import default_selection, resolve_selection
from orchestration.settings import load_settings
from tests.world import write_transactions


@pytest.mark.parametrize(
    ("folder", "baskets", "made", "left_out", "said"),
    [
        (False, False, {"clips", "cluster_gcn", "data_set_card"}, {"hero_tvr"}, None),
        (True, True, {"clips", "cluster_gcn", "data_set_card"}, {"hero_tvr"}, None),
        (True, False, {"clips", "data_set_card"}, {"cluster_gcn", "retail_baskets"}, "HOWTO_TRANSACTIONS is not set"),
        (False, True, {"cluster_gcn", "graph_statistics"}, {"clips", "data_set_card"}, "HOWTO_SOURCE is not set"),
    ],
)
def test_groups_of_generated_data_are_left_out_where_the_other_source_is_the_users_own(
    tmp_path: Path, folder: bool, baskets: bool, made: set[str], left_out: set[str], said: str | None
) -> None:
    own = {"source": "folder", "folder": tmp_path} if folder else {}
    settings = load_settings(lake=tmp_path / "lake", **own, **(write_transactions(tmp_path) if baskets else {}))
    selection, why = default_selection(settings)
    keys = {key.to_user_string() for key in resolve_selection(selection, build_defs(settings).resolve_asset_graph())}
    assert made <= keys and not left_out & keys
    assert (why is None) if said is None else (said in str(why) and "--select" in str(why))
