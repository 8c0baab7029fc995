"""``howto ui`` and ``howto search``: pages in a browser."""

from __future__ import annotations

import click

from orchestration.cli.common import lake_option, listen, settings_in_force

PORT = click.IntRange(1, 65535)

host_option = click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on. Whoever reaches it may use the page."
)


@click.command()
@lake_option
@host_option
@click.option("--port", type=PORT, default=3000, show_default=True, help="Port to listen on.")
def ui(host: str, port: int) -> None:
    """Serve the Dagster UI: the asset graph, runs, schedules."""
    from orchestration.ui import run_ui

    settings = settings_in_force()
    listen(host, port).close()
    run_ui(settings, host, port)


@click.command()
@lake_option
@host_option
@click.option("--port", type=PORT, default=8000, show_default=True, help="Port to listen on.")
def search(host: str, port: int) -> None:
    """Serve a page, with a JSON API, that finds moments of videos."""
    from orchestration.search.server import serve

    settings = settings_in_force()
    with listen(host, port) as listening:
        click.echo(f"Search page on http://{host}:{port} (Ctrl+C ends it)")
        serve(settings, host, listening)


COMMANDS = (ui, search)
