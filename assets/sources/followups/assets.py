"""Assets of the follow-up releases. They exist only where HOWTO_CAPTION_RELEASES names some."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl

from assets.lake import load_tables
from assets.sharding import Sharding
from assets.sources.followups.options import FollowUpOptions
from assets.sources.followups.shards import ReleaseShards, release_rows


def _shards(options: FollowUpOptions, cache: Path, sharding: Sharding) -> dict[str, ReleaseShards]:
    return {name: ReleaseShards(name, path, cache, sharding) for name, path in options.paths.items()}


@dg.multi_asset(
    outs={
        "caption_releases": dg.AssetOut(
            description="Follow-up releases of captions, with their size.", code_version="1", kinds={"polars"}
        ),
        "release_problems": dg.AssetOut(
            description="Entries of the follow-up releases that cannot be used, with reasons.",
            code_version="1",
            kinds={"polars"},
        ),
    }
)
def read_releases(
    context: dg.AssetExecutionContext,
    followup_options: dg.ResourceParam[FollowUpOptions],
    release_cache: dg.ResourceParam[Path],
    sharding: dg.ResourceParam[Sharding],
) -> Iterator[dg.Output]:
    """Read each release as a stream, once, into files by shard."""
    rows, problems = [], []
    for name, shards in _shards(followup_options, release_cache, sharding).items():
        counts = shards.prepare()
        context.log.info(f"{name}: {counts['videos']:,} videos, {counts['lines']:,} captions")
        rows.append((name, shards.path.name, counts["videos"], counts["lines"], counts["set_aside"]))
        problems += [(name, each.name, each.problem) for each in dict.fromkeys(shards.problems())]
    tables = load_tables()
    yield dg.Output(tables["caption_releases"].frame(rows), "caption_releases")
    yield dg.Output(tables["release_problems"].frame(problems), "release_problems")


@dg.multi_asset(
    outs={
        "release_captions": dg.AssetOut(
            description="Captions of the follow-up releases for the videos of one shard.",
            code_version="1",
            kinds={"polars"},
        ),
        "release_tracks": dg.AssetOut(
            description="Which follow-up release has captions of which video.", code_version="1", kinds={"polars"}
        ),
    },
    deps=["caption_releases"],
)
def released_tracks(
    context: dg.AssetExecutionContext,
    candidate_videos: pl.LazyFrame,
    followup_options: dg.ResourceParam[FollowUpOptions],
    release_cache: dg.ResourceParam[Path],
    sharding: dg.ResourceParam[Sharding],
) -> Iterator[dg.Output]:
    """Take the captions of each kept candidate out of the releases."""
    shard, tables = context.partition_key, load_tables()
    kept = candidate_videos.filter("kept").select("video_id").collect()["video_id"]
    members = sharding.members(kept, shard)
    found = [release_rows(each, members, shard) for each in _shards(followup_options, release_cache, sharding).values()]
    for name, frames in zip(("release_captions", "release_tracks"), zip(*found, strict=True), strict=True):
        columns = list(tables[name].column_types)
        table = pl.concat(
            [tables[name].schema.to_frame(), *(frame.select(columns).cast(tables[name].schema) for frame in frames)]
        )
        yield dg.Output(table, name)
