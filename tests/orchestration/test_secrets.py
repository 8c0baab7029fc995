"""Secrets: every setting that can hold one is set, things fail, and nothing that is printed or stored holds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets import redaction
from assets.lake import LakeError
from assets.outcomes import Outcome
from assets.redaction import protect, redact
from orchestration.definitions import build_defs
from orchestration.redaction import RedactedError, redacted_errors
from orchestration.refresh import Refresh
from orchestration.settings import Settings, load_settings
from orchestration.settings.catalogue import catalogue, environment
from tests.world import instance_in

CANARY = "canary-7f3a91"

SECRETS = {
    "HOWTO_CATALOG": f"postgres:host=127.0.0.1 port=9 user=me password={CANARY} dbname=lake",
    "HOWTO_ALERT_WEBHOOK": f"http://127.0.0.1:9/services/T0/{CANARY}",
    "HOWTO_YOUTUBE_API_KEY": CANARY,
    "HOWTO_REWRITING_KEY": CANARY,
    "HOWTO_PROXY": f"http://me:{CANARY}@127.0.0.1:9",
    "HOWTO_WIKIHOW_URL": f"http://me:{CANARY}@127.0.0.1:9",
    "HOWTO_WEIGHTS": f"resnet152=http://127.0.0.1:9/w.pth?token={CANARY}#{'0' * 64}",
}
ELSEWHERE = {
    "PGPASSWORD": CANARY,
    "AWS_SECRET_ACCESS_KEY": CANARY,
    "MY_TOKEN": CANARY,
}


def holders(folder: Path) -> list[str]:
    """The files below a folder that hold the canary."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def test_every_setting_that_can_hold_a_secret_is_in_this_test() -> None:
    secret = {each.variable for each in catalogue().values() if each.secret}
    assert secret <= SECRETS.keys()


QUERY = """{
  runsOrError { ... on Runs { results { runId tags { key value } eventConnection { events {
    __typename ... on MessageEvent { message }
    ... on ErrorEvent { error { message stack causes { message stack } } } } } } } }
  assetNodes { assetKey { path } description metadataEntries { label description
    ... on TextMetadataEntry { text } ... on MarkdownMetadataEntry { mdStr } } }
}"""


def graphql(folder: Path, state: Path, settings: Settings) -> str:
    """What the UI's GraphQL says about runs, their events and errors, and the assets of a code location."""
    (folder / "workspace.yaml").write_text(
        "load_from:\n  - python_module: {module_name: orchestration.definitions, location_name: howto_lake}\n"
    )
    return subprocess.run(
        [str(Path(sys.executable).parent / "dagster-graphql"), "-w", str(folder / "workspace.yaml"), "-t", QUERY],
        env={**os.environ, **environment(settings), **ELSEWHERE, "DAGSTER_HOME": str(state), "HOWTO_CATALOG": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("ui", [False, pytest.param(True, marks=pytest.mark.campaign)])
def test_nothing_printed_or_stored_holds_a_secret(
    made: tuple[Settings, Path],
    ui: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    made_settings, state = made
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    given = {name.removeprefix("HOWTO_").lower(): value for name, value in SECRETS.items()}
    small = {name.removeprefix("HOWTO_").lower(): value for name, value in environment(made_settings).items()}

    with instance_in(state) as instance:
        failing = load_settings(**small | given | {"lake": tmp_path / "lake"})
        with pytest.raises(LakeError) as unreachable:
            Refresh(build_defs(failing), instance).run("key:retail_source")
        printed = str(unreachable.value)
        half = {"io_manager": build_defs(failing).resources["io_manager"]}  # type: ignore[index]
        del given["catalog"]
        working = load_settings(**small | given | {"lake": tmp_path / "other"})
        refresh = Refresh(build_defs(working, half), instance)
        assert not refresh.run("key:retail_source") and refresh.failed
        printed += str(refresh.failed)

        card = load_settings(**small | given)
        (made_settings.lake / "card" / "card.html").unlink()
        assert Refresh(build_defs(card), instance).run("key:data_set_card"), "a card that lists changed settings"
        with pytest.raises(Exception, match="refused") as alert:
            alert_of(card, instance)
        printed += str(alert.value)
    if ui:
        printed += graphql(tmp_path, state, card)
        assert "eventConnection" in printed
    assert "(set)" in (made_settings.lake / "card" / "card.html").read_text()
    out, err = capfd.readouterr()
    assert CANARY not in printed + out + err
    assert holders(tmp_path) + holders(state) + holders(made_settings.lake) == []


def alert_of(settings: Settings, instance: dg.DagsterInstance) -> None:
    """Run the sensor that posts a failed run, with an address that nobody answers."""
    defs = build_defs(settings)
    sensor = defs.resolve_sensor_def("alert_on_failure")
    failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=1)[0]
    event = dg.DagsterEvent("PIPELINE_FAILURE", failed.job_name, message=f"failed with {CANARY}")
    context = dg.build_run_status_sensor_context("alert_on_failure", event, instance, failed)
    sensor(context.for_run_failure())


@pytest.mark.parametrize("line", ["HOWTO_CATALOGUE=", "HOWTO_CATALOG:", "CATALOG PASSWORD=", "HOWTO_SEED="])
def test_a_wrong_line_of_the_file_is_not_echoed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    from orchestration.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"MY_TOKEN={CANARY}\n{line}{CANARY}\n", encoding="utf-8")
    for command in (["settings"], ["refresh"]):
        assert main(command) == 2
    out, err = capsys.readouterr()
    assert err and CANARY not in out + err


def test_the_file_is_read_the_same_way_by_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGUSER", raising=False)
    (tmp_path / "my videos").mkdir()
    (tmp_path / ".env").write_text(
        "# a comment\n"
        "export HOWTO_SEED=3  # another\n"
        "HOWTO_FOLDER='~/my videos'\n"
        'HOWTO_CONTACT="me # you"\n'
        "  HOWTO_LAKE = ~/lake\n"
        "HOWTO_DATA_PATH=~/tables/\n"
        "HOWTO_CATALOG=sqlite:~/c.sqlite\n"
        "PGUSER=someone\n",
        encoding="utf-8",
    )
    settings = load_settings()
    assert (settings.seed, settings.sources.folder) == (3, tmp_path / "my videos")
    assert (settings.lake, settings.storage.data_path) == (tmp_path / "lake", str(tmp_path / "tables"))
    assert settings.storage.catalog and settings.storage.catalog.get_secret_value() == f"sqlite:{tmp_path}/c.sqlite"
    assert settings.wikihow.contact == "me # you" and os.environ["PGUSER"] == "someone"


@pytest.fixture(autouse=True)
def only_own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier tests of the process may have protected a word of these texts, such as the password ``password``."""
    monkeypatch.setattr(redaction, "_known", set())


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=6, max_size=20), st.booleans())
def test_a_known_secret_is_hidden_in_every_form(secret: str, quoted: bool) -> None:
    redaction._known.clear()
    protect(secret)
    text = json.dumps({"url": f"x {secret} y"}) if quoted else f"x {secret} y"
    assert json.dumps(secret)[1:-1] not in redact(text) and "x " in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://me:pw@host/a?b=c", "GET https://…@host/a?b=c"),
        ("https://host/w.pth?token=abc&x=1", "https://host/w.pth?token=…&x=1"),
        ("host=db password='a b' port=1", "host=db password=… port=1"),
        ("see https://host/a and me@host", "see https://host/a and me@host"),
    ],
)
def test_credentials_are_hidden_by_their_form(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert Outcome("failed", error=text).error == shown


def test_the_error_of_a_sensor_holds_no_address() -> None:
    address = "http://127.0.0.1:9/services/secret-path"
    protect(address)
    request = httpx.Request("POST", address)
    with pytest.raises(RedactedError, match="HTTPStatusError: Server error '500") as raised, redacted_errors():
        httpx.Response(500, request=request).raise_for_status()
    assert "secret-path" not in str(raised.value) and raised.value.__cause__ is None
