"""``howto demo``, ``howto refresh`` and ``howto status``: what has to run, and running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestration.cli.common import lake_option, open_lake, settings_in_force
from orchestration.cli.errors import DONE, FAILED, STOPPED

if TYPE_CHECKING:
    from orchestration.settings import Settings

select_option = click.option(
    "--select",
    metavar="SELECTION",
    help="Dagster asset selection, e.g. 'group:graph' or '+key:clips'. Default: all but studies and fine-tuning.",
)

jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes that run steps at once, instead of HOWTO_JOBS. 1: run them in this process, for debugging.",
)


@click.command()
@lake_option
@select_option
@jobs_option
def refresh(select: str | None, jobs: int | None) -> int:
    """Make what is missing, out of date or damaged.

    It can be repeated and interrupted: what was made stays, and the same command goes on from there.
    """
    return refresh_with(settings_in_force(), select, jobs)


@click.command()
@lake_option
@jobs_option
def demo(jobs: int | None) -> int:
    """Make every asset, then print the report.

    By default on generated videos and packaged transactions; HOWTO_SOURCE and other settings change that.
    """
    from orchestration.report import report

    settings = settings_in_force()
    code = refresh_with(settings, None, jobs)
    if code in (DONE, FAILED):
        click.echo("\n".join(report(settings, open_lake(settings))))
    return code


def refresh_with(settings: Settings, selection: str | None, jobs: int | None = None) -> int:
    """Refresh the lake of the settings, print each step, and return the exit code.

    Args:
        jobs: processes that run steps at once; None: as the settings name.
    """
    import logging
    from functools import partial

    import dagster as dg
    from dagster._core.errors import DagsterExecutionInterruptedError

    from orchestration.definitions import build_defs
    from orchestration.instance import name_instance
    from orchestration.left_out import left_out_lines
    from orchestration.refresh import jobs_at_once, refresh_lake
    from orchestration.refresh.display import make_display
    from orchestration.selection import default_selection, resolve_selection

    logging.getLogger("dagster").setLevel(logging.ERROR)
    chosen, left_out = (selection, None) if selection is not None else default_selection(settings)
    # A wrong selection must leave no folder behind.
    definitions = build_defs(settings)
    selected = resolve_selection(chosen, definitions.resolve_asset_graph())
    if chosen is not None and dg.AssetKey("video_source") in selected:
        chosen = f"({chosen}) or key:source_problems"  # what is not used of the source is recorded, and printed below
    name_instance(settings.lake)
    click.echo(f"Refreshing {settings.lake} from {_sources(settings, left_out is None)}:")
    if left_out:
        click.echo(f"  left out {left_out}")
    try:
        with dg.DagsterInstance.get() as instance, make_display() as display:
            done = refresh_lake(
                definitions,
                instance,
                chosen,
                display=display,
                jobs=jobs or jobs_at_once(settings.compute.jobs),
                definitions=partial(build_defs, settings),
            )
    except (DagsterExecutionInterruptedError, KeyboardInterrupt):
        click.echo("Stopped. What was made stays; the same command goes on from there.", err=True)
        return STOPPED
    made = {key.path[-1] for step in (*done.ran, *done.unchanged) for key in step.keys}
    waiting = (f"Still waiting: {each}" for each in done.outstanding)
    click.echo("\n".join([done.summary, *waiting, *left_out_lines(done.plan.lake, made)]))
    return FAILED if done.failed else DONE


def _sources(settings: Settings, both: bool) -> str:
    """The sources by name, of videos and of transactions; without ``both``, the one that is the user's own."""
    from orchestration.resources import retail_source

    videos = f"videos of the {settings.sources.kind} source"
    transactions = f"transactions of {retail_source(settings).name}"
    if both:
        return f"{videos} and {transactions}"
    return transactions if settings.sources.kind == "synthetic" else videos


@click.command()
@lake_option
@select_option
def status(select: str | None) -> None:
    """Print what a refresh would run, and why. Nothing is run."""
    from orchestration.selection import default_selection
    from orchestration.status import status_lines

    settings = settings_in_force()
    chosen, left_out = (select, None) if select is not None else default_selection(settings)
    click.echo("\n".join([*([f"  left out   {left_out}"] if left_out else []), *status_lines(settings, chosen)]))


COMMANDS = (demo, refresh, status)
