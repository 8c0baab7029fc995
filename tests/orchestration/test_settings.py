"""Settings: presets, and messages that name the variable, the value and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.settings import SettingsError, load_settings


def test_a_preset_gives_way_to_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().shards == 4
    monkeypatch.setenv("HOWTO_PRESET", "paper")
    assert (load_settings().shards, load_settings().embedding_dim) == (1200, 4096)
    monkeypatch.setenv("HOWTO_SHARDS", "7")
    assert load_settings().shards == 7


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("HOWTO_SHARDS", "0", "HOWTO_SHARDS=0: must be integer and at least 1 and at most 100000"),
        ("HOWTO_DEVICE", "tpu", "HOWTO_DEVICE=tpu: must be one of auto, cpu, cuda, mps"),
        ("HOWTO_MIN_VIEWS", "many", "HOWTO_MIN_VIEWS=many: must be integer and at least 0"),
        ("HOWTO_FOLDER", "/nowhere", "HOWTO_FOLDER=/nowhere: no such folder"),
        ("HOWTO_FOLDER", __file__, "no such folder"),
        ("HOWTO_SOURCE", "folder", "HOWTO_SOURCE=folder: set HOWTO_FOLDER"),
        ("HOWTO_TRANSACTIONS", __file__, "HOWTO_TRANSACTIONS and HOWTO_PRODUCTS: set both or neither"),
        ("HOWTO_SHARD", "4", "HOWTO_SHARD: no such setting; did you mean HOWTO_SHARDS"),
    ],
)
def test_a_wrong_value_is_explained(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=message):
        load_settings()


def test_the_settings_in_force_are_told_with_departures_in_bold(tmp_path: Path) -> None:
    told = load_settings(lake=tmp_path, min_words=3).describe()
    assert "| `HOWTO_MIN_WORDS` | **3** |" in told
    assert "| `HOWTO_SHARDS` | 4 |" in told
