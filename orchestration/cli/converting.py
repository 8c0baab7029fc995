"""``howto convert`` and ``howto graph``: models and graphs that others published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestration.cli.errors import CommandError

if TYPE_CHECKING:
    from assets.graph.published import LinkEnds

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def convert() -> None:
    """Convert released checkpoints to model folders."""


@convert.command("joint_embedding")
@click.argument("checkpoint", type=FILE)
@click.argument("folder", type=FOLDER)
def convert_joint_embedding(checkpoint: Path, folder: Path) -> None:
    """Convert the released joint embedding of HowTo100M.

    CHECKPOINT is its .pth file. FOLDER is the model folder to write.
    """
    from ml.joint_embedding.checkpoint import convert_file

    try:
        sizes = convert_file(checkpoint, folder)
    except ValueError as error:
        raise CommandError(str(error)) from error
    click.echo(f"{folder}: {', '.join(f'{name} {size}' for name, size in sizes.items())}")


@convert.command("hero")
@click.argument("checkpoint", type=FILE)
@click.argument("folder", type=FOLDER)
def convert_hero(checkpoint: Path, folder: Path) -> None:
    """Convert RoBERTa's weights or a released HERO, with its head.

    CHECKPOINT is a file of either. FOLDER is the model folder to write. "howto evaluate FOLDER" measures a HERO;
    HOWTO_HERO_INITIAL=FOLDER starts the pre-training from RoBERTa's weights or a HERO without a head.
    """
    from ml.hero.downstream.released import convert_file

    try:
        kind = convert_file(checkpoint, folder)
    except ValueError as error:
        raise CommandError(str(error)) from error
    click.echo(f"{folder}: {kind}")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--preset", help="Published settings: ppi, amazon2m, ogbn_products_sage, ... Default: only read.")
@click.option("--links", type=click.Choice(("positions", "ids")), help="What the ends of links in G.json are.")
@click.option("--split", help="Folder below split/ (OGB). Default: the only one.")
@click.option("--epochs", type=click.IntRange(1), help="Instead of the preset's.")
@click.option("--clusters", type=click.IntRange(1), help="Instead of the preset's.")
@click.option("--seed", type=click.IntRange(0), help="Instead of the preset's.")
@click.option(
    "--precalc",
    "first_normalization",
    flag_value="none",
    help="First layer by the adjacency without normalisation, the default of the authors' code.",
)
def graph(folder: Path, preset: str | None, links: LinkEnds | None, split: str | None, **changes: Any) -> None:
    """Read a published graph, and train a Cluster-GCN, GraphSAGE or GCN on it.

    Its size is printed. With a preset, a model is trained and scored.

    FOLDER holds GraphSAGE's files (PPI, Reddit, Amazon2M) or OGB's raw layout (ogbn-products). No lake is needed.
    """
    from assets.graph.published import read
    from assets.graph.published.training import train_by_preset

    published = read(folder, links, split)
    click.echo("\n".join(published.lines()))
    if preset:
        given = {name: value for name, value in changes.items() if value is not None}
        for part, score in train_by_preset(published, preset, click.echo, **given).items():
            click.echo(f"{part} micro-F1 {score:.4f}")


COMMANDS = (convert, graph)
