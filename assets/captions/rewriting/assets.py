"""Assets of the rewriting of narration. They exist only where HOWTO_REWRITING_URL names a language model."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import polars as pl

from assets.captions.rewriting.options import RewritingOptions
from assets.progress import CountedProgress


@dg.multi_asset(
    outs={
        "rewriting_blocks": dg.AssetOut(
            description="Requests to the language model, with outcome, tokens and cost.",
            code_version="1",
            kinds={"openai"},
        ),
        "rewritten_captions": dg.AssetOut(
            description="Captions that the language model wrote from the narration.",
            code_version="1",
            kinds={"openai"},
        ),
    },
    pool="network",
)
def rewritten_narration(
    context: dg.AssetExecutionContext,
    clips: pl.DataFrame,
    rewriting_options: dg.ResourceParam[RewritingOptions],
    rewriting_replies: dg.ResourceParam[Path],
) -> Iterator[dg.Output]:
    """Rewrite the narration of one shard to captions; answers that are stored are not requested again."""
    from assets.captions.rewriting.client import LanguageModel, Replies
    from assets.captions.rewriting.rewrite import blocks_of_videos, rewrite

    count = sum(1 for _ in blocks_of_videos(clips, rewriting_options.block_words))
    progress = CountedProgress(context.log.info, count, "blocks")
    with (
        closing(Replies(rewriting_replies)) as replies,
        closing(LanguageModel(rewriting_options, replies)) as model,
    ):
        made = rewrite(clips, model, context.partition_key, progress.advance)
    failed = made.blocks.filter(pl.col("captions") == 0, pl.col("error").is_not_null())
    for video_id, block, error in failed.select("video_id", "block_index", "error").head(20).iter_rows():
        context.log.warning(f"{video_id}, block {block}: {error}")
    metadata: dict[str, int | float] = {
        "blocks": made.blocks.height,
        "blocks without captions": failed.height,
        "answers that were stored before": made.stored,
        "tokens": int(made.blocks.select("tokens_in", "tokens_out").sum().sum_horizontal().item()),
        "cost of this run": round(made.cost_now, 4),
        "cost of all answers": round(float(made.blocks["cost"].sum()), 4),
    }
    yield dg.Output(made.blocks, "rewriting_blocks", metadata=metadata)
    yield dg.Output(made.captions, "rewritten_captions")
