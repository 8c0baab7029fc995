"""Files that others read, from the lake.

    python -m orchestration.exchange features --layout npy --to FOLDER
    python -m orchestration.exchange release --to FOLDER

Belongs here: the command line. What is written is told in ``assets/features/exchange`` and
``assets/sources/release_export``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from assets.features.exchange import Layout, export_features
from assets.features.options import FeatureOptions
from assets.features.store import FeatureStore
from assets.lake import Lake
from assets.sources.howto100m_release.export import ExportError, export_release
from orchestration.resources import build_resources
from orchestration.settings import SettingsError, load_settings


def main(arguments: list[str] | None = None) -> int:
    """Write what is asked for; exit code 2 if it cannot be."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.exchange", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    features = commands.add_parser("features", help="feature rows, a file a video and stream, or HERO's LMDB")
    features.add_argument("--layout", choices=("npy", "npz", "lmdb"), default="npy")
    features.add_argument("--to", type=Path, required=True, help="folder that is filled")
    release = commands.add_parser("release", help="the data set in the files of the HowTo100M release")
    release.add_argument("--to", type=Path, required=True, help="folder that is filled")
    release.add_argument("--snapshot", type=int, help="snapshot of the lake; default: the newest")
    release.add_argument("--lines", choices=("clips", "captions"), default="clips", help="which lines are captions")
    options = parser.parse_args(arguments)
    try:
        resources = build_resources(load_settings())
        lake, store, chosen = resources["lake"], resources["features"], resources["feature_options"]
        if "layout" in options:
            print(f"{_features(lake, store, chosen, options.layout, options.to)} videos written to {options.to}")
        else:
            for name, count in export_release(lake, options.to, options.snapshot, options.lines).items():
                print(f"{count:>12,}  {options.to / name}")
    except (SettingsError, ExportError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _features(lake: Lake, store: FeatureStore, options: FeatureOptions, layout: Layout, folder: Path) -> int:
    return export_features(lake.read("feature_index").pl(), store, options.streams, layout, folder)


if __name__ == "__main__":
    sys.exit(main())
