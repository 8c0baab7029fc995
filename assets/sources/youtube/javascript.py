"""The JavaScript runtime that yt-dlp needs for most kinds of players since 2025-11."""

from __future__ import annotations

from importlib.util import find_spec

from assets.sources.youtube.options import YouTubeOptions


def needs_javascript(player: str) -> bool:
    """Whether yt-dlp runs YouTube's own script for a kind of player; one that it does not know is taken to need it."""
    from yt_dlp.extractor.youtube._base import INNERTUBE_CLIENTS

    return bool(INNERTUBE_CLIENTS.get(player, {}).get("REQUIRE_JS_PLAYER", True))


def missing_runtime(options: YouTubeOptions) -> str | None:
    """Why the players of these options cannot work here, with the remedy; None if they can."""
    wanted = [player for player in options.players if needs_javascript(player)]
    if options.cookies:
        reason = "HOWTO_COOKIES: the players of a login"
    elif wanted:
        reason = f"HOWTO_PLAYERS: {', '.join(wanted)}"
    else:
        return None
    from yt_dlp import YoutubeDL

    with YoutubeDL({"quiet": True, **options.yt_dlp}) as ydl:
        found = [runtime.info for runtime in ydl._js_runtimes.values() if runtime is not None]
    has_runtime = any(info is not None and info.supported for info in found)
    if has_runtime and find_spec("yt_dlp_ejs"):
        return None
    lacking = "the package yt-dlp-ejs" if has_runtime else "a JavaScript runtime (deno)"
    return f"{reason} needs {lacking}, which is not installed: pip install 'howto-lake[youtube]'"
