"""Requests to a language model behind an address with OpenAI's interface, each answer stored when it arrives."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from assets.captions.rewriting.options import RewritingOptions
from assets.values import parse_json, shown
from ml.files import content_hash

LONGEST_WAIT_S = 60.0
"""Longest wait that a server may request between two attempts; a longer one stops the run."""
_AGAIN = (408, 409, 425, 429)
"""Statuses, next to those of the server's own faults, after which the same request makes sense again."""
_NO_ACCESS = (401, 403, 404, 405)
"""Statuses that every other request would get too."""


class ModelUnavailableError(Exception):
    """The language model does not answer any request; the message says why and what to do."""


class RequestRefusedError(Exception):
    """The language model gives no usable answer to this one request."""


@dataclass(frozen=True)
class Reply:
    """An answer: its text, whether it is complete, and its tokens (None where the server does not count them).

    ``stored`` if it was there before, so that it cost nothing now.
    """

    text: str
    complete: bool
    model: str
    tokens_in: int | None
    tokens_out: int | None
    stored: bool = False


@dataclass(frozen=True)
class _Response:
    status: int
    retry_after: str
    content: bytes

    @property
    def retry_after_s(self) -> float:
        """Seconds that the server requests to wait; 0 where it does not say so in seconds."""
        value = self.retry_after.strip()
        return float(value) if value.replace(".", "", 1).isdigit() else 0.0


class Replies:
    """Stored answers by the hash of their request, in one SQLite file that several threads use."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, timeout=60)
        self._database.execute("CREATE TABLE IF NOT EXISTS replies (request TEXT PRIMARY KEY, reply TEXT NOT NULL)")

    def get(self, request: str) -> Reply | None:
        """The stored answer, or None."""
        with self._lock:
            row = self._database.execute("SELECT reply FROM replies WHERE request = ?", (request,)).fetchone()
        return Reply(**json.loads(row[0]) | {"stored": True}) if row else None

    def put(self, request: str, reply: Reply) -> None:
        """Store an answer; it is on disk when this returns."""
        with self._lock, self._database:
            self._database.execute("INSERT OR REPLACE INTO replies VALUES (?, ?)", (request, json.dumps(asdict(reply))))

    def close(self) -> None:
        """Close the file."""
        self._database.close()


class LanguageModel:
    """The model of the options.

    Args:
        replies: where answers are stored; a request whose answer is there is not sent.
    """

    def __init__(self, options: RewritingOptions, replies: Replies) -> None:
        assert options.url is not None
        self.options, self.replies = options, replies
        headers = {"Authorization": f"Bearer {options.key.get_secret_value()}"} if options.key else {}
        self._unavailable: ModelUnavailableError | None = None
        self._http = httpx.Client(base_url=options.url.rstrip("/") + "/", headers=headers, timeout=options.timeout_s)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request_hash(self, instruction: str, prompt: str) -> str:
        """Names a request: model, settings, instruction and prompt."""
        options = self.options
        return content_hash((options.model, options.temperature, options.most_tokens, instruction, prompt), digits=64)

    def reply(self, instruction: str, prompt: str) -> Reply:
        """The answer to a prompt.

        Raises:
            ModelUnavailableError: the address refuses every request, or none of the attempts was answered.
            RequestRefusedError: this request has no usable answer.
        """
        request = self.request_hash(instruction, prompt)
        stored = self.replies.get(request)
        if stored is None:
            if self._unavailable is not None:  # other threads need not find out by themselves
                raise self._unavailable
            try:
                stored = self._sent(instruction, prompt)
            except ModelUnavailableError as error:
                self._unavailable = error
                raise
            self.replies.put(request, stored)
        return stored

    def _sent(self, instruction: str, prompt: str) -> Reply:
        options = self.options
        messages = [{"role": "system", "content": instruction}, {"role": "user", "content": prompt}]
        body = {
            "model": options.model,
            "messages": messages,
            "temperature": options.temperature,
            "max_tokens": options.most_tokens,
        }
        reason = ""
        for attempt in range(options.attempts):
            wait_s = options.first_wait_s * 2**attempt
            try:
                response = self._posted(body)
            except (httpx.HTTPError, TimeoutError) as error:
                reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            else:
                if 200 <= response.status < 300:
                    return _reply(response.content, options.model)
                reason = f"status {response.status}: {_message(response.content)}"
                if response.status in _NO_ACCESS:
                    raise ModelUnavailableError(f"{options.url}: {reason}; check HOWTO_REWRITING_URL, _MODEL and _KEY")
                if response.status < 500 and response.status not in _AGAIN:
                    raise RequestRefusedError(reason)
                wait_s = max(wait_s, response.retry_after_s)
            if wait_s > LONGEST_WAIT_S:
                break
            if attempt + 1 < options.attempts:
                time.sleep(wait_s)
        raise ModelUnavailableError(
            f"{options.url}: no answer in {attempt + 1} attempts ({reason}); run again to go on from here"
        )

    def _posted(self, body: dict[str, Any]) -> _Response:
        """The response, complete within the time limit; that of a socket restarts with every byte."""
        end = time.monotonic() + self.options.timeout_s
        with self._http.stream("POST", "chat/completions", json=body) as response:
            content = bytearray()
            for part in response.iter_bytes():
                content += part
                if time.monotonic() > end:
                    raise TimeoutError(f"not complete after {self.options.timeout_s:g} s")
        return _Response(response.status_code, response.headers.get("Retry-After", ""), bytes(content))


def _reply(content: bytes, model: str) -> Reply:
    """The answer in a response.

    Raises:
        RequestRefusedError: the response is not of OpenAI's form, or has no text.
    """
    try:
        document = parse_json(content)
    except ValueError as error:
        raise RequestRefusedError(f"the answer is not JSON ({error})") from error
    try:
        choice = document["choices"][0]
        text, ended = choice["message"]["content"], choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise RequestRefusedError(f"the answer has no choices[0].message.content: {shown(document)}") from error
    if not isinstance(text, str) or not text.strip():
        raise RequestRefusedError(f"the answer has no text (finish_reason {shown(ended)})")
    usage = document.get("usage") or {}
    tokens_in, tokens_out = (_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    answered = document.get("model")
    return Reply(text, ended != "length", answered if isinstance(answered, str) else model, tokens_in, tokens_out)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _message(content: bytes) -> str:
    try:
        error = parse_json(content)["error"]
        return str(error["message"] if isinstance(error, dict) else error)[:200]
    except (ValueError, KeyError, TypeError):
        return content[:200].decode("utf-8", "replace").strip() or "without a message"
