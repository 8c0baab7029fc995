"""The narration of a shard's videos, rewritten block by block.

See ``blocks`` for what is requested, ``client`` for how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl

from assets.captions.rewriting.blocks import INSTRUCTION, Answer, Block, Line, blocks, read_answer
from assets.captions.rewriting.client import LanguageModel, Reply, RequestRefusedError
from assets.lake import load_tables


@dataclass(frozen=True)
class Rewritten:
    """Rows of both tables, and what they cost now: answers that were stored before cost nothing."""

    blocks: pl.DataFrame
    captions: pl.DataFrame
    cost_now: float
    stored: int


@dataclass(frozen=True)
class _Outcome:
    video_id: str
    index: int
    block: Block
    reply: Reply | None
    answer: Answer
    error: str | None


def blocks_of_videos(clips: pl.DataFrame, most_words: int) -> Iterator[tuple[str, int, Block]]:
    """(video id, number in the video, block) of each block of the captions in rows of ``clips``."""
    for (video_id,), rows in sorted(clips.partition_by("video_id", as_dict=True).items()):
        ordered = rows.sort("clip_index").select("clip_index", "start_s", "end_s", "caption")
        lines = [Line(*row) for row in ordered.iter_rows()]
        for index, block in enumerate(blocks(lines, most_words)):
            yield str(video_id), index, block


def rewrite(
    clips: pl.DataFrame, model: LanguageModel, shard: str, progress: Callable[[], None] = lambda: None
) -> Rewritten:
    """Request captions for each block, several at a time.

    Every answer is stored when it arrives, so that a run that is stopped goes on where it was.

    Args:
        clips: the shard's rows of ``clips``.
        progress: called when a block is done.

    Raises:
        ModelUnavailableError: the model answers no request.
    """
    outcomes: list[_Outcome] = []
    planned = list(blocks_of_videos(clips, model.options.block_words))
    with ThreadPoolExecutor(model.options.parallel) as pool:
        try:
            for outcome in pool.map(lambda each: _requested(model, *each), planned):
                outcomes.append(outcome)
                progress()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return _frames(outcomes, model, shard)


def _requested(model: LanguageModel, video_id: str, index: int, block: Block) -> _Outcome:
    try:
        reply = model.reply(INSTRUCTION, block.prompt)
    except RequestRefusedError as error:
        return _Outcome(video_id, index, block, None, Answer((), ()), str(error))
    answer = read_answer(reply.text, block, reply.complete)
    return _Outcome(video_id, index, block, reply, answer, next(iter(answer.problems), None))


def _frames(outcomes: list[_Outcome], model: LanguageModel, shard: str) -> Rewritten:
    requests, captions = [], []
    lines: dict[str, int] = {}
    cost_now, stored = 0.0, 0
    for each in outcomes:
        block, reply = each.block, each.reply
        request = model.request_hash(INSTRUCTION, block.prompt)
        named = reply.model if reply else model.options.model
        cost = _cost(model, reply)
        if reply is not None:
            stored += reply.stored
            cost_now += 0 if reply.stored else cost or 0
        requests.append(
            (
                shard,
                each.video_id,
                each.index,
                block.lines[0].index,
                block.lines[-1].index,
                block.start_s,
                block.end_s,
                block.words,
                named,
                request,
                len(each.answer.captions),
                len(each.answer.problems),
                reply.tokens_in if reply else None,
                reply.tokens_out if reply else None,
                cost,
                each.error,
            )
        )
        for caption in each.answer.captions:
            line = lines[each.video_id] = lines.get(each.video_id, -1) + 1
            captions.append((shard, each.video_id, line, each.index, caption.second, caption.text, named, request))
    tables = load_tables()
    return Rewritten(
        tables["rewriting_blocks"].frame(requests), tables["rewritten_captions"].frame(captions), cost_now, stored
    )


def _cost(model: LanguageModel, reply: Reply | None) -> float | None:
    if reply is None or reply.tokens_in is None or reply.tokens_out is None:
        return None
    return model.options.cost(reply.tokens_in, reply.tokens_out)
