"""Commands that keep a lake trustworthy: check, backup, restore, remove, provenance, reproduce."""

from __future__ import annotations

from pathlib import Path

import click

from orchestration.cli.common import lake_option, open_lake, settings_in_force
from orchestration.cli.errors import DONE, FAILED
from orchestration.cli.refreshing import select_option


@click.command()
@lake_option
@click.argument("model")
def provenance(model: str) -> None:
    """Print what a model was made from.

    These are the snapshot of the tables, the versions of the arrays, the settings, the code version, and the models
    that the training read. Maintenance keeps what a model names.
    """
    from orchestration.reproduction import provenance_lines

    settings = settings_in_force()
    open_lake(settings)
    click.echo("\n".join(provenance_lines(settings, model)))


@click.command()
@lake_option
@click.argument("model")
def reproduce(model: str) -> int:
    """Train a model again from what it was made from, and compare.

    The lake does not change. Exit code 0 if the content is the same, 1 if it differs.
    """
    import logging

    from orchestration.reproduction import reproduce as rebuild

    logging.getLogger("dagster").setLevel(logging.ERROR)
    settings = settings_in_force()
    open_lake(settings)
    rebuilt = rebuild(settings, model, click.echo)
    if rebuilt.same:
        click.echo(f"{model}: the same content, version {rebuilt.recorded}")
        return DONE
    click.echo(f"{model}: other content, version {rebuilt.rebuilt} instead of {rebuilt.recorded}")
    return FAILED


@click.command()
@lake_option
@select_option
def check(select: str | None) -> int:
    """Read everything that is stored and compare it with the recorded hashes.

    A refresh checks only that files are present and have their sizes. Exit code 1 if anything is damaged; howto refresh
    makes it again.
    """
    from orchestration.definitions import build_defs
    from orchestration.instance import recorded_instance
    from orchestration.integrity import check_stored

    settings = settings_in_force()
    open_lake(settings).close()
    damaged = checked = 0
    with recorded_instance(settings.lake) as instance:
        for each in check_stored(build_defs(settings), instance, select):
            checked += 1
            damaged += bool(each.problems)
            for problem in each.problems:
                click.echo(f"  damaged  {each.step}  ({problem})")
    click.echo(f"{checked - damaged} intact, {damaged} damaged{'; howto refresh makes them again' if damaged else ''}.")
    return FAILED if damaged else DONE


@click.command()
@lake_option
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def backup(folder: Path) -> None:
    """Copy catalog and tables into FOLDER, a copy that can be opened by itself.

    Files that an earlier backup copied are not copied again. Writers may go on, but not the job maintain_lake.
    """
    from assets.lake.backup import backup as make_backup

    make_backup(open_lake(settings_in_force()), folder, click.echo)


@click.command()
@lake_option
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def restore(folder: Path) -> None:
    """Put catalog and tables of the backup in FOLDER into the lake.

    The catalog of before is set aside. No file is deleted. Stop refreshes and the UI first.
    """
    from assets.lake.backup import read_manifest
    from assets.lake.backup import restore as put_back
    from orchestration.refresh.lock import only_one
    from orchestration.stores import lake_of

    lake = lake_of(settings_in_force())
    read_manifest(folder)  # so that a wrong folder makes no lake
    with only_one(lake.root):
        put_back(lake, folder, click.echo)


@click.command()
@lake_option
@click.option("--check", "only_check", is_flag=True, help="Remove nothing: name each file that holds a listed id.")
def remove(only_check: bool) -> int:
    """Remove everything about the ids of removals.csv from the lake.

    The list has the columns id, reason and date; HOWTO_REMOVALS names another one. The ids leave tables, arrays, media,
    indexes, the card, the records of runs, and all history: older snapshots expire. Models that were trained on them
    become out of date; howto refresh trains them again. Exports are named, so that you can make them again. What cannot
    be searched, such as backups and older versions of objects in a bucket, is listed.
    """
    from orchestration.definitions import build_defs
    from orchestration.instance import name_instance, recorded_instance
    from orchestration.refresh.lock import only_one
    from orchestration.removal import not_searched, remaining
    from orchestration.removal import remove as remove_ids

    settings = settings_in_force()
    lake = open_lake(settings)
    state = name_instance(settings.lake)
    definitions = build_defs(settings)
    with recorded_instance(settings.lake) as instance:
        if not only_check:
            with only_one(lake.root):
                remove_ids(definitions, instance, state, click.echo)
        found = list(remaining(definitions, instance, state))
        outside = list(not_searched(definitions, instance))
    for path in found:
        click.echo(f"  holds a removed id: {path}")
    click.echo("No file of the lake holds a removed id." if not found else f"{len(found)} files hold a removed id.")
    click.echo(f"Not searched: {'; '.join(outside)}.")
    return FAILED if found else DONE


COMMANDS = (check, backup, restore, remove, provenance, reproduce)
