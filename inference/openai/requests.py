"""Read a request body: parse once, allow known fields, check what we rely on.

Fields are allowed by list. A field that steers the engine past its tenant is refused,
one that means something only to OpenAI's own service is dropped, an unknown one is
named in the error. What is forwarded is written anew from the parsed body, so that the
engine cannot read a duplicated or malformed field differently from the meter.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from inference.openai.guards import check_options
from inference.openai.hints import NO_HINTS, Hints, hints_of
from inference.openai.limits import (
    check_depth,
    check_messages,
    integer,
    prompts_of,
    split_prompt,
)
from inference.openai.media import NO_MEDIA, Media
from inference.openai.shapes import PLAIN, Shape
from inference.openai.tasks import Task
from kit.contracts import Surface
from kit.errors import InvalidRequest
from kit.json_values import is_object
from kit.records import record

_SAMPLING = frozenset(
    {
        "frequency_penalty",
        # For measurements: an answer as long as was asked for, and paid for.
        "ignore_eos",
        "include_stop_str_in_output",
        "logit_bias",
        "max_tokens",
        "min_p",
        "model",
        "n",
        "presence_penalty",
        "repetition_penalty",
        "response_format",
        "seed",
        "skip_special_tokens",
        "spaces_between_special_tokens",
        "stop",
        "stop_token_ids",
        "stream",
        "stream_options",
        "structured_outputs",
        "temperature",
        "top_k",
        "top_p",
    }
)
_CHAT = _SAMPLING | {
    "chat_template_kwargs",
    "include_reasoning",
    "logprobs",
    "max_completion_tokens",
    "messages",
    "parallel_tool_calls",
    "reasoning_effort",
    "tool_choice",
    "tools",
    "top_logprobs",
}
_COMPLETION = _SAMPLING | {"logprobs", "prompt", "suffix"}
# They name things of OpenAI's own service; SDKs and frameworks send them everywhere.
_DROPPED = frozenset(
    {
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        "verbosity",
    }
)
CHOICES_MAX = 16


@record(frozen=True, slots=True)
class GenerationRequest:
    """A checked request: what we need to know of it, and the body to forward.

    `payload` is what an engine of the OpenAI API is sent for the task, whatever surface
    the request came through; `shape` turns what comes back into that surface's form.
    `known_tokens` and `texts` are the prompts of all tasks but chat: those that are
    token ids, and those that are to be counted. `media` is what of a chat is no text,
    `hints` what is said of how to serve it.
    """

    surface: Surface
    task: Task
    model: str
    stream: bool
    prompts: int
    choices: int
    output_tokens_max: int | None
    include_usage: bool
    continuous_usage: bool
    payload: dict[str, Any]
    known_tokens: int = 0
    texts: tuple[str, ...] = ()
    shape: Shape = PLAIN
    media: Media = NO_MEDIA
    hints: Hints = NO_HINTS


def parse(surface: Surface, body: bytes) -> GenerationRequest:
    """Read and check a body; raises `InvalidRequest` with field and remedy."""
    payload = object_of(body)
    if surface is Surface.COMPLETIONS:
        return completion_request(payload)
    return chat_request(payload, surface=surface)


def chat_request(
    payload: dict[str, Any], *, surface: Surface, shape: Shape = PLAIN
) -> GenerationRequest:
    """Check a chat, as a client sent it or as a surface of another form made it."""
    hints = hints_of(payload)
    payload = allowed_of(payload, _CHAT, dropped=_DROPPED)
    model = model_of(payload)
    media = check_messages(payload.get("messages"))
    request = _generation(
        payload, surface=surface, task=Task.CHAT, model=model, prompts=1, shape=shape
    )
    if media or hints is not NO_HINTS:
        return replace(request, media=media, hints=hints)
    return request


def completion_request(payload: dict[str, Any]) -> GenerationRequest:
    """Check a completion as a client sent it."""
    hints = hints_of(payload)
    payload = allowed_of(payload, _COMPLETION, dropped=_DROPPED)
    model = model_of(payload)
    prompts = prompts_of(payload.get("prompt"))
    known, texts = split_prompt(payload["prompt"])
    request = _generation(
        payload,
        surface=Surface.COMPLETIONS,
        task=Task.COMPLETION,
        model=model,
        prompts=prompts,
    )
    return replace(request, known_tokens=known, texts=tuple(texts), hints=hints)


def _generation(
    payload: dict[str, Any],
    *,
    surface: Surface,
    task: Task,
    model: str,
    prompts: int,
    shape: Shape = PLAIN,
) -> GenerationRequest:
    check_options(payload)
    choices = prompts * (integer(payload, "n", low=1, high=CHOICES_MAX) or 1)
    stream, include_usage, continuous_usage = _stream_options(payload)
    return GenerationRequest(
        surface=surface,
        task=task,
        model=model,
        stream=stream,
        prompts=prompts,
        choices=choices,
        output_tokens_max=_output_tokens_max(payload),
        include_usage=include_usage,
        continuous_usage=continuous_usage,
        payload=payload,
        shape=shape,
    )


def allowed_of(
    payload: dict[str, Any],
    allowed: frozenset[str],
    *,
    dropped: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """Return the fields that say something; raises for one that is not allowed.

    A null means the default: else each check would have to allow for it.
    """
    if unknown := payload.keys() - allowed - dropped:
        name = min(unknown)
        raise InvalidRequest(
            f"The parameter '{name[:100]}' is not supported here. Remove it.",
            param=name[:100],
            code="unsupported_parameter",
        )
    return {
        name: value
        for name, value in payload.items()
        if value is not None and name not in dropped
    }


def model_of(payload: Mapping[str, Any]) -> str:
    """Return the name of the model that was asked for."""
    model = payload.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidRequest("Name the model as a string in 'model'.", param="model")
    return model


def object_of(body: bytes) -> dict[str, Any]:
    """Read a body that must be a JSON object, within the limits of depth and size."""
    check_depth(body)
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(
            f"The body is not valid JSON: {error.msg} at byte {error.pos}."
        ) from None
    if not is_object(payload):
        raise InvalidRequest("The body must be a JSON object.")
    return payload


def _output_tokens_max(payload: dict[str, Any]) -> int | None:
    """Return the most output tokens per choice that were asked for, in one field."""
    newer = integer(payload, "max_completion_tokens", low=1)
    older = integer(payload, "max_tokens", low=1)
    if newer is not None and older is not None and newer != older:
        raise InvalidRequest(
            "'max_tokens' and 'max_completion_tokens' differ. Send only the second.",
            param="max_tokens",
        )
    payload.pop("max_completion_tokens", None)
    payload.pop("max_tokens", None)
    return newer if newer is not None else older


def _stream_options(payload: dict[str, Any]) -> tuple[bool, bool, bool]:
    """Return whether to stream, to report usage, and to report it in every chunk."""
    stream = _flag(payload, "stream", "stream")
    options = payload.pop("stream_options", None)
    if options is None:
        return stream, False, False
    if not stream:
        raise InvalidRequest(
            "'stream_options' is for streams: set 'stream' to true or leave it out.",
            param="stream_options",
        )
    if not is_object(options):
        raise InvalidRequest(
            "'stream_options' must be an object.", param="stream_options"
        )
    known = {"include_usage", "continuous_usage_stats", "include_obfuscation"}
    if unknown := options.keys() - known:
        name = f"stream_options.{min(unknown)}"[:100]
        raise InvalidRequest(
            f"The option '{name}' is not supported.",
            param=name,
            code="unsupported_parameter",
        )
    include = _flag(options, "include_usage", "stream_options.include_usage")
    continuous = _flag(
        options, "continuous_usage_stats", "stream_options.continuous_usage_stats"
    )
    return stream, include, include and continuous


def _flag(values: Mapping[str, Any], name: str, param: str) -> bool:
    value = values.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidRequest(f"'{param}' must be true or false.", param=param)
    return value
