"""One blocking schema check per table, made by a factory from the table's contract.

Belongs here: turning a contract into counts of violating rows. The contracts are ``sql/tables``.
"""

from collections.abc import Iterator

import dagster as dg

from assets.lake import Lake, Table, load_tables
from orchestration.io_manager import PART, table_of


def rules(table: Table) -> Iterator[tuple[str, str]]:
    """Every rule of a contract with the query, over ``rows``, that counts the rows which break it."""
    for column in table.columns:
        if not column.nullable:
            yield f"{column.name} is not NULL", f'SELECT count(*) FROM rows WHERE "{column.name}" IS NULL'
    key = ", ".join(f'"{name}"' for name in table.primary_key)
    unique = f"SELECT count(*) FROM (SELECT 1 FROM rows GROUP BY {key} HAVING count(*) > 1)"
    yield f"({', '.join(table.primary_key)}) is unique", unique
    for expression in table.checks:
        yield expression, f"SELECT count(*) FROM rows WHERE NOT ({expression})"


def broken_rules(lake: Lake, table: Table, partition: str | None) -> dict[str, int]:
    """The rules that rows of a table, or of one partition of it, break: rule → number of rows."""
    stored = lake.read(table.name, None if partition is None else [partition])
    actual = dict(zip(stored.columns, map(str, stored.types), strict=True))
    wrong = {
        f"{c.name} is {c.type}, not {actual.get(c.name)}": 1 for c in table.columns if actual.get(c.name) != c.type
    }
    if wrong:
        return wrong
    counts = {}
    for rule, query in rules(table):
        counts[rule] = int(stored.query("rows", query).fetchall()[0][0])
    return {rule: count for rule, count in counts.items() if count}


def schema_check(spec: dg.AssetSpec) -> dg.AssetChecksDefinition:
    """The blocking check that an asset's table, or the partition just written, keeps its contract."""
    table = load_tables()[table_of(spec.key, dict(spec.metadata))]

    @dg.asset_check(
        asset=spec.key,
        name="schema",
        blocking=True,
        description=f"Types, NOT NULL, key and CHECK constraints of sql/tables/{table.name}.sql hold.",
    )
    def check(context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
        partition = context.run.tags.get("dagster/partition") if table.partition_column else None
        broken = broken_rules(lake, table, partition or spec.metadata.get(PART))
        return dg.AssetCheckResult(
            passed=not broken,
            description="; ".join(f"{count} rows break: {rule}" for rule, count in broken.items()) or None,
            metadata={"rules": len(list(rules(table))), "broken": broken},
        )

    return check
