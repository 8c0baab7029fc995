"""Assets of the sources: their versions, their entries that were set aside, and the rows of shops."""

from datetime import UTC, datetime

import dagster as dg
import polars as pl

from assets.lake import load_tables
from assets.sources.protocol import VideoSource
from assets.sources.retail import RetailSource


def _state(name: str, version: str) -> pl.DataFrame:
    return pl.DataFrame({"source": [name], "version": [version], "listed_at": [datetime.now(UTC)]})


@dg.asset(code_version="1", kinds={"duckdb"})
def video_source(source: dg.ResourceParam[VideoSource]) -> pl.DataFrame:
    """The current version of the video source. Materialize it to notice what changed there."""
    return _state(source.name, source.version())


@dg.asset(code_version="2", kinds={"duckdb"}, deps=["video_source"])
def source_problems(source: dg.ResourceParam[VideoSource]) -> pl.DataFrame:
    """Entries of the video source that are not used as they are, each with its reason."""
    rows = ((source.name, problem.name, problem.problem) for problem in dict.fromkeys(source.problems()))
    return load_tables()["source_problems"].frame(rows)


@dg.asset(code_version="1", kinds={"duckdb"})
def retail_source(retail: dg.ResourceParam[RetailSource]) -> pl.DataFrame:
    """The current version of the source of transactions. Materialize it to notice what changed there."""
    return _state(retail.name, retail.version())


@dg.asset(code_version="2", kinds={"polars"}, deps=["retail_source"])
def retail_baskets(context: dg.AssetExecutionContext, retail: dg.ResourceParam[RetailSource]) -> pl.LazyFrame:
    """Transaction lines. The packaged default is simulated data for education, not for research or publication."""
    context.add_output_metadata(retail.transaction_notes().metadata())
    return retail.transactions().with_row_index("line").with_columns(source=pl.lit(retail.name))


@dg.asset(code_version="2", kinds={"polars"}, deps=["retail_source"])
def products(context: dg.AssetExecutionContext, retail: dg.ResourceParam[RetailSource]) -> pl.LazyFrame:
    """Products with their hierarchy, from the same source as the transactions."""
    context.add_output_metadata(retail.product_notes().metadata())
    return retail.products().with_row_index("line").with_columns(source=pl.lit(retail.name))
