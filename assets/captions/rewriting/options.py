"""Options of the rewriting of narration to captions by a language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr

from assets.options import Options, SameResult, Variable, WebAddress


@dataclass(frozen=True)
class RewritingOptions(Options):
    """Which language model rewrites narration, and which of its captions are kept.

    The model is behind an address with OpenAI's interface ``/chat/completions``: a hosted one, or one that serves a
    local file (llama.cpp, vLLM, Ollama). Without an address nothing is rewritten. Block and clip sizes are those of
    HowToCaption.
    """

    group: ClassVar = "Captions"
    prefix: ClassVar = "rewriting_"

    url: Annotated[
        WebAddress | None,
        SameResult,
        Field(description="address of a language model that rewrites narration, such as http://127.0.0.1:8080/v1"),
    ] = None
    model: Annotated[str, Field(description="name of the language model at that address")] = ""
    key: Annotated[SecretStr | None, Field(description="key that the address requires")] = None
    temperature: Annotated[float, Field(ge=0, le=2, description="randomness of the language model; 0 is none")] = 0.0
    most_tokens: Annotated[int, Field(ge=16, description="tokens of an answer of the language model at most")] = 1024
    block_words: Annotated[int, Field(ge=20, description="words of narration per request")] = 200
    parallel: Annotated[int, SameResult, Field(ge=1, description="requests to the language model at a time")] = 4
    timeout_s: Annotated[
        float, SameResult, Field(gt=0, description="seconds after which an answer must be complete")
    ] = 120.0
    attempts: Annotated[int, SameResult, Field(ge=1, description="attempts at a request before the run stops")] = 5
    first_wait_s: Annotated[float, SameResult] = 1.0
    price_in: Annotated[float, Field(ge=0, description="price of a million tokens that the language model reads")] = 0.0
    price_out: Annotated[float, Field(ge=0, description="price of a million tokens that the language model writes")] = (
        0.0
    )
    min_similarity: Annotated[
        float,
        Variable("rewriting_min_similarity"),
        Field(ge=-1, le=1, description="cosine of a rewritten caption with its clip below which it is not kept"),
    ] = 0.0

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """Price of these tokens, in the currency of the prices."""
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6

    def problems(self) -> list[str]:
        """What keeps these options from working, a line per problem."""
        if self.url is not None and not self.model.strip():
            return ["HOWTO_REWRITING_URL: set HOWTO_REWRITING_MODEL to the name of the language model there"]
        return []
