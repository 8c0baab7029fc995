"""``python -m assets.graph.published <folder> --preset ppi``: read a published graph, train on it, score it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from assets.graph.edges import GraphError
from assets.graph.published.graphs import PublishedError
from assets.graph.published.reader import LinkEnds, read
from assets.graph.published.training import train_by_preset


def main(arguments: Sequence[str] | None = None) -> None:
    """Read a published graph and print its size; with a preset, train on it and score it."""
    parser = argparse.ArgumentParser(prog="python -m assets.graph.published", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="with <name>-G.json and its companions, or with raw/ and split/")
    parser.add_argument("--links", choices=get_args(LinkEnds), help="what the ends of links in G.json are")
    parser.add_argument("--split", help="folder below split/ (OGB); by default the only one")
    parser.add_argument("--preset", help="published settings to train with: ppi, reddit, amazon2m, ...")
    parser.add_argument("--epochs", type=int, help="instead of the preset's")
    parser.add_argument("--clusters", type=int, help="instead of the preset's")
    parser.add_argument("--seed", type=int)
    given = parser.parse_args(arguments)
    try:
        published = read(given.folder, given.links, given.split)
        print(*published.lines(), sep="\n", flush=True)
        if given.preset:
            given_changes = {name: getattr(given, name) for name in ("epochs", "clusters", "seed")}
            changes = {name: value for name, value in given_changes.items() if value is not None}
            for split, score in train_by_preset(published, given.preset, print_line, **changes).items():
                print_line(f"{split} micro-F1 {score:.4f}")
    except (PublishedError, GraphError) as error:
        sys.exit(str(error))


def print_line(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
