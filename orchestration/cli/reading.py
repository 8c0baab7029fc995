"""``howto report``, ``howto settings`` and ``howto sql``: what a lake holds and what is in force."""

from __future__ import annotations

import click

from orchestration.cli.common import lake_option, open_lake, settings_in_force
from orchestration.cli.errors import DONE, FAILED


@click.command()
@lake_option
def report() -> None:
    """Print the lake's tables, its size, and its models' results."""
    from orchestration import report

    settings = settings_in_force()
    click.echo("\n".join(report.report(settings, open_lake(settings))))


@click.command(context_settings={"ignore_unknown_options": True})
@lake_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sql(arguments: tuple[str, ...]) -> int:
    """Open a read-only duckdb shell on the lake.

    The statistics of the data set are views, e.g. statistics.videos.funnel.

    ARGUMENTS go to the shell: howto sql 'FROM videos LIMIT 5' runs a query and ends.
    """
    from orchestration.shell import run_shell

    return run_shell(open_lake(settings_in_force()), arguments)


@click.command()
@lake_option
@click.option("--format", "form", type=click.Choice(("table", "json", "markdown")), default="table", show_default=True)
def settings(form: str) -> None:
    """Print every setting with its value, default and meaning.

    Of secrets it is printed only whether they are set.
    """
    from orchestration.cli.settings_table import render

    click.echo(render(settings_in_force(), form))


@click.command()
@lake_option
def doctor() -> int:
    """Check settings, stores, weights and this machine before work.

    A line per check begins with ok, warn or fail. Exit code 1 if any check fails.
    """
    from orchestration.doctor import examine

    failed = False
    for finding in examine():
        click.echo(f"{finding.level:5} {finding.subject:12} {finding.text}")
        failed |= finding.level == "fail"
    return FAILED if failed else DONE


COMMANDS = (report, sql, settings, doctor)
