"""Tables of measurements: printed row by row, and stored in a JSON file for ``docs/performance.md``."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ml.files import whole_file

FILE = Path(os.environ.get("BENCH_RESULTS") or Path(__file__).parents[2] / "docs" / "benchmarks.json")
DIGITS = 4
"""Significant digits of the numbers in the file; the last of them differs between runs as it is."""

Cell = str | int | float | None


@dataclass
class Table:
    """One table of a benchmark. Column names contain the units."""

    bench: str
    title: str
    columns: Sequence[str]
    rows: list[list[Cell]] = field(default_factory=list)

    def __post_init__(self) -> None:
        print(f"\n{self.title}\n{self._line(self.columns)}", flush=True)

    def add(self, *cells: Cell) -> None:
        """Add a row and print it. None is a value that was not measured."""
        assert len(cells) == len(self.columns), (self.columns, cells)
        row = [_rounded(cell) for cell in cells]
        self.rows.append(row)
        print(self._line([_shown(cell) for cell in row]), flush=True)

    def _line(self, cells: Sequence[str]) -> str:
        widths = [max(len(column), 9) for column in self.columns]
        first = f"{cells[0]:{max(widths[0], 44)}}"
        return "  ".join([first, *(f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True))])


@dataclass
class Results:
    """What a run of benchmarks measured, and what it could not measure, with the reason."""

    tables: list[Table] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path = FILE) -> None:
        """Store the tables; those of other benchmarks stay as an earlier run measured them."""
        known = json.loads(path.read_text(encoding="utf-8"))["tables"] if path.exists() else []
        measured = {table.bench for table in self.tables}
        added = [
            {
                "bench": table.bench,
                "title": table.title,
                "columns": list(table.columns),
                "rows": table.rows,
                "machine": machine(),
                "measured": f"{datetime.now(UTC):%Y-%m-%d}",
            }
            for table in self.tables
        ]
        kept = [table for table in known if table["bench"] not in measured]
        content = {"tables": sorted(kept + added, key=lambda table: table["bench"])}
        with whole_file(path) as new:
            new.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def machine() -> str:
    """The processor, its cores, memory and the versions that figures depend on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = f"{os.cpu_count()} × {names[0] if names else platform.machine()}, {memory:.0f} GiB"
    return f"{processor}, Python {platform.python_version()}, PyTorch {version('torch')}"


def _rounded(cell: Any) -> Cell:
    if cell is None or isinstance(cell, str):
        return cell
    return int(cell) if float(cell).is_integer() else float(f"{float(cell):.{DIGITS}g}")


def _shown(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:.{DIGITS}g}"
