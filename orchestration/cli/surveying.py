"""``howto availability``: how many videos can still be watched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestration.cli.common import chosen_settings, lake_option, open_lake
from orchestration.cli.errors import FAILED, CommandError

if TYPE_CHECKING:
    from orchestration.settings import Settings


@click.command()
@lake_option
@click.argument("list_file", metavar="[LIST]", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--sample", type=click.IntRange(0), help="Videos to probe, at random; 0: all. Default: HOWTO_AVAILABILITY_SAMPLE."
)
@click.option("--since", metavar="YYYY-MM-DD", help="Day on which all videos could be watched, for the half-life.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the results for a LIST. Default: <name of the list>-availability.",
)
def availability(list_file: Path | None, sample: int | None, since: str | None, output: Path | None) -> None:
    """Probe a random sample of videos on YouTube and print the share that is left.

    LIST is a file of video ids, such as HowTo100M_v1.csv; no lake is needed. Without it, the videos of the lake are
    probed. An interrupted command goes on where it stopped; a finished one makes one more survey.
    """
    given = {"availability_sample": sample, "availability_since": since}
    settings = chosen_settings({name: str(value) for name, value in given.items() if value is not None})
    if list_file is None:
        _survey_lake(settings)
        return
    from assets.availability.lists import summary, survey_list
    from assets.availability.probes import YouTubeProber
    from assets.progress import CountedProgress

    folder = output or Path(f"{list_file.stem}-availability")
    options = settings.availability
    rot = survey_list(
        list_file,
        folder,
        YouTubeProber(folder / "journal.sqlite", settings.youtube),
        options,
        lambda total: CountedProgress(click.echo, total, "videos").advance,
    )
    click.echo("\n".join([*summary(rot), f"Both tables are in {folder}."]))


def _survey_lake(settings: Settings) -> None:
    import dagster as dg

    from assets.availability.lists import summary
    from orchestration.definitions import build_defs
    from orchestration.failures import innermost_error
    from orchestration.instance import name_instance

    lake = open_lake(settings)
    name_instance(settings.lake)
    with dg.DagsterInstance.get() as instance:
        job = build_defs(settings).resolve_job_def("survey_availability")
        done = job.execute_in_process(instance=instance, raise_on_error=False)
    for event in done.all_events:
        if event.is_step_failure:
            raise CommandError(innermost_error(event), FAILED)
    click.echo("\n".join(summary(lake.read("link_rot").pl())))


COMMANDS = (availability,)
