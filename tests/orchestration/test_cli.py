"""The command howto: its help, its errors and exit codes, and what it must not make."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

from orchestration.cli import main
from orchestration.cli.app import howto
from orchestration.cli.errors import _CANNOT_START, explain
from orchestration.stores import reason


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a file of each kind that a command may be given by mistake."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOWTO_LAKE", "lake")
    for name in ("DAGSTER_HOME", "DAGSTER_STATE"):
        monkeypatch.setenv(name, "")  # so that it is restored afterwards
        monkeypatch.delenv(name)
    (tmp_path / "text.txt").write_text("neither weights nor a lake")
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "catalog.sqlite").write_text("no catalog")
    return tmp_path


WRONG = [
    # arguments, environment, what the line on standard error begins with or matches
    ("frobnicate", {}, r"howto: No such command 'frobnicate'"),
    ("refresh --selekt x", {}, r"howto refresh: No such option '--selekt'.*--select"),
    ("refresh extra", {}, r"howto refresh: Got unexpected extra argument \(extra\); see 'howto refresh --help'"),
    ("refresh --select", {}, r"howto: Option '--select' requires an argument"),
    (
        "refresh --select group:grpah",
        {},
        r'--select group:grpah: group:"grpah" selects no asset; .* group:graph',
    ),
    ("refresh --select clipz", {}, r'--select clipz: key:"clipz" selects no asset; did you mean key:clips'),
    ("refresh --select group:graph,key:clips", {}, r"--select group:graph,key:clips: "),
    (
        "refresh --select 'key:clips or key:vidoes'",
        {},
        r'--select .*: key:"vidoes" selects no asset; .* key:videos',
    ),
    ("refresh --select 'key:clips and key:videos'", {}, r"--select .*: selects no asset; for example"),
    ("refresh --select '(('", {}, r"--select \(\(: not a selection of assets; for example"),
    ("refresh --select column:x", {}, r"--select column:x: not a selection of assets"),
    ("refresh --select ''", {}, r"--select : not a selection of assets"),
    ("status --select group:grpah", {}, r'--select group:grpah: group:"grpah" selects no asset'),
    ("refresh --lake text.txt", {}, r"howto refresh: Invalid value for '--lake': Directory 'text.txt' is a file"),
    ("refresh", {"HOWTO_LAKE": "text.txt"}, r"HOWTO_LAKE=text.txt: is a file; name a folder"),
    ("demo", {"HOWTO_SHARDS": "0"}, r"HOWTO_SHARDS=0: must be a whole number, at least 1"),
    ("refresh", {"HOWTO_SHARD": "4"}, r"HOWTO_SHARD in the environment: no such setting; did you mean HOWTO_SHARDS"),
    ("settings", {"HOWTO_SOURCE": "folder"}, r"HOWTO_SOURCE=folder: set HOWTO_FOLDER"),
    ("settings --format yaml", {}, r"howto settings: Invalid value for '--format': 'yaml' is not one of"),
    ("report", {}, r"lake: no lake is there; make one with howto refresh"),
    ("report --lake broken", {}, r".*catalog\.sqlite: is no SQLite database, so it is broken; restore it"),
    ("sql -c 'FROM videos'", {}, r"lake: no lake is there"),
    ("search --port 99999", {}, r"howto search: Invalid value for '--port': 99999 is not in the range"),
    ("search --port x", {}, r"howto search: Invalid value for '--port': 'x' is not a valid integer"),
    ("search --host 203.0.113.1 --port 8001", {}, r"203.0.113.1:8001: Cannot assign requested address; choose another"),
    ("ui --host nowhere.invalid", {}, r"nowhere.invalid:3000: .*; choose another with --host or --port"),
    ("tensorboard", {}, r"lake/models/tensorboard: no curves are there; train a model first"),
    ("train gcn", {}, r"howto train: No such command 'gcn'"),
    ("train cluster_gcn --epochs 0", {}, r"HOWTO_GCN_EPOCHS=0: must be a whole number, at least 1"),
    ("train joint_embedding --device tpu", {}, r"HOWTO_DEVICE=tpu: must be one of auto, cpu, cuda, mps"),
    ("train hero --initial empty", {}, r"HOWTO_HERO_INITIAL=empty: no model folder; howto convert hero makes one"),
    ("encode texts", {}, r"howto encode texts: Give texts, or a file of texts"),
    (
        "encode texts rinse --to vectors.csv",
        {},
        r"howto encode texts: Invalid value for '--to': vectors.csv must end",
    ),
    ("encode clips", {}, r"lake: no lake is there"),
    (
        "encode features nowhere",
        {},
        r"howto encode features: .* 'FOLDER': Directory 'nowhere' does not exist",
    ),
    ("export release out", {}, r"lake: no lake is there"),
    ("export features out --layout csv", {}, r"howto export features: Invalid value for '--layout'"),
    ("export hugging_face out --snapshot x", {}, r"howto export hugging_face: Invalid value for '--snapshot'"),
    ("restore empty --lake new", {}, r"empty/backup.json: not found; name the folder of a finished howto backup"),
    ("backup copy --lake new", {}, r"new: no lake is there"),
    ("remove --check --lake new", {}, r"new: no lake is there"),
    ("provenance hero --lake new", {}, r"new: no lake is there"),
    ("import tables empty --lake new", {}, r"empty/.*: not found; choose the folder of a finished export"),
    ("import release empty", {}, r".*empty/HowTo100M_v1.csv: missing"),
    ("import features nothing", {}, r"HOWTO_FEATURE_FILES=nothing: must be name=value"),
    ("convert hero text.txt model", {}, r"HERO: text.txt cannot be read as weights: it is not a file of tensors alone"),
    ("convert joint_embedding text.txt model", {}, r"text.txt: holds other objects than tensors"),
    (
        "convert hero nowhere.pt model",
        {},
        r"howto convert hero: .* 'CHECKPOINT': File 'nowhere.pt' does not",
    ),
    ("graph empty", {}, r"empty: need one <name>-G.json .* or raw/edge.csv.gz"),
]


@pytest.mark.parametrize(("arguments", "environment", "line"), WRONG, ids=[arguments for arguments, *_ in WRONG])
def test_a_wrong_invocation_is_one_line_and_makes_nothing(
    place: Path,
    arguments: str,
    environment: dict[str, str],
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    before = contents(place)
    assert main(shlex.split(arguments)) == 2
    printed = capfd.readouterr()
    assert re.match(line, printed.err), printed.err
    assert printed.err.count("\n") == 1 and not printed.out
    assert contents(place) == before


def contents(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_help_of_every_command(snapshot: SnapshotAssertion) -> None:
    def pages(command: click.Command, path: str) -> Iterator[str]:
        context = click.Context(command, info_name=path, terminal_width=100, help_option_names=["-h", "--help"])
        yield f"$ {path} --help\n{command.get_help(context)}\n"
        for name, each in sorted(getattr(command, "commands", {}).items()):
            yield from pages(each, f"{path} {name}")

    assert "\n".join(pages(howto, "howto")) == snapshot


def test_help_imports_neither_dagster_nor_torch() -> None:
    code = (
        "import sys; from orchestration.cli import main; assert main(['train', 'hero', '--help']) == 0;"
        " print([name for name in ('dagster', 'torch', 'duckdb', 'polars') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_a_port_that_is_taken_is_reported_before_anything_is_served(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["search", "--port", str(port)]) == 2
        assert main(["ui", "--port", str(port)]) == 2
    printed = capsys.readouterr()
    assert printed.err == 2 * f"127.0.0.1:{port}: Address already in use; choose another with --host or --port\n"
    assert not printed.out and not (place / "lake").exists()


def test_status_of_no_lake_names_every_step_and_makes_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(place)
    assert main(["status", "--select", "+key:videos"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(re.fullmatch(r"  would run  video_source  \(sources are always checked\)", line) for line in lines)
    assert any(re.fullmatch(r"  would run  caption.* \[4 of 4 partitions\]  \(not made yet\)", line) for line in lines)
    assert re.fullmatch(r"\d+ would run, 0 may run if their inputs change, 0 up to date.", lines[-1])
    assert contents(place) == before


def test_damaged_records_of_runs_are_named_with_a_remedy(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = place / "lake" / "dagster" / "history" / "runs.db"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no database" * 1000)
    assert main(["refresh", "--select", "key:video_source"]) == 2
    printed = capsys.readouterr().err
    assert f"{place}/lake/dagster: Dagster's records of runs are damaged" in printed and "move it away" in printed


def test_settings_are_listed_without_secrets(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOWTO_CATALOG", "postgres:host=db password=secret-1")
    monkeypatch.setenv("HOWTO_YOUTUBE_API_KEY", "secret-2")
    monkeypatch.setenv("HOWTO_SHARDS", "7")
    printed = {}
    for form in ("table", "json", "markdown"):
        assert main(["settings", "--format", form]) == 0
        printed[form] = capsys.readouterr().out
    assert not any("secret" in text.replace("secrets", "") for text in printed.values())
    assert "* HOWTO_SHARDS=7  (default: 4)" in printed["table"]
    assert "| `HOWTO_SHARDS` | 7 | 4 |" in printed["markdown"]
    listed = {each["variable"]: each for each in json.loads(printed["json"])}
    assert listed["HOWTO_SHARDS"]["value"] == "7" and listed["HOWTO_SHARDS"]["changed"]
    assert all(each["meaning"] for each in listed.values())


def test_passwords_are_not_part_of_a_reason() -> None:
    error = ValueError("at host=db password='a b' port=1 or postgres://me:hidden@db/lake\nsecond line")
    assert reason(error) == "at host=db password=… port=1 or postgres://…@db/lake"


def test_the_named_exceptions_exist() -> None:
    for name in _CANNOT_START:
        module, _, cls = name.rpartition(".")
        found = getattr(importlib.import_module(module), cls)
        assert issubclass(found, Exception) and f"{found.__module__}.{found.__name__}" == name


def test_a_bug_keeps_its_traceback() -> None:
    assert explain(ZeroDivisionError()) is None


def test_doctor_reports_each_finding_and_fails(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} <= {"ok", "warn"}
    monkeypatch.setenv("HOWTO_FEATURES", "howto100m")
    assert main(["doctor"]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("fail")]
    assert len(failed) == 1 and failed[0].endswith("set HOWTO_WEIGHTS=resnext101_3d=FILE")
    monkeypatch.setenv("HOWTO_MIN_CLIP_S", "-1")
    assert main(["doctor"]) == 1
    assert "fail  settings     HOWTO_MIN_CLIP_S=-1: must be" in capsys.readouterr().out
    assert not (place / "lake").exists()


def test_the_reader_of_a_pipe_may_leave(place: Path) -> None:
    command = f"{sys.executable} -m orchestration.cli settings | head -n 1"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment, check=True)
    assert run.stdout.count("\n") == 1 and not run.stderr


def test_embeddings_are_written_in_each_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import polars as pl

    from orchestration.encoding import Embedded, write_embeddings

    first = Embedded({"text": ["a", "b"]}, np.array([[1, 2], [np.nan, np.nan]], np.float32))
    second = Embedded({"text": ["c"]}, np.array([[3, 4]], np.float32))
    assert write_embeddings(iter([first, second]), tmp_path / "out.npy") == 3
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), [[1, 2], [np.nan, np.nan], [3, 4]])
    assert write_embeddings(iter([first, second]), tmp_path / "out.parquet") == 3
    written = pl.read_parquet(tmp_path / "out.parquet")
    assert written["text"].to_list() == ["a", "b", "c"] and written["vector"].to_list()[2] == [3, 4]
    write_embeddings(iter([first]), None)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"text": "a", "vector": [1, 2]}, {"text": "b", "vector": None}]
    with pytest.raises(ValueError, match="nothing to encode"):
        write_embeddings(iter([]), tmp_path / "none.npy")
    assert not (tmp_path / "none.npy").exists()
