"""What a lake holds, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from assets.lake import Lake, load_tables
from orchestration.settings import Settings


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Lines of a table with aligned columns; numbers are right-aligned."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in (header, *rows):
        yield "  " + "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )


def contents(lake: Lake) -> Iterator[str]:
    """Rows and bytes of every table that was made."""
    made = [name for name in load_tables() if lake.has(name)]
    rows = [(name, lake.sql(f"SELECT count(*) FROM {name}").fetchall()[0][0], lake.bytes(name)) for name in made]
    yield from table(("table", "rows", "KiB"), [(n, f"{count:,}", f"{size / 1024:,.0f}") for n, count, size in rows])


def size(lake: Lake) -> str:
    """Videos, clips and hours in one line."""
    videos, clips, hours = lake.sql(
        "SELECT (SELECT count(*) FROM videos WHERE kept), count(*), coalesce(sum(end_s - start_s), 0) / 3600 FROM clips"
    ).fetchall()[0]
    return f"{videos:,} videos, {clips:,} clips, {hours:.2f} hours of clips"


def results(lake: Lake) -> Iterator[str]:
    """Every evaluation: one row per method, together with its baselines."""
    metrics = {
        "retrieval": ("R@1", "R@5", "R@10", "median_rank"),
        "classification": ("accuracy", "macro_f1"),
    }
    for wanted in metrics.values():
        columns = ", ".join(f"max(value) FILTER (metric = '{metric}')" for metric in wanted)
        found = lake.sql(
            f"SELECT model || ' / ' || benchmark || ' ' || split, method, max(queries), {columns} FROM evaluations"
            f" WHERE metric IN {wanted} GROUP BY ALL ORDER BY 1, {columns.split(', ')[0]} DESC"
        ).fetchall()
        if found:
            rows = [
                (f"{name}: {method}", f"{n:,}", *(_figure(value) for value in values))
                for name, method, n, *values in found
            ]
            yield from table(("model / benchmark: method", "queries", *wanted), rows)


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if value <= 1 else f"{value:,.1f}"


def next_commands(settings: Settings) -> Iterator[str]:
    """Commands and files to continue with."""
    yield "Next:"
    yield "  make ui, or howto ui          the asset graph in the Dagster UI, http://127.0.0.1:3000"
    yield "  make search, or howto search  search of moments in the videos, http://127.0.0.1:8000"
    yield "  make sql, or howto sql        queries over the tables"
    yield f"  {settings.lake / 'card' / 'card.html'}           the data set card"
    yield f"  {settings.lake / 'models'}                   the trained models"


def report(settings: Settings, lake: Lake) -> Iterator[str]:
    """The tables of the lake, its size, the results of its models, and what to run next."""
    yield from ("", f"In the lake ({settings.lake}, {settings.sources.kind} source):", *contents(lake), "")
    if lake.has("clips") and lake.has("videos"):
        yield from (size(lake), "")
    if lake.has("evaluations"):
        yield from ("Results on held-out data:", *results(lake), "")
    yield from next_commands(settings)
