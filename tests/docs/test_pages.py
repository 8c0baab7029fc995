"""What the documentation names exists: commands, options, settings, files and links; what is generated is current."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import dropwhile, groupby
from pathlib import Path

import click
import pytest
import yaml
from mkdocs.commands.build import build
from mkdocs.config import load_config

from docs.generate import stale
from orchestration import __version__
from orchestration.cli.app import howto
from orchestration.definitions import build_defs
from orchestration.settings import load_settings
from orchestration.settings.catalogue import catalogue
from tests.docs.pages import PAGES, ROOT, Block, blocks

TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
SHELL = list(blocks("bash", "sh"))
VARIABLES = {each.variable for each in catalogue().values()}
REMOVED = {"HOWTO_HERO_CHUNK"}
"""Settings of earlier versions, which the changelog names."""
TARGETS = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
WRITTEN_LATER = {"docs/benchmarks.json"}  # by make bench


def test_generated_pages_are_current() -> None:
    assert not stale(), "run make docs"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True))
    assert (tmp_path / "site" / "reference" / "tables" / "index.html").is_file()


@pytest.mark.parametrize("page", [page for page in TEXTS if not page.startswith("docs/")])
def test_links_between_files_resolve(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", TEXTS[page])
    assert not [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]


@pytest.mark.parametrize("page", TEXTS)
def test_files_and_settings_that_a_page_names_exist(page: str) -> None:
    named = re.findall(r"`((?:assets|docs|ml|orchestration|sql|tests)/[\w./-]+)`", TEXTS[page])
    assert not [path for path in named if not (ROOT / path).exists() and path not in WRITTEN_LATER]
    variables = VARIABLES | REMOVED if page == "CHANGELOG.md" else VARIABLES
    assert set(re.findall(r"HOWTO_[A-Z][A-Z0-9_]*[A-Z0-9]", TEXTS[page])) <= variables


@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.name)
def test_commands_of_shell_blocks_exist(block: Block) -> None:
    for words in commands(block):
        match words:
            case ["howto", *arguments]:
                check_arguments(howto, arguments)
            case ["make", *targets]:
                assert {target for target in targets if "=" not in target} <= TARGETS
            case ["python" | ".venv/bin/python", "-m", module, *_]:
                assert importlib.util.find_spec(module), module
            case ["pip", "install", requirement]:
                assert set(re.findall(r"[a-z]+", requirement)) <= EXTRAS
            case ["cd" | "for" | "docker" | "kubectl" | "minikube" | "eval" | "k9s" | "yt-dlp" | "pytest", *_]:
                pass
            case _:
                assert words[0] in {".", "grep", "pre-commit", ".venv/bin/duckdb"}, words


def commands(block: Block) -> Iterator[list[str]]:
    """The simple commands of a shell block as lists of words, without assignments before them."""
    pending = ""
    for line in block.code.splitlines():
        pending += line
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a quoted text goes on in the next line
            pending += "\n"
            continue
        pending = ""
        for ends, part in groupby(words, key=lambda word: word in {"|", "&&", ";"}):
            simple = list(dropwhile(lambda word: re.match(r"[A-Z_]+=|export$", word), part))
            if simple and not ends:
                yield simple


def check_arguments(command: click.Command, arguments: list[str]) -> None:
    """Parse the arguments of a command as click does, without running it."""
    context = click.Context(command, resilient_parsing=True)
    options, rest, _ = command.make_parser(context).parse_args(list(arguments))
    missing = [each.name for each in command.params if each.required and options.get(str(each.name)) is None]
    assert not missing, f"{command.name}: {missing}"
    for parameter in command.params:
        if isinstance(parameter.type, click.Choice) and isinstance(options.get(str(parameter.name)), str):
            assert options[str(parameter.name)] in parameter.type.choices
    if isinstance(command, click.Group) and rest:
        subcommand = command.get_command(context, rest[0])
        assert subcommand, f"howto has no command {rest[0]}"
        check_arguments(subcommand, rest[1:])
    elif rest:
        assert command.allow_extra_args or not rest, rest


def test_a_walk_enters_no_folder_twice() -> None:
    walks = re.split(r"^## ", TEXTS["docs/architecture.md"], flags=re.MULTILINE)
    found = [re.findall(r"^\| \d+ \| `(.+?)`", walk, re.MULTILINE) for walk in walks if walk.startswith("A walk:")]
    assert len(found) == 2
    for files in found:
        folders = [str(Path(file).parent) for file in files]
        entered = [folder for folder, before in zip(folders, ["", *folders], strict=False) if folder != before]
        assert len(entered) == len(set(entered)), entered


def test_the_citation_is_complete_and_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == __version__
    assert f"## {__version__} - {citation['date-released']}" in TEXTS["CHANGELOG.md"]


def test_the_picture_of_asset_groups_is_of_this_graph() -> None:
    picture = (ROOT / "docs" / "images" / "asset_groups.svg").read_text(encoding="utf-8")
    graph = build_defs(load_settings()).resolve_asset_graph()
    group = {key: graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert set(re.findall(r'font-weight="600"[^>]*>(\w+)<', picture)) == set(group.values())
    drawn = set(re.findall(r'data-edge="(\w+) (\w+)"', picture))
    assert len(drawn) > 10 and drawn <= {
        (group[above], group[key]) for key in group for above in graph.get(key).parent_keys
    }
