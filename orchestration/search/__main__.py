"""Serve the search page.

    python -m orchestration.search [--host 127.0.0.1] [--port 8000]

Belongs here: the command line, and from settings to the application.
"""

from __future__ import annotations

import argparse
import ipaddress
import sys
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette

from orchestration.resources import build_resources
from orchestration.search.app import build_app
from orchestration.search.library import Library
from orchestration.search.options import SearchOptions
from orchestration.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from orchestration.search.hero_moments import Corpus


def search_app(settings: Settings, options: SearchOptions) -> Starlette:
    """The search page over the lake of these settings."""
    resources = build_resources(settings)
    models, index = resources["model_root"], resources["clip_index"]

    def load() -> Corpus:
        # Torch takes longer to import than the page to answer.
        from orchestration.search.hero_moments import load_corpus
        from orchestration.search.moments import load_moments

        moments = load_moments(resources["lake"], models, resources["pairs"], index)
        return load_corpus(moments, resources["lake"], models, resources["hero_store"])

    def version() -> Hashable:
        weights = [models / name / "model.safetensors" for name in ("word_vectors", "joint_embedding", "hero")]
        return tuple(_changed(path) for path in (*weights, index.path / "_versions"))

    roots = [resources["media_root"], *([settings.folder] if settings.folder else [])]
    return build_app(Library(load, version), roots, options)


def _changed(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; exit code 2 if a setting is wrong."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.search", description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; anyone who reaches it may search")
    parser.add_argument("--port", type=int, default=8000)
    chosen = parser.parse_args(arguments)
    try:
        # A page that others reach has names that only they know.
        options = SearchOptions() if _is_loopback(chosen.host) else SearchOptions(hosts=("*",))
        app = search_app(load_settings(), options)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Search page on http://{chosen.host}:{chosen.port} (Ctrl+C ends it)", flush=True)
    uvicorn.run(app, host=chosen.host, port=chosen.port, log_level="warning", proxy_headers=False, server_header=False)
    return 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    sys.exit(main())
