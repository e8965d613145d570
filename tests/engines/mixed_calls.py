"""A hundred different calls, as clients of the openai SDK make them, and what they saw.

Shapes and prompts cycle with periods that share no factor, so that every shape meets
every prompt. An `Outcome` holds only what the SDK showed the caller: a stream that did
not ask for usage saw none.

Failure: a call that is refused raises the SDK's error; a stream that shows what was not
asked for, or hides what was, raises `AssertionError`.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal

from openai import OpenAI, omit
from openai.types import Completion, CompletionUsage
from openai.types.chat import ChatCompletionChunk, ChatCompletionUserMessageParam

Endpoint = Literal["chat", "completions"]

PROMPTS = (
    "Hello.",
    "What does one token cost today, and what will it cost next year?",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "いろはにほへと ちりぬるを 天地玄黃 宇宙洪荒",
    "👩‍👩‍👧‍👦 🏳️‍🌈 family and flag: joiners, selectors, surrogates",
    "مرحبا بالعالم — שלום עולם — Καλημέρα κόσμε",
    'tabs\tand\nlines\r\nand "quotes" and back\\slashes and \u0000 and \u2028',
    "e\u0301 is not \u00e9, and Z\u0351\u036b\u0343a\u0335l\u0328go stays whole",
    "word " * 200,
    " ",
    "a",
)
MAX_TOKENS = (1, 2, 5, 16, 33, 48, 64)
AT_ONCE = 8


@dataclass(frozen=True)
class Shape:
    """How a call asks; `usage_asked` has a meaning for streams alone."""

    endpoint: Endpoint
    streamed: bool = False
    usage_asked: bool = False
    choices: int = 1


SHAPES = (
    Shape("chat", streamed=True, usage_asked=True),
    Shape("chat"),
    Shape("chat", streamed=True),
    Shape("chat", choices=2),
    Shape("completions"),
    Shape("chat", streamed=True, usage_asked=True, choices=2),
    Shape("completions", streamed=True, usage_asked=True),
    Shape("completions", streamed=True),
    Shape("completions", choices=2),
)


@dataclass(frozen=True)
class Call:
    """One call to make."""

    shape: Shape
    prompt: str
    max_tokens: int

    @property
    def messages(self) -> list[ChatCompletionUserMessageParam]:
        """The prompt as a conversation of one turn."""
        return [{"role": "user", "content": self.prompt}]


@dataclass(frozen=True)
class Usage:
    """Token counts, of one call or of many; cached tokens are prompt tokens too."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt_tokens=self.prompt_tokens - other.prompt_tokens,
            cached_tokens=self.cached_tokens - other.cached_tokens,
            output_tokens=self.output_tokens - other.output_tokens,
        )


@dataclass(frozen=True)
class Outcome:
    """What the caller saw: usage, where there was any, and why each choice ended."""

    call: Call
    usage: Usage | None
    finish_reasons: tuple[str, ...]


def mixed_calls(count: int) -> list[Call]:
    """Return `count` calls of every kind, the same ones every time."""
    asked = zip(cycle(SHAPES), cycle(PROMPTS), cycle(MAX_TOKENS), strict=False)
    return [Call(*parts) for parts in islice(asked, count)]


def perform_all(client: OpenAI, *, model: str, calls: Sequence[Call]) -> list[Outcome]:
    """Make `calls`, several at once, each read to its end; outcomes in their order."""
    with ThreadPoolExecutor(AT_ONCE) as workers:
        return list(workers.map(lambda call: perform(client, model, call), calls))


def perform(client: OpenAI, model: str, call: Call) -> Outcome:
    """Make one call and read the answer to its end."""
    if call.shape.endpoint == "chat":
        make = _chat_streamed if call.shape.streamed else _chat
    else:
        make = _completion_streamed if call.shape.streamed else _completion
    return make(client, model, call)


def _chat(client: OpenAI, model: str, call: Call) -> Outcome:
    answer = client.chat.completions.create(
        model=model,
        messages=call.messages,
        max_tokens=call.max_tokens,
        n=call.shape.choices,
    )
    reasons = tuple(choice.finish_reason for choice in answer.choices)
    return Outcome(call, usage=_usage(answer.usage), finish_reasons=reasons)


def _chat_streamed(client: OpenAI, model: str, call: Call) -> Outcome:
    stream = client.chat.completions.create(
        model=model,
        messages=call.messages,
        max_completion_tokens=call.max_tokens,
        n=call.shape.choices,
        stream=True,
        stream_options={"include_usage": True} if call.shape.usage_asked else omit,
    )
    return _read(call, stream)


def _completion(client: OpenAI, model: str, call: Call) -> Outcome:
    answer = client.completions.create(
        model=model,
        prompt=call.prompt,
        max_tokens=call.max_tokens,
        n=call.shape.choices,
    )
    reasons = tuple(choice.finish_reason for choice in answer.choices)
    return Outcome(call, usage=_usage(answer.usage), finish_reasons=reasons)


def _completion_streamed(client: OpenAI, model: str, call: Call) -> Outcome:
    stream = client.completions.create(
        model=model,
        prompt=call.prompt,
        max_tokens=call.max_tokens,
        n=call.shape.choices,
        stream=True,
        stream_options={"include_usage": True} if call.shape.usage_asked else omit,
    )
    return _read(call, stream)


def _read(call: Call, stream: Iterable[ChatCompletionChunk | Completion]) -> Outcome:
    """Read a stream to its end; usage comes once, last, and only where it was asked."""
    reasons: dict[int, str] = {}
    usage: Usage | None = None
    for chunk in stream:
        assert usage is None, "a chunk came after the usage"
        if not chunk.choices:
            usage = _usage(chunk.usage)
            continue
        assert chunk.usage is None, "usage in a chunk that carries text"
        for choice in chunk.choices:
            if choice.finish_reason is not None:
                reasons[choice.index] = choice.finish_reason
    shown = usage is not None
    assert shown is call.shape.usage_asked, f"usage shown: {shown}, for {call}"
    return Outcome(call, usage=usage, finish_reasons=tuple(reasons.values()))


def _usage(reported: CompletionUsage | None) -> Usage:
    assert reported is not None, "the answer has no usage"
    assert reported.total_tokens == reported.prompt_tokens + reported.completion_tokens
    details = reported.prompt_tokens_details
    return Usage(
        prompt_tokens=reported.prompt_tokens,
        cached_tokens=(details.cached_tokens or 0) if details else 0,
        output_tokens=reported.completion_tokens,
    )
