"""From settings to the application: the search page and the browse page of a lake."""

from __future__ import annotations

from fastapi import FastAPI

from orchestration.resources import build_resources
from orchestration.search.app import build_app
from orchestration.search.browse.labels import Sheets
from orchestration.search.browse.page import BrowsePage
from orchestration.search.loading import library
from orchestration.search.options import SearchOptions
from orchestration.settings import Settings


def search_app(settings: Settings, options: SearchOptions) -> FastAPI:
    """The search page over the lake of these settings."""
    resources = build_resources(settings)
    roots = [resources["media_root"], *([settings.sources.folder] if settings.sources.folder else [])]
    sheets = Sheets(resources["lake"], resources["review_root"], resources["task_rules"].review)
    limits, clip_limits = resources["limits"], resources["clip_limits"]
    browse = BrowsePage(resources["lake"], limits, clip_limits, sheets, roots, options.writable)
    card = resources["card_root"] / "card.html"
    return build_app(library(settings, resources), roots, options, card, [browse.router()])
