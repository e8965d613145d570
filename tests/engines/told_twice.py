"""Calls made twice: whole, which the engine counts, and streamed, which it does not.

The same prompt, seed and sampling give the same tokens, so that what a tokenizer counts
of a stream can be held against the engine's own word for the whole answer.

Failure: a call that is refused raises the SDK's error.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from openai import OpenAI
from openai.types import CompletionUsage

Endpoint = Literal["chat", "completions"]

# One sampling writes words as models do; the other draws from all tokens alike, so that
# pieces of words and of characters stand side by side as no text is ever split.
WORDS: dict[str, Any] = {"temperature": 0}
NOISE: dict[str, Any] = {
    "temperature": 1,
    "top_p": 1,
    "extra_body": {"top_k": 0, "min_p": 0},
}
STREAMED: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


@dataclass(frozen=True)
class Question:
    """What is asked, twice."""

    endpoint: Endpoint
    prompt: str
    max_tokens: int
    sampling: Literal["words", "noise"]
    seed: int = 1

    def fields(self) -> dict[str, Any]:
        """Return the request's fields, as the SDK sends them."""
        sampling = WORDS if self.sampling == "words" else NOISE
        text = (
            {"messages": [{"role": "user", "content": self.prompt}]}
            if self.endpoint == "chat"
            else {"prompt": self.prompt}
        )
        return {**text, **sampling, "max_tokens": self.max_tokens, "seed": self.seed}


@dataclass(frozen=True)
class Telling:
    """One of the two answers, as the SDK showed it."""

    request_id: str
    text: str
    finish_reason: str
    usage: CompletionUsage


@dataclass(frozen=True)
class Told:
    """Both answers to a question, and when the stream of it was asked for and ended."""

    question: Question
    whole: Telling
    streamed: Telling
    stream_times: tuple[float, float]

    def is_streaming(self, at: float) -> bool:
        """Tell whether the stream was on its way at this `time.perf_counter`."""
        began_at, ended_at = self.stream_times
        return began_at <= at <= ended_at


def questions(prompts: Sequence[str]) -> list[Question]:
    """Return questions of every prompt, endpoint and sampling, of different lengths."""
    return list(_questions(prompts))


def _questions(prompts: Sequence[str]) -> Iterator[Question]:
    endpoints: tuple[Endpoint, ...] = ("chat", "completions")
    lengths = (1, 7, 40, 400)
    for number, prompt in enumerate(prompts):
        for endpoint in endpoints:
            yield Question(endpoint, prompt, lengths[number % 4], "words", seed=number)
            yield Question(endpoint, prompt, 100, "noise", seed=number)


def ask_twice(client: OpenAI, *, model: str, question: Question) -> Told:
    """Ask for the whole answer, then for the stream of it."""
    asked = {"model": model, **question.fields()}
    endpoint: Any = (
        client.chat.completions if question.endpoint == "chat" else client.completions
    )
    answer = endpoint.with_raw_response.create(**asked)
    whole = _told(answer.headers, [answer.parse()])
    began_at = time.perf_counter()
    streamed = _read(endpoint.create(**asked, **STREAMED))
    return Told(question, whole, streamed, (began_at, time.perf_counter()))


def _read(stream: Any) -> Telling:
    """Read a stream of either endpoint to its end."""
    return _told(stream.response.headers, list(stream))


def _told(headers: Mapping[str, str], parts: Sequence[Any]) -> Telling:
    """Put an answer together; a whole one is a stream of one part."""
    choices = [choice for part in parts for choice in part.choices]
    [usage] = [part.usage for part in parts if part.usage is not None]
    [reason] = [choice.finish_reason for choice in choices if choice.finish_reason]
    return Telling(
        request_id=headers["x-request-id"],
        text="".join(_text(choice) for choice in choices),
        finish_reason=reason,
        usage=usage,
    )


def _text(choice: Any) -> str:
    for name in ("delta", "message"):
        if said := getattr(choice, name, None):
            return said.content or ""
    return str(choice.text)
