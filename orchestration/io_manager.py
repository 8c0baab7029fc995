"""The one IO manager: an asset's frame is a table of the lake, or one partition of it. See `assets.lake`."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg
import duckdb
import polars as pl

from assets.lake import Commit, Lake, load_tables
from assets.metadata import PART, table_of
from orchestration.columns import column_metadata

LONGEST_CELL = 60


def as_markdown(names: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Rows as a Markdown table, long values cut."""

    def cell(value: object) -> str:
        text = " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
        return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"

    header = list(names)
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def _commit(context: dg.OutputContext) -> Commit:
    """What the snapshot of an asset's rows records: asset, partition, run and code version."""
    asset = context.asset_key.to_user_string()
    partition = context.partition_key if context.has_partition_key else None
    return Commit(
        f"{asset}[{partition}]" if partition else asset,
        author=f"run {context.run_id}",
        details={
            "asset": asset,
            "partition": partition,
            "run_id": context.run_id,
            "code_version": context.asset_spec.code_version,
        },
    )


class LakeIOManager(dg.IOManager):
    """Reads and writes frames. The annotation of an asset's input selects the kind of frame.

    ``pl.LazyFrame`` and ``duckdb.DuckDBPyRelation`` read only the columns and rows that the asset uses;
    ``pl.DataFrame`` reads all. An input with all partitions is one frame.
    """

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def handle_output(
        self, context: dg.OutputContext, obj: pl.DataFrame | pl.LazyFrame | duckdb.DuckDBPyRelation
    ) -> None:
        metadata = context.definition_metadata
        table = table_of(context.asset_key.path[-1], metadata)
        partition = context.partition_key if context.has_partition_key else metadata.get(PART)
        partitions = context.asset_partitions_def.get_partition_keys() if context.has_partition_key else None
        written = self.lake.write(table, obj, partition, partitions, _commit(context))
        # The version of the content, so that a rerun that changes nothing leaves everything downstream up to date.
        context.step_context.set_data_version(context.asset_key, dg.DataVersion(written.version))
        rows = "dagster/partition_row_count" if context.has_partition_key else "dagster/row_count"
        contract = load_tables()[table]
        context.add_output_metadata(
            {
                rows: written.rows,
                "dagster/table_name": table,
                **column_metadata(contract),
                "snapshot": written.snapshot,
                "table_bytes": self.lake.bytes(table),
                "changed": written.changed,
                "sample": dg.MetadataValue.md(as_markdown(contract.column_types, written.first_rows)),
            }
        )

    def load_input(self, context: dg.InputContext) -> pl.DataFrame | pl.LazyFrame | duckdb.DuckDBPyRelation:
        upstream = context.upstream_output
        metadata = dict(upstream.definition_metadata) if upstream else {}
        relation = self.lake.read(
            table_of(context.asset_key.path[-1], metadata),
            list(context.asset_partition_keys) if context.has_asset_partitions else None,
        )
        wanted = context.dagster_type.typing_type
        if wanted is duckdb.DuckDBPyRelation:
            return relation
        if wanted is pl.LazyFrame:
            return relation.pl(lazy=True)
        if wanted is pl.DataFrame:
            return relation.pl()
        raise TypeError(
            f"input {context.name}: annotate it as pl.LazyFrame, pl.DataFrame or duckdb.DuckDBPyRelation, not {wanted}"
        )
