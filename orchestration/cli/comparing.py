"""``howto diff``: what changed between two states of the data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestration.cli.common import chosen_settings, lake_option, open_lake, settings_in_force
from orchestration.cli.errors import CommandError

if TYPE_CHECKING:
    import polars as pl


@click.command()
@lake_option
@click.argument("states", metavar="[A B]", nargs=-1)
@click.option("--table", "tables", metavar="TABLE", multiple=True, help="Only this table; can be repeated.")
@click.option(
    "--set", "limits", metavar="SETTING=VALUE", multiple=True, help="Compare the lake with itself under another filter."
)
def diff(states: tuple[str, ...], tables: tuple[str, ...], limits: tuple[str, ...]) -> None:
    """Print the rows that were added, removed and changed, by table and reason.

    A and B are two snapshots of the lake by number, or the folders of two exports. With --set HOWTO_MIN_WORDS=50 the
    filters of videos are applied again to what is stored; nothing is requested or written.
    """
    if limits and not states:
        differences = _at_other_limits(limits)
    elif len(states) == 2 and not limits:
        differences = _between(*states, tables)
    else:
        raise CommandError("howto diff: name two snapshots, two folders of exports, or a filter with --set")
    if tables:
        differences = differences.filter(differences["table"].is_in(tables))
    for table, change, reason, rows in differences.iter_rows():
        click.echo(f"{rows:>13,}  {table:<22} {change:<8} {reason}")
    if differences.is_empty():
        click.echo("No differences.")


def _between(one: str, other: str, tables: tuple[str, ...]) -> pl.DataFrame:
    if one.isdecimal() and other.isdecimal():
        from assets.lake.difference import snapshot_differences
        from assets.lake.snapshot import Snapshot

        lake = open_lake(settings_in_force())
        return snapshot_differences(Snapshot(lake, int(one)), Snapshot(lake, int(other)), tables or None)
    for name in (one, other):
        if not Path(name).is_dir():
            raise CommandError(f"{name}: neither the number of a snapshot nor a folder; A and B are two of one kind")
    from assets.exports.difference import export_differences

    return export_differences(Path(one), Path(other))


def _at_other_limits(limits: tuple[str, ...]) -> pl.DataFrame:
    from assets.options import option_fields
    from assets.videos.filters import Limits
    from assets.videos.thresholds import limit_differences

    known = [f"HOWTO_{field.setting.upper()}" for field in option_fields(Limits) if field.setting]
    pairs = [each.partition("=") for each in limits]
    for name, equals, _ in pairs:
        if name.upper() not in known or not equals:
            raise CommandError(f"--set {name}{equals}: write SETTING=VALUE with one of {', '.join(known)}")
    settings = chosen_settings({name.upper().removeprefix("HOWTO_").lower(): value for name, _, value in pairs})
    return limit_differences(open_lake(settings), settings.limits)


COMMANDS = (diff,)
