"""The section of a card with the models' scores, from the table ``evaluations``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from assets.card.blocks import Block, Section, Table, Text, number
from assets.lake.snapshot import Snapshot

MODELS = {
    "cluster_gcn": "Cluster-GCN",
    "crosstask_components": "CrossTask component model",
    "joint_embedding": "Joint embedding",
    "joint_embedding_benchmarks": "Joint embedding",
}
"""Names of models in titles; a model ``hero_<task>`` is HERO."""

METRICS = (
    "R@1",
    "R@5",
    "R@10",
    "median_rank",
    "mean_rank",
    "recall_per_video",
    "recall_pooled",
    "accuracy",
    "macro_f1",
)
"""Metrics in the order of their columns; any other metric follows, in natural order."""

SYNTHETIC = "(synthetic)"
"""End of the name of a benchmark whose files are made from synthetic videos."""

COUNTS = ("captions_without_words", "without_video", "training_without_video", "splits")
"""Metrics that count items; they are part of the note."""

BASELINES = ("uniform", "majority_class", "chance")
"""Methods in the last rows."""

MOST_COLUMNS = 7
"""Metrics that are columns at most; with more of them, metrics are rows and methods are columns."""

NARROW = 5
"""Columns of a table that takes half the width of the page."""

Values = Mapping[tuple[str, str], float]
"""Value by method and metric."""


@dataclass(frozen=True)
class _Result:
    """The scores of one model on one benchmark, as they are shown."""

    model: str
    benchmark: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str

    @property
    def group(self) -> tuple[object, ...]:
        """Equal for synthetic benchmarks that differ in nothing but the name of the data set."""
        name, _, rest = self.benchmark.partition(", ")
        benchmark = rest if rest.endswith(SYNTHETIC) else (name, rest)
        return self.model, benchmark, tuple(self.header), tuple(map(tuple, self.rows)), self.note


def models(snapshot: Snapshot) -> Section:
    """The scores of each model and its baselines. Benchmarks with equal scores share a table."""
    title = "Model results"
    if not snapshot.has("evaluations") or not snapshot.rows("evaluations"):
        return Section("models", title, [Text("No model has been evaluated yet.")])
    equal: dict[tuple[object, ...], list[_Result]] = {}
    for result in _results(snapshot):
        equal.setdefault(result.group, []).append(result)
    tables = [_table(results) for results in equal.values()]
    # Narrow tables first: two of them fit in a row of the page.
    blocks: list[Block] = [*sorted(tables, key=lambda table: len(table.header) > NARROW)]
    if any("[" in cell for table in tables for row in table.rows for cell in row):
        blocks.insert(0, Text("Brackets contain 95 % bootstrap intervals. Recalls and accuracies are shares of 1."))
    return Section("models", title, blocks)


def _results(snapshot: Snapshot) -> Iterator[_Result]:
    found = snapshot.sql("FROM {evaluations} ORDER BY model, benchmark, split, method, metric")
    for (model, benchmark, split), rows in found.group_by("model", "benchmark", "split", maintain_order=True):
        values = {(method, metric): value for method, metric, value in rows.select("method", "metric", "value").rows()}
        queries = number(int(rows["queries"].max()))  # type: ignore[arg-type]
        measured_on = ", ".join(map(str, rows["snapshot"].unique().sort()))
        note = f"{queries} queries or items of the {split} split, evaluated on snapshot {measured_on}."
        methods = sorted({method for method, _ in values}, key=lambda method: _method_order(method, str(model)))
        metrics = sorted({_base(metric) for _, metric in values if metric not in COUNTS}, key=_metric_order)
        names = [_words(method) for method in methods]
        cells = [[_cell(values, method, metric) for metric in metrics] for method in methods]
        header: Sequence[str] = ("method", *map(_words, metrics))
        table = [[name, *row] for name, row in zip(names, cells, strict=True)]
        if len(metrics) > MOST_COLUMNS:
            header = ("metric", *names)
            table = [[_words(metric), *row] for metric, row in zip(metrics, zip(*cells, strict=True), strict=True)]
        yield _Result(str(model), str(benchmark), header, table, f"{note}{_counts(values)}")


def _table(results: Sequence[_Result]) -> Table:
    first = results[0]
    model = MODELS.get(first.model, "HERO" if first.model.startswith("hero") else _words(first.model))
    names = [result.benchmark.partition(", ") for result in results]
    benchmarks = f"{' and '.join(name for name, _, _ in names)}{names[0][1]}{names[0][2]}"
    note = first.note
    if len(results) > 1:
        note += " These benchmarks consist of the same synthetic clips, so their results are equal."
    return Table(f"{model}: {benchmarks}", first.header, first.rows, note)


def _base(metric: str) -> str:
    return re.sub("_(low|high|deviation)$", "", metric)


def _cell(values: Values, method: str, metric: str) -> str:
    """``0.444 [0.374, 0.521]``, ``0.891 ± 0.012`` over several splits, or the bare value."""
    value = values.get((method, metric))
    if value is None:
        return "–"
    low, high = values.get((method, f"{metric}_low")), values.get((method, f"{metric}_high"))
    if low is not None and high is not None:
        return f"{_score(metric, value)} [{_score(metric, low)}, {_score(metric, high)}]"
    deviation = values.get((method, f"{metric}_deviation"))
    if deviation is not None and values.get((method, "splits"), 1) > 1:
        return f"{_score(metric, value)} ± {_score(metric, deviation)}"
    return _score(metric, value)


def _score(metric: str, value: float) -> str:
    return number(value) if metric.endswith("rank") or abs(value) > 1 else f"{value:.3f}"


def _counts(values: Values) -> str:
    """The counted items that are not zero, as a sentence."""
    most = {name: max((value for (_, metric), value in values.items() if metric == name), default=0) for name in COUNTS}
    counted = [
        f"{_words(name)}: {number(count)}" for name, count in most.items() if count and (name, count) != ("splits", 1)
    ]
    return f" {', '.join(counted).capitalize()}." if counted else ""


def _method_order(method: str, model: str) -> tuple[int, int, str]:
    baseline = BASELINES.index(method) + 1 if method in BASELINES else 0
    return baseline, method != model, method


def _metric_order(metric: str) -> tuple[int, list[tuple[bool, int, str]]]:
    known = METRICS.index(metric) if metric in METRICS else len(METRICS)
    parts = re.split(r"(\d+)", metric)
    return known, [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _words(name: str) -> str:
    return name.replace("_", " ")
