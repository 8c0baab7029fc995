"""The columns of a table as Dagster shows them: types, descriptions, constraints, and where their values come from."""

from __future__ import annotations

import dagster as dg

from assets.lake import Table


def column_metadata(table: Table) -> dict[str, dg.TableSchema | dg.TableColumnLineage]:
    """Metadata of a table's asset, by Dagster's names."""
    lineage = _lineage(table)
    found: dict[str, dg.TableSchema | dg.TableColumnLineage] = {"dagster/column_schema": _schema(table)}
    return found | ({"dagster/column_lineage": lineage} if lineage.deps_by_column else {})


def _schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, unique=table.primary_key == (column.name,)
                ),
            )
            for column in table.columns
        ]
    )


def _lineage(table: Table) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            column.name: [dg.TableColumnDep(asset, origin) for asset, origin in column.derived_from]
            for column in table.columns
            if column.derived_from
        }
    )
