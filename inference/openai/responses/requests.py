"""Read the body of `/v1/responses`: a chat under other names, and what it cannot be.

Nothing is stored: `store` may be sent, and the response says that it was not. What
leans on something stored (an earlier response, a conversation, a prompt of a library)
or goes on without its caller (`background`) is refused, with what to do instead. What
only OpenAI's own service gives a meaning is shown in the response or dropped. Sampling
parameters of the chat surface that the Responses API has no word for keep their names.
"""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inference.openai.hints import hints_of
from inference.openai.limits import integer
from inference.openai.requests import (
    GenerationRequest,
    allowed_of,
    chat_request,
    model_of,
    object_of,
)
from inference.openai.responses.errors import named_as_here
from inference.openai.responses.items import messages_of, text_of
from inference.openai.responses.shape import Outline, ResponsesShape
from inference.openai.responses.tools import chat_tools, response_format, tools_of
from kit.contracts import Surface
from kit.errors import InvalidRequest
from kit.json_values import JsonObject, is_array, is_object

_SAME_IN_A_CHAT = frozenset(
    {
        "chat_template_kwargs",
        "frequency_penalty",
        "min_p",
        "parallel_tool_calls",
        "presence_penalty",
        "repetition_penalty",
        "seed",
        "stop",
        "stream",
        "temperature",
        "top_k",
        "top_p",
    }
)
_TEXTS = ("prompt_cache_key", "safety_identifier", "user")
_READ = frozenset(
    {
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "model",
        "reasoning",
        "stream_options",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        *_TEXTS,
    }
)
_DROPPED = frozenset(
    {
        # What a client tells its own provider of itself, as Codex does.
        "client_metadata",
        "prompt_cache_options",
        "prompt_cache_retention",
        "service_tier",
        "store",
        "truncation",
    }
)
_REFUSED: Mapping[str, str] = {
    "background": "Leave it out, and read the response as it comes.",
    "context_management": "Leave it out, and shorten the input yourself.",
    "conversation": "Nothing is stored here: send the whole conversation in 'input'.",
    "moderation": "Leave it out.",
    "previous_response_id": "Nothing is stored here: send the whole conversation in"
    " 'input', the output of the earlier response included.",
    "prompt": "Nothing is stored here: send the prompt's text in 'input'.",
}
_LOGPROBS = "message.output_text.logprobs"
# The rest of what can be asked to be included belongs to tools that are not here, or is
# what is never hidden.
_INCLUDABLE = frozenset(
    {
        _LOGPROBS,
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "reasoning.encrypted_content",
        "web_search_call.action.sources",
        "web_search_call.results",
    }
)
TOP_LOGPROBS_MAX = 20
METADATA_MAX = 16
_KEY_BYTES = 16


def parse(body: bytes) -> GenerationRequest:
    """Read and check a body; raises `InvalidRequest` with field and remedy."""
    return read(object_of(body), key=secrets.token_hex(_KEY_BYTES))


def read(payload: JsonObject, *, key: str) -> GenerationRequest:
    """Read a request whose response will have ids made of `key`."""
    asked = _allowed(payload)
    model = model_of(asked)
    tools = tools_of(asked.get("tools"))
    reasoning = _reasoning(asked)
    chat: JsonObject = {
        name: asked[name] for name in _SAME_IN_A_CHAT & asked.keys()
    } | {
        "model": model,
        "messages": messages_of(
            asked.get("input"), instructions=asked.get("instructions")
        ),
        "max_completion_tokens": integer(asked, "max_output_tokens", low=1),
        "reasoning_effort": reasoning["effort"],
        "response_format": response_format(asked.get("text")),
        **chat_tools(tools, asked.get("tool_choice")),
        **_logprobs(asked),
    }
    shape = ResponsesShape(
        Outline(key=key, model=model, fields=_shown(asked, tools, reasoning))
    )
    hints = hints_of(payload)
    try:
        request = chat_request(chat, surface=Surface.RESPONSES, shape=shape)
    except InvalidRequest as error:
        raise named_as_here(error) from None
    return replace(request, hints=hints)


def _allowed(payload: JsonObject) -> JsonObject:
    for name, remedy in _REFUSED.items():
        if payload.get(name):
            raise InvalidRequest(
                f"'{name}' is not supported. {remedy}",
                param=name,
                code="unsupported_parameter",
            )
    asked = allowed_of(
        payload, _READ | _SAME_IN_A_CHAT, dropped=_DROPPED | _REFUSED.keys()
    )
    options = asked.get("stream_options", {})
    if not is_object(options) or options.keys() - {"include_obfuscation"}:
        raise InvalidRequest(
            "'stream_options' may hold 'include_obfuscation' only: usage is always in"
            " the last event.",
            param="stream_options",
        )
    return asked


def _logprobs(asked: Mapping[str, Any]) -> JsonObject:
    """Return the fields of a chat that ask for probabilities, if they are wanted."""
    included = asked.get("include", [])
    if not is_array(included):
        raise InvalidRequest("'include' must be a list.", param="include")
    for name in included:
        if not isinstance(name, str) or name not in _INCLUDABLE:
            raise InvalidRequest(
                f"'{str(name)[:100]}' cannot be included.", param="include"
            )
    most = integer(asked, "top_logprobs", low=0, high=TOP_LOGPROBS_MAX)
    if _LOGPROBS not in included:
        return {}
    return {"logprobs": True, "top_logprobs": most or None}


def _reasoning(asked: Mapping[str, Any]) -> JsonObject:
    given = asked.get("reasoning", {})
    if not is_object(given):
        raise InvalidRequest("'reasoning' must be an object.", param="reasoning")
    effort = given.get("effort")
    if effort is not None:
        text_of(effort, "reasoning.effort")
    # Reasoning is shown as it is: nobody here writes a summary.
    return {"effort": effort, "summary": None}


def _shown(
    asked: Mapping[str, Any], tools: list[JsonObject], reasoning: JsonObject
) -> JsonObject:
    """Return what a response repeats of its request, and says of what was not asked.

    Where sampling was left to the model, its defaults are the engine's to know.
    """
    for name in ("temperature", "top_p"):
        if isinstance(value := asked.get(name, 0), bool | str | list | dict):
            raise InvalidRequest(
                f"'{name}' must be a number, not {value!r:.100}.", param=name
            )
    if not isinstance(asked.get("parallel_tool_calls", True), bool):
        raise InvalidRequest(
            "'parallel_tool_calls' must be true or false.", param="parallel_tool_calls"
        )
    text = asked.get("text", {})
    return {
        "background": False,
        "instructions": asked.get("instructions"),
        "max_output_tokens": asked.get("max_output_tokens"),
        "max_tool_calls": integer(asked, "max_tool_calls", low=1),
        "metadata": _metadata(asked),
        "parallel_tool_calls": asked.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "reasoning": reasoning,
        "service_tier": "default",
        "store": False,
        "temperature": asked.get("temperature"),
        "text": {"format": {"type": "text"}, **text},
        "tool_choice": asked.get("tool_choice", "auto"),
        "tools": tools,
        "top_logprobs": asked.get("top_logprobs", 0),
        "top_p": asked.get("top_p"),
        "truncation": "disabled",
        **{
            name: text_of(asked[name], name) if name in asked else None
            for name in _TEXTS
        },
    }


def _metadata(asked: Mapping[str, Any]) -> JsonObject:
    metadata = asked.get("metadata", {})
    if (
        not is_object(metadata)
        or len(metadata) > METADATA_MAX
        or not all(isinstance(value, str) for value in metadata.values())
    ):
        raise InvalidRequest(
            f"'metadata' must be an object of up to {METADATA_MAX} strings.",
            param="metadata",
        )
    return metadata
