"""Whether the videos of the data set can still be watched, and how fast they disappear."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.availability.options import AvailabilityOptions
from assets.availability.probes import UNANSWERED, Prober
from assets.availability.survey import next_survey, probe_all
from assets.lake import Lake, load_tables
from assets.outcomes import SourceError
from assets.pictures import markdown
from assets.progress import CountedProgress


@dg.asset(code_version="1", kinds={"polars"}, pool="network")
def availability(
    context: dg.AssetExecutionContext,
    videos: pl.LazyFrame,
    lake: dg.ResourceParam[Lake],
    prober: dg.ResourceParam[Prober],
    availability_options: dg.ResourceParam[AvailabilityOptions],
) -> Iterator[dg.Output]:
    """One more survey of a random sample of the data set's videos: a request per video says whether it is there."""
    video_ids = videos.filter("kept").select("video_id").collect()["video_id"]
    table = load_tables()["availability"]
    earlier = lake.read(table.name).pl() if lake.has(table.name) else table.frame([])
    survey, drawn = next_survey(earlier, video_ids, availability_options.sample, availability_options.seed)
    progress = CountedProgress(context.log.info, len(drawn), "videos")
    made = probe_all(prober, survey, drawn, progress.advance)
    yield dg.Output(pl.concat([earlier.filter(pl.col("survey") != survey), made]))
    waiting = made.filter(pl.col("state") == UNANSWERED)
    if made.height and waiting.height == made.height:
        raise SourceError(f"survey {survey}: no answer for any of {made.height:,} videos: {waiting['error'][0]}")
    context.log.info(f"survey {survey}: {made.height - waiting.height:,} of {made.height:,} videos answered")


@dg.asset(code_version="1", kinds={"polars"}, deps=["availability", "videos", "caption_fetches"])
def link_rot(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    availability_options: dg.ResourceParam[AvailabilityOptions],
) -> pl.DataFrame:
    """Shares of available videos with their intervals, by category and age, and the half-life, per survey."""
    from assets.availability import estimates
    from assets.availability.figures import survival_figure

    videos = lake.sql(
        "SELECT videos.video_id, videos.category_1, videos.upload_date,"
        " coalesce($since::TIMESTAMPTZ, caption_fetches.fetched_at) AS known_at"
        " FROM videos LEFT JOIN caption_fetches"
        " ON videos.video_id = caption_fetches.video_id AND caption_fetches.status = 'ok' WHERE videos.kept",
        since=availability_options.since,
    ).pl()
    rows = estimates.link_rot(lake.read("availability").pl(), videos)
    figure = markdown(survival_figure(rows), "share that is available by age and category")
    context.add_output_metadata({"plot": dg.MetadataValue.md(figure)})
    return rows
