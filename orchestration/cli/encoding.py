"""``howto encode``: embeddings by the lake's joint embedding."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestration.cli.common import lake_option, open_lake, settings_in_force
from orchestration.cli.errors import FAILED, CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assets.lake import Lake
    from ml.joint_embedding.text_video import JointTextVideo
    from orchestration.encoding import Embedded


def _file(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and path.suffix not in (".parquet", ".npy"):
        raise click.BadParameter(f"{path} must end with .parquet or .npy")
    return path


to_option = click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_file,
    help="File .parquet or .npy to write. Default: lines of JSON on standard output.",
)


@click.group()
def encode() -> None:
    """Write embeddings of texts, clips or features by the joint embedding."""


@encode.command()
@lake_option
@click.argument("texts", nargs=-1)
@click.option("--file", type=click.File(encoding="utf-8"), help="File with a text per line; - is standard input.")
@to_option
def texts(texts: tuple[str, ...], file: Any, to: Path | None) -> int:
    """Encode TEXTS, e.g. howto encode texts "pour the batter" "slice the bread".

    A text without a word that the model knows gets no vector (null, or NaN in a file), and exit code 1.
    """
    wanted = [*texts, *(line.rstrip("\n") for line in file or ())]
    if not wanted:
        raise click.UsageError("Give texts, or a file of texts with --file.")
    import numpy as np

    from orchestration.encoding import encode_texts, write_embeddings

    _, _, models = _loaded()
    embedded = encode_texts(models, wanted)
    write_embeddings(iter([embedded]), to)
    unknown = [text for text, vector in zip(wanted, embedded.vectors, strict=True) if np.isnan(vector).any()]
    if unknown:
        click.echo(f"{len(unknown)} of {len(wanted)} texts have no known word, e.g. {unknown[0]!r}", err=True)
    return FAILED if unknown else 0


@encode.command()
@lake_option
@to_option
def clips(to: Path | None) -> None:
    """Encode the clips of all videos of the lake that can be used."""
    from orchestration.encoding import encode_clips

    resources, lake, models = _loaded()
    _written(encode_clips(models, resources["pairs"], lake), to)


@encode.command()
@lake_option
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--window", type=click.FloatRange(0.1), default=5.0, show_default=True, help="Seconds of a clip.")
@to_option
def features(folder: Path, window: float, to: Path | None) -> None:
    """Encode feature files in FOLDER, cut into clips of equal length.

    FOLDER holds a folder per stream with a file per video, as "howto export features" writes them. The streams and
    their rates are those of HOWTO_FEATURES.
    """
    from orchestration.encoding import encode_features

    resources, _, models = _loaded()
    _written(encode_features(models, resources["feature_options"], folder, window), to)


def _loaded() -> tuple[dict[str, Any], Lake, JointTextVideo]:
    from orchestration.encoding import load_models
    from orchestration.resources import build_resources

    settings = settings_in_force()
    lake, resources = open_lake(settings), build_resources(settings)
    return resources, lake, load_models(resources)


def _written(blocks: Iterator[Embedded], to: Path | None) -> None:
    from orchestration.encoding import write_embeddings

    try:
        count = write_embeddings(blocks, to)
    except ValueError as error:
        raise CommandError(str(error)) from error
    if to is not None:
        click.echo(f"{count:,} embeddings written to {to}")


COMMANDS = (encode,)
