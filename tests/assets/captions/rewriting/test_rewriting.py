"""Narration is rewritten block by block by a language model behind an address, whatever the address answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from assets.captions.rewriting.blocks import INSTRUCTION, Block, Line, Stated, blocks, read_answer
from assets.captions.rewriting.client import LanguageModel, ModelUnavailableError, Replies, RequestRefusedError
from assets.captions.rewriting.options import RewritingOptions
from assets.captions.rewriting.rewrite import Rewritten, rewrite
from assets.lake import load_tables
from tests.language_model_server import Answer, Server, completion, refusal, serving

SHARD = "shard-0000"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def options(server: Server, **changes: Any) -> RewritingOptions:
    fast = RewritingOptions(url=server.url, model="test-model", first_wait_s=0.01, attempts=3, parallel=2, timeout_s=5)
    return replace(fast, **changes)


def clips(videos: int = 2, lines: int = 6) -> pl.DataFrame:
    rows = [
        (SHARD, f"video{video:06d}", i, i * 4.5, i * 4.5 + 4, f"now add {i} eggs and whisk them", "x", 7, *[None] * 5)
        for video in range(videos)
        for i in range(lines)
    ]
    return load_tables()["clips"].frame(rows)


def made(folder: Path, chosen: RewritingOptions, frame: pl.DataFrame) -> Rewritten:
    with closing(Replies(folder / "replies.sqlite")) as replies, closing(LanguageModel(chosen, replies)) as model:
        return rewrite(frame, model, SHARD)


def test_each_block_is_requested_once_and_its_captions_have_their_origin(server: Server, tmp_path: Path) -> None:
    chosen = options(server, block_words=21, key=SecretStr("secret"), price_in=2.0, price_out=10.0)
    first = made(tmp_path, chosen, clips())
    assert first.blocks.select("video_id", "block_index", "first_clip", "last_clip", "words").rows() == [
        (f"video{video:06d}", block, 3 * block, 3 * block + 2, 21) for video in (0, 1) for block in (0, 1)
    ]
    # Both videos have the same narration, so that their requests are the same.
    assert {request["messages"][1]["content"] for request in server.requests} == {
        "\n".join(f"{int(i * 4.5)}s: now add {i} eggs and whisk them" for i in part) for part in (range(3), range(3, 6))
    }
    assert server.requests[0]["messages"][0] == {"role": "system", "content": INSTRUCTION}
    assert set(server.keys) == {"Bearer secret"}
    assert first.captions.filter(pl.col("video_id") == "video000000").select("block_index", "second_s").rows() == [
        (i // 3, int(i * 4.5)) for i in range(6)
    ]
    assert set(first.captions["model"]) == {"test-model-2026"}
    assert set(first.captions["request"]) == set(first.blocks["request"])
    assert first.blocks["cost"].to_list() == pytest.approx([(100 * 2 + 20 * 10) / 1e6] * 4)
    sent = len(server.requests)
    again = made(tmp_path, chosen, clips())
    assert (len(server.requests), again.cost_now, again.stored) == (sent, 0, 4)
    assert again.blocks.equals(first.blocks) and again.captions.equals(first.captions)
    made(tmp_path, replace(chosen, temperature=0.5), clips(1))
    assert len(server.requests) == sent + 2, "other settings are another request"


def test_a_stopped_run_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    frame = clips(1, 12).with_columns(caption=pl.col("caption") + pl.col("clip_index").cast(pl.String))
    chosen = options(server, block_words=20, parallel=1)
    server.faults = [completion("0s: crack an egg")] * 2 + [refusal(503, "loading")] * 3
    with pytest.raises(ModelUnavailableError, match=r"no answer in 3 attempts .*503: loading.*; run again to go on"):
        made(tmp_path, chosen, frame)
    assert len(server.requests) == 5
    found = made(tmp_path, chosen, frame)
    assert found.stored == 2 and len(server.requests) == 5 + len(found.blocks) - 2


@pytest.mark.parametrize(
    "fault",
    [
        refusal(429, "slow down", Retry_After="0.05"),
        refusal(500, "out of memory"),
        refusal(503, "loading"),
        "hang up",
        "half",
    ],
    ids=str,
)
def test_what_may_pass_is_repeated(server: Server, tmp_path: Path, fault: Answer | str) -> None:
    server.faults = [fault, fault]
    found = made(tmp_path, options(server), clips(1))
    assert (found.blocks["captions"].to_list(), found.blocks["error"].to_list()) == ([6], [None])
    assert len(server.requests) == 3


def test_an_answer_that_arrives_too_slowly_is_repeated(server: Server, tmp_path: Path) -> None:
    server.faults = ["slowly"]
    assert made(tmp_path, options(server, timeout_s=0.3), clips(1)).blocks["captions"].to_list() == [6]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (refusal(401, "Incorrect API key provided"), "401: Incorrect API key provided; check HOWTO_REWRITING_URL"),
        (refusal(404, "The model `x` does not exist"), "404: The model `x` does not exist"),
        (refusal(429, "quota exceeded", Retry_After="3600"), r"no answer in 1 attempts \(status 429: quota exceeded"),
    ],
    ids=["key", "model", "quota"],
)
def test_what_every_request_would_get_stops_the_run(
    server: Server, tmp_path: Path, fault: Answer, message: str
) -> None:
    server.faults = [fault] * 9
    with pytest.raises(ModelUnavailableError, match=message) as raised:
        made(tmp_path, options(server, parallel=1, key=SecretStr("secret")), clips(3))
    assert "secret" not in str(raised.value)


def test_no_server_at_all_is_named(tmp_path: Path) -> None:
    with serving() as server:
        gone = options(server, attempts=2)
    with pytest.raises(ModelUnavailableError, match=r"127\.0\.0\.1.*ConnectError"):
        made(tmp_path, gone, clips(1))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (refusal(400, "maximum context length is 2048 tokens"), "status 400: maximum context length is 2048 tokens"),
        ((200, {}, b"<html>"), "the answer is not JSON"),
        ((200, {}, b'{"choices": []}'), "the answer has no choices[0].message.content: an object of 1 fields"),
        (completion(None, "content_filter"), "the answer has no text (finish_reason 'content_filter')"),
        (completion("I cannot help with that."), "no time: I cannot help with that."),
    ],
    ids=["length", "html", "empty", "filtered", "refused"],
)
def test_a_block_without_a_usable_answer_keeps_its_reason_and_spares_the_others(
    server: Server, tmp_path: Path, fault: Answer, error: str
) -> None:
    server.faults = [fault]
    frame = clips(2).with_columns(caption=pl.col("caption") + pl.col("video_id"))
    found = made(tmp_path, options(server, parallel=1), frame)
    assert found.blocks["captions"].to_list() == [0, 6]
    assert str(found.blocks["error"][0]).startswith(error)
    assert set(found.captions["video_id"]) == {"video000001"}


def test_a_server_that_counts_no_tokens_has_no_cost(server: Server, tmp_path: Path) -> None:
    server.faults = [completion("3s: whisk", tokens=None)]
    found = made(tmp_path, options(server, price_in=1.0), clips(1))
    assert found.blocks.select("tokens_in", "tokens_out", "cost").rows() == [(None, None, None)]


BLOCK = Block((Line(0, 10.4, 15, "first"), Line(1, 20.0, 29.5, "last")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12s: whisk 2.5 cups. Add milk.", [(12, "whisk 2.5 cups. Add milk.")]),
        ("1. 12s: whisk\n10. 25s: pour", [(12, "whisk"), (25, "pour")]),
        ("- [12s] - whisk\n* (25 s): **pour**", [(12, "whisk"), (25, "**pour**")]),
        ("12s: whisk 15s: pour", [(12, "whisk"), (15, "pour")]),
        ("12.5s: whisk\n12.5s: whisk", [(12, "whisk")]),
        ("none", []),
    ],
)
def test_captions_are_read_in_the_forms_that_models_write(text: str, expected: list[tuple[int, str]]) -> None:
    answer = read_answer(text, BLOCK, complete=True)
    assert answer.captions == tuple(Stated(*each) for each in expected)
    assert answer.problems == ()


def test_what_is_no_caption_of_the_block_is_named() -> None:
    text = "Here are the captions:\n9s: too early\n10s: in time\n31s: too late\n20s: ...\n25s: cut of"
    answer = read_answer(text, BLOCK, complete=False)
    assert answer.captions == (Stated(10, "in time"),)
    assert answer.problems == (
        "cut off: cut of",
        "no time: Here are the captions:",
        "second 9 is outside of its block: too early",
        "second 31 is outside of its block: too late",
        "no words: ...",
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 60), max_size=20), st.integers(1, 100))
def test_blocks_hold_every_line_once_within_the_limit(sizes: list[int], most: int) -> None:
    lines = [Line(i, float(i), i + 1.0, "word " * size) for i, size in enumerate(sizes)]
    made = list(blocks(lines, most))
    assert [line for block in made for line in block.lines] == lines
    assert all(block.words <= most or len(block.lines) == 1 for block in made)
    assert all(block.prompt.count("s: ") == len(block.lines) for block in made), "every line has its time"
    joined = [before.words + after.lines[0].text.count("word") for before, after in pairwise(made)]
    assert all(words > most for words in joined), "no block could have held one more line"


def test_a_refused_request_is_not_stored(server: Server, tmp_path: Path) -> None:
    with closing(Replies(tmp_path / "r.sqlite")) as replies, closing(LanguageModel(options(server), replies)) as model:
        server.faults = [refusal(400, "odd")]
        with pytest.raises(RequestRefusedError, match="status 400: odd"):
            model.reply("i", "1s: x")
        assert not model.reply("i", "1s: x").stored
        assert model.reply("i", "1s: x").stored
