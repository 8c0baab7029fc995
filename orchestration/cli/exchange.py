"""``howto export`` and ``howto import``: files that others publish or read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from orchestration.cli.common import chosen_settings, lake_option, open_lake, settings_in_force
from orchestration.cli.errors import CommandError
from orchestration.cli.refreshing import refresh_with

if TYPE_CHECKING:
    from assets.features.exchange import Layout
    from orchestration.settings import Settings

FOLDER = click.Path(file_okay=False, path_type=Path)


snapshot_option = click.option("--snapshot", type=click.IntRange(0), help="Snapshot of the lake. Default: the newest.")


@click.group()
def export() -> None:
    """Write the data set or its features for other programs."""


@export.command("hugging_face")
@lake_option
@click.argument("folder", type=FOLDER)
@snapshot_option
def export_hugging_face_files(folder: Path, snapshot: int | None) -> None:
    """Write a Hugging Face data set repository.

    FOLDER is empty, or holds what an interrupted export has written: Parquet files, a card, and Croissant metadata.
    """
    from assets.exports.hugging_face import export_hugging_face

    _export(export_hugging_face, folder, snapshot)


@export.command("lance")
@lake_option
@click.argument("folder", type=FOLDER)
@snapshot_option
def export_lance_files(folder: Path, snapshot: int | None) -> None:
    """Write Lance arrays with indexed captions, and the embeddings of the clips if there are any.

    FOLDER is empty, or holds what an interrupted export has written.
    """
    from assets.exports.lance_data import export_lance
    from orchestration.resources import build_resources

    index = build_resources(settings_in_force())["clip_index"]
    _export(partial(export_lance, vectors=index), folder, snapshot)


@export.command("webdataset")
@lake_option
@click.argument("folder", type=FOLDER)
@snapshot_option
@click.option("--media", is_flag=True, help="Write video files too, where their licence lets anyone pass them on.")
@click.option("--features", is_flag=True, help="Write the feature rows of each video too, as <id>.<stream>.npy.")
def export_webdataset_files(folder: Path, snapshot: int | None, media: bool, features: bool) -> None:
    """Write WebDataset shards: tar files with a sample per video.

    FOLDER is empty, or holds what an interrupted export has written.
    """
    from assets.exports.sample_features import SampleFeatures
    from assets.exports.webdataset import export_webdataset
    from orchestration.resources import build_resources

    settings = settings_in_force()
    root = settings.lake.absolute() / "media" if media else None
    resources = build_resources(settings) if features else None
    chosen = SampleFeatures(resources["features"], resources["feature_options"].streams) if resources else None
    _export(partial(export_webdataset, media_root=root, features=chosen), folder, snapshot)


def _export(write: Callable[..., object], folder: Path, snapshot: int | None) -> None:
    from assets.exports.session import Division

    settings = settings_in_force()
    division = Division(settings.split, settings.sharding)
    write(open_lake(settings), folder, division, snapshot, progress=click.echo)


@export.command("release")
@lake_option
@click.argument("folder", type=FOLDER)
@snapshot_option
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


@export.command("rewritten")
@lake_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@snapshot_option
def export_rewritten_captions(file: Path, snapshot: int | None) -> None:
    """Write the rewritten captions that are kept to FILE, as JSON.

    Another lake makes its clips from them: HOWTO_CAPTION_RELEASES=rewritten=FILE HOWTO_CAPTIONS=rewritten.
    """
    from assets.sources.howto100m_release.export import export_rewritten

    count = export_rewritten(open_lake(settings_in_force()), file, snapshot)
    click.echo(f"{count:>12,} videos  {file}")


@export.command("lineage")
@lake_option
@click.argument("target", metavar="FILE|URL")
def export_lineage(target: str) -> None:
    """Write OpenLineage events of all recorded runs to a file, or send them to an address.

    A second call repeats the same events; catalogs know a run by its id. Needs the extra lineage.
    """
    try:
        from orchestration.lineage import client, run_events
    except ModuleNotFoundError as error:
        raise CommandError(f"{error.name} is not installed: pip install 'howto-lake[lineage]'") from None
    from orchestration.definitions import build_defs
    from orchestration.instance import recorded_instance

    settings = settings_in_force()
    open_lake(settings).close()
    sender, count = client(target), 0
    with recorded_instance(settings.lake) as instance:
        for event in run_events(build_defs(settings), instance, settings.lake):
            sender.emit(event)
            count += 1
    sender.close()
    click.echo(f"{count:,} events to {target}")


@export.command("mlflow")
@lake_option
@click.argument("address")
@click.option("--experiment", default="howto-lake", show_default=True, help="Experiment of MLflow, made if it is new.")
@click.option("--model", "models", multiple=True, help="Name of a model; several are possible. Default: all.")
def export_models_to_mlflow(address: str, experiment: str, models: tuple[str, ...]) -> None:
    """Log the trained models to MLflow: settings, metrics by epoch, files, and the snapshot of their inputs.

    ADDRESS is that of MLflow's server (http://...) or of its database (sqlite:///FILE). A version of a model that is
    there already is not logged again. Needs the extra mlflow.
    """
    try:
        from orchestration.tracking import log_models
    except ModuleNotFoundError as error:
        raise CommandError(f"{error.name} is not installed: pip install 'howto-lake[mlflow]'") from None
    from assets.models.provenance import readable_provenances
    from orchestration.resources import model_root_of

    settings = settings_in_force()
    open_lake(settings).close()
    root = model_root_of(settings)
    known = readable_provenances(root)
    if unknown := sorted(set(models) - known.keys()):
        raise CommandError(f"{', '.join(unknown)}: no such model in {root}; models are {', '.join(known) or 'none'}")
    for name, run in log_models(address, experiment, root, settings.lake.absolute(), models or list(known)):
        click.echo(f"{name:>16}  {f'run {run}' if run else 'is there already'}")


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
    import polars as pl

    from assets.features.exchange import export_features
    from assets.lake.removals import removed_ids
    from orchestration.resources import build_resources

    settings = settings_in_force()
    lake = open_lake(settings)
    index = lake.read("feature_index").pl().filter(~pl.col("video_id").is_in(list(removed_ids(lake.removals))))
    resources = build_resources(settings)
    streams = resources["feature_options"].streams
    try:
        count = export_features(index, resources["features"], streams, layout, folder)
    except ValueError as error:
        raise CommandError(str(error)) from error
    click.echo(f"{count:,} videos written to {folder}")


@click.group("import")
def import_files() -> None:
    """Read files that others published into the lake."""


@import_files.command("tables")
@lake_option
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def import_tables(folder: Path) -> None:
    """Read an export of the form hugging_face, webdataset or lance into a new lake.

    The tables of tasks, videos and clips are written as they are in FOLDER, for queries and other exports.
    """
    from assets.exports.reader import import_export
    from orchestration.stores import lake_of

    settings = settings_in_force()
    for table, rows in import_export(lake_of(settings), folder, settings.sharding).items():
        click.echo(f"{rows:>12,}  {table}")


@import_files.command("release")
@lake_option
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def import_release(folder: Path) -> int:
    """Read the released HowTo100M files in FOLDER: tasks, videos, captions and clips.

    FOLDER holds HowTo100M_v1.csv, task_ids.csv and a caption file, and may hold videos/. "howto refresh" then makes
    the rest, with the settings that are printed.
    """
    overrides = {"source": "howto100m_release", "release": str(folder.absolute())}
    settings = chosen_settings(overrides)
    _must_be_of_source(settings, overrides["source"])
    return _refreshed(settings, "group:sources or group:tasks or group:videos or group:captions", overrides)


@import_files.command("features")
@lake_option
@click.argument("folders", metavar="STREAM=FOLDER...", nargs=-1, required=True)
def import_features(folders: tuple[str, ...]) -> int:
    """Read published features of the lake's videos instead of running networks.

    STREAM is a network of HOWTO_FEATURES, e.g. resnet152=features/2d. Its FOLDER holds <video id>.npy or .npz files.
    """
    overrides = {"feature_files": ",".join(folders)}
    settings = chosen_settings(overrides)
    open_lake(settings).close()
    return _refreshed(settings, "group:features", overrides)


def _must_be_of_source(settings: Settings, source: str) -> None:
    """Refuse to replace the videos of another source.

    Raises:
        CommandError: the lake holds such videos.
    """
    from orchestration.stores import lake_of

    if lake_of(settings).is_new:
        return
    lake = open_lake(settings)
    others = lake.sql("SELECT DISTINCT source FROM videos").fetchall() if lake.has("videos") else []
    lake.close()
    if found := sorted(other for (other,) in others if other != source):
        raise CommandError(f"{settings.lake}: holds videos of the source {found[0]}; name another folder with --lake")


def _refreshed(settings: Settings, selection: str, overrides: dict[str, str]) -> int:
    code = refresh_with(settings, selection)
    variables = " ".join(f"HOWTO_{name.upper()}={value}" for name, value in overrides.items())
    click.echo(f"Other commands on this lake need these settings too, e.g. in .env: {variables}")
    return code


COMMANDS = (export, import_files)
