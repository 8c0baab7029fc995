"""``howto export`` and ``howto import``: files that others publish or read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from orchestration.cli.common import lake_option, open_lake, settings_in_force

if TYPE_CHECKING:
    from assets.features.exchange import Layout

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def export() -> None:
    """Write the data set or its features for other programs."""


@export.command("release")
@lake_option
@click.argument("folder", type=FOLDER)
@click.option("--snapshot", type=click.IntRange(0), help="Snapshot of the lake. Default: the newest.")
@click.option(
    "--lines",
    type=click.Choice(("clips", "captions")),
    default="clips",
    show_default=True,
    help="What a line of captions is: a clip's caption, or a caption line as it was fetched.",
)
def export_release_files(folder: Path, snapshot: int | None, lines: Literal["clips", "captions"]) -> None:
    """Write the data set to FOLDER in the files of the HowTo100M release."""
    from assets.sources.howto100m_release.export import export_release

    for name, count in export_release(open_lake(settings_in_force()), folder, snapshot, lines).items():
        click.echo(f"{count:>12,}  {folder / name}")


@export.command("features")
@lake_option
@click.argument("folder", type=FOLDER)
@click.option(
    "--layout",
    type=click.Choice(("npy", "npz", "lmdb")),
    default="npy",
    show_default=True,
    help="A file per video and stream (npy, npz), or the LMDB that HERO reads.",
)
def export_feature_files(folder: Path, layout: Layout) -> None:
    """Write the features of all videos to FOLDER."""
    from assets.features.exchange import export_features
    from orchestration.resources import build_resources

    settings = settings_in_force()
    index = open_lake(settings).read("feature_index").pl()
    resources = build_resources(settings)
    streams = resources["feature_options"].streams
    count = export_features(index, resources["features"], streams, layout, folder)
    click.echo(f"{count:,} videos written to {folder}")


COMMANDS = (export,)
