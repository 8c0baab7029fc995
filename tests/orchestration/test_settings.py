"""Settings: presets, sources, and messages that name the variable, the value and what is allowed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestration.resources import task_rules
from orchestration.settings import Settings, SettingsError, load_settings
from orchestration.settings.catalogue import as_markdown, catalogue, changed_settings, environment, list_settings


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_preset_gives_way_to_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().sharding.count == 4
    monkeypatch.setenv("HOWTO_PRESET", "paper")
    assert (load_settings().sharding.count, load_settings().embedding.embedding_dim) == (1200, 4096)
    monkeypatch.setenv("HOWTO_SHARDS", "7")
    assert load_settings().sharding.count == 7
    assert load_settings(preset="demo").embedding.embedding_dim == 256


def test_the_environment_wins_over_the_file_and_an_empty_value_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("HOWTO_SHARDS=3\nHOWTO_SEED=5\nOTHER=1\nHOWTO_FOLDER=\n", encoding="utf-8")
    monkeypatch.setenv("HOWTO_SEED", "6")
    settings = load_settings()
    assert (settings.sharding.count, settings.seed, settings.sources.folder) == (3, 6, None)
    assert {settings.hero.seed, settings.gcn.seed, settings.split.seed} == {6}


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("HOWTO_SHARDS", "0", "HOWTO_SHARDS=0: must be a whole number, at least 1, at most 100000"),
        ("HOWTO_DEVICE", "tpu", "HOWTO_DEVICE=tpu: must be one of auto, cpu, cuda, mps"),
        ("HOWTO_MIN_VIEWS", "many", "HOWTO_MIN_VIEWS=many: must be a whole number, at least 0"),
        ("HOWTO_MAX_DURATION_S", "inf", "HOWTO_MAX_DURATION_S=inf: must be a number, above 0"),
        ("HOWTO_COMPILE", "perhaps", "HOWTO_COMPILE=perhaps: must be true or false"),
        ("HOWTO_BFLOAT16", "perhaps", "HOWTO_BFLOAT16=perhaps: must be true or false"),
        ("HOWTO_FOLDER", "/nowhere", "HOWTO_FOLDER=/nowhere: no such folder"),
        ("HOWTO_FOLDER", __file__, f"HOWTO_FOLDER={__file__}: no such folder"),
        ("HOWTO_COOKIES", "/nowhere", "HOWTO_COOKIES=/nowhere: no such file"),
        ("HOWTO_SOURCE", "folder", "HOWTO_SOURCE=folder: set HOWTO_FOLDER to the folder of videos"),
        ("HOWTO_TRANSACTIONS", __file__, "HOWTO_TRANSACTIONS and HOWTO_PRODUCTS: set both or neither"),
        ("HOWTO_SHARD", "4", "HOWTO_SHARD in the environment: no such setting; did you mean HOWTO_SHARDS?"),
        ("HOWTO_ALIGNER", ".", "HOWTO_ALIGNER=.: no model folder joint_embedding and no model folder word_vectors"),
        ("HOWTO_HERO_VOCABULARY", ".", "HOWTO_HERO_VOCABULARY=.: no vocab.json and no merges.txt in this folder"),
        ("HOWTO_HERO_INITIAL", ".", "HOWTO_HERO_INITIAL=.: no model folder; howto convert hero makes one"),
        ("HOWTO_WEIGHTS", "resnet152=/nowhere", "HOWTO_WEIGHTS=resnet152=/nowhere: /nowhere: no such file"),
        ("HOWTO_WEIGHTS", f"resnet={__file__}", "resnet: no such network; networks are efficientnet_lite0, resnet152"),
        ("HOWTO_WEIGHTS", "resnet152=https://a.example/w.pth", "needs the SHA-256 of the file: address#SHA-256"),
        ("HOWTO_WEIGHTS", "resnet152", "HOWTO_WEIGHTS=resnet152: must be name=value, with commas between several"),
        ("HOWTO_FEATURE_FILES", "resnet152=.", "resnet152 is no stream of HOWTO_FEATURES=demo; its streams are eff"),
        ("HOWTO_EVALUATION_LISTS", "YouCook2=/nowhere", "HOWTO_EVALUATION_LISTS=YouCook2=/nowhere: no such file"),
        ("HOWTO_FEATURES", "resnet", "HOWTO_FEATURES=resnet: backbone 'resnet': not known"),
        (
            "HOWTO_FEATURES",
            "htm_clip_vit_l14",
            "exists as published files only; name their folder: HOWTO_FEATURE_FILES=",
        ),
        (
            "HOWTO_CAPTION_RELEASES",
            "htm=.",
            "HOWTO_CAPTION_RELEASES=htm=.: htm: no such release; releases are htm_whis",
        ),
        ("HOWTO_CAPTION_RELEASES", "htm_aa=/nowhere", "htm_aa=/nowhere: no such file or folder"),
        (
            "HOWTO_CAPTIONS",
            "htm_aa",
            "HOWTO_CAPTIONS=htm_aa: must be source, or a release that HOWTO_CAPTION_RELEASES na",
        ),
        ("HOWTO_TEXT_VIDEO_MODEL", "s3d", "HOWTO_TEXT_VIDEO_MODEL=s3d: needs its weights: HOWTO_WEIGHTS=s3d=FILE"),
        (
            "HOWTO_TEXT_VIDEO_MODEL",
            "clip",
            "HOWTO_TEXT_VIDEO_MODEL=clip: must be joint_embedding, s3d or open_clip:<folder>",
        ),
        ("HOWTO_TEXT_VIDEO_MODEL", "open_clip:/nowhere", "/nowhere holds no open_clip_config.json"),
        ("HOWTO_CATALOG", "mysql:host=x", "HOWTO_CATALOG: must begin with sqlite: or postgres:, then the connection"),
        ("HOWTO_DATA_PATH", "gs://bucket", "HOWTO_DATA_PATH=gs://bucket: must be a folder or begin with s3://"),
        ("HOWTO_TAGGER", "en_core_web_xl", "HOWTO_TAGGER=en_core_web_xl: no such spaCy model is installed"),
        ("HOWTO_CATEGORIES", "Health,Health", "HOWTO_CATEGORIES=Health,Health: must not have a category twice"),
        ("HOWTO_WIKIHOW_URL", "wikihow.com", "HOWTO_WIKIHOW_URL=wikihow.com: must begin with http:// or https://"),
    ],
)
def test_a_wrong_value_is_explained(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert message in str(refused.value)


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOWTO_SEED", "-1")
    monkeypatch.setenv("HOWTO_GCN_LAYERS", "0")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).splitlines() == [
        "HOWTO_SEED=-1: must be a whole number, at least 0",
        "HOWTO_GCN_LAYERS=0: must be a whole number, at least 1",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("HOWTO_SHARD=4", "HOWTO_SHARD in .env: no such setting; did you mean HOWTO_SHARDS?"),
        ("HOWTO_SHARDS", ".env: HOWTO_SHARDS has no value; write HOWTO_SHARDS=value"),
        ("HOWTO_SHARDS 4", ".env, line 1: cannot be read; write NAME=value"),
    ],
)
def test_a_wrong_line_of_the_file_is_explained(line: str, message: str) -> None:
    Path(".env").write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value) == message


SECRETS = {
    "HOWTO_CATALOG": "mysql:password=hunter2",
    "HOWTO_ALERT_WEBHOOK": "hooks.example/hunter2",
    "HOWTO_PROXY": "user:hunter2@proxy.example",
    "HOWTO_YOUTUBE_API_KEYS": "hunter2",
    "HOWTO_WIKIHOW_URL": "ftp://user:hunter2@wikihow.example",
}


@pytest.mark.parametrize("variable", SECRETS)
def test_an_error_shows_no_secret(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, SECRETS[variable])
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert variable in str(refused.value) and "hunter2" not in str(refused.value)


def test_a_filter_on_licences_needs_a_source_that_gives_them(tmp_path: Path) -> None:
    (tmp_path / "tasks.csv").write_text("title\nFold a Crane\n")
    youtube = {"source": "youtube", "articles": str(tmp_path / "tasks.csv"), "licenses": "cc-by"}
    with pytest.raises(SettingsError, match="licences are on the watch page of a video: set HOWTO_WATCH_PAGE=1 too"):
        load_settings(**youtube)
    assert load_settings(**youtube, watch_page=True).limits.licenses == ("cc-by",)


def test_captions_are_rewritten_once(tmp_path: Path) -> None:
    (tmp_path / "rewritten.json").write_text("{}")
    values = {"caption_releases": f"rewritten={tmp_path}/rewritten.json", "captions": "rewritten"}
    assert load_settings(**values).followups.chosen().release == "rewritten"
    with pytest.raises(SettingsError, match="HOWTO_CAPTIONS=rewritten would be rewritten again"):
        load_settings(**values, rewriting_url="http://127.0.0.1:1/v1", rewriting_model="m")


def test_a_list_of_settings_shows_no_secret(tmp_path: Path) -> None:
    settings = load_settings(
        youtube_api_key="hunter2",
        proxy="http://user:hunter2@proxy.example",
        catalog="postgres:password=hunter2",
        alert_webhook="https://hooks.example/hunter2",
        wikihow_url="https://user:hunter2@wikihow.example",
    )
    listed = {each.variable: each for each in list_settings(settings)}
    for shown in (as_markdown(settings), changed_settings(settings), listed, settings.youtube, settings.operations):
        assert "hunter2" not in str(shown)
    assert {listed[f"HOWTO_{name}"].value for name in ("YOUTUBE_API_KEY", "PROXY", "CATALOG")} == {"(set)"}


def test_a_list_of_settings_has_value_default_and_meaning_of_each() -> None:
    listed = {each.variable: each for each in list_settings(load_settings(min_words=3))}
    words, folder = listed["HOWTO_MIN_WORDS"], listed["HOWTO_FOLDER"]
    assert (words.value, words.default, words.changed, words.allowed) == (
        "3",
        "100",
        True,
        "a whole number, at least 0",
    )
    assert (folder.value, folder.default, folder.changed, folder.allowed) == (
        "not set",
        "not set",
        False,
        "an existing folder",
    )
    assert all(each.meaning and each.group and each.allowed for each in listed.values())
    assert "| `HOWTO_MIN_WORDS` | **3** |" in as_markdown(load_settings(min_words=3))


@pytest.mark.parametrize(
    ("setting", "value", "module", "extra"),
    [
        ("speech_model", "small", "faster_whisper", "asr"),
        ("segmentation", "model", "wtpsplit", "sentences"),
        ("compute", "kubernetes", "dagster_k8s", "cluster"),
        ("compute", "ray", "ray", "ray"),
        ("catalog", "postgres:dbname=lake", "duckdb_extension_postgres_scanner", "cluster"),
        ("data_path", "s3://bucket/tables/", "duckdb_extension_httpfs", "cluster"),
        ("features", "timm-resnet18", "timm", "vision"),
    ],
)
def test_a_setting_that_needs_a_missing_extra_is_refused(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=rf"pip install 'howto-lake\[{extra}\]'"):
        load_settings(**{setting: value})


def test_another_process_gets_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights.pth").touch()
    (tmp_path / "list.txt").touch()
    settings = load_settings(
        preset="paper",
        lake=tmp_path / "lake",
        features="howto100m",
        weights=f"resnet152={tmp_path}/weights.pth#0123abcd, resnext101_3d=https://a.example/w#{'0' * 64}",
        feature_files={"resnet152": tmp_path},
        evaluation_lists=f"YouCook2={tmp_path}/list.txt",
        categories="Health, Cars & Other Vehicles",
        subtitles_only=False,
        youtube_api_key="key",
        min_alignment=0.25,
    )
    for variable, value in environment(settings).items():
        monkeypatch.setenv(variable, value)
    assert load_settings() == settings


def test_every_setting_has_one_definition() -> None:
    assert set(catalogue()["seed"].places) >= {(None, "seed"), ("hero", "seed"), ("graph", "seed")}
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("source", "verb_filter", "filtered"),
    [("folder", "auto", True), ("folder", "on", False), ("synthetic", "auto", False), ("synthetic", "off", True)],
)
def test_the_verbs_of_your_own_folder_are_judged_only_on_request(
    tmp_path: Path, source: str, verb_filter: str, filtered: bool
) -> None:
    settings = load_settings(lake=tmp_path / "lake", source=source, folder=tmp_path, verb_filter=verb_filter)
    assert task_rules(settings).filtered is filtered
