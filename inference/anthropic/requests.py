"""Read a body of Anthropic's Messages API into the chat that an engine is asked for.

Fields are allowed by list, as for a chat. What means something only to Anthropic's own
service (caching marks, tiers, a user's id, what it may clear of a long context) is
dropped; what would change the answer and cannot be had is refused.

Thinking is asked for as templates are told to think (`enable_thinking`). Its budget is
checked and goes no further: no engine's chat has such a bound, `max_tokens` holds for
both. Failure: `InvalidRequest`. Pure.
"""

from dataclasses import replace
from typing import Any

from inference.anthropic.fields import list_at, object_at, only, refuse, type_at
from inference.anthropic.shape import MessagesShape
from inference.anthropic.tools import chat_tool_choice, chat_tools
from inference.anthropic.turns import chat_messages
from inference.openai.hints import hints_of
from inference.openai.limits import integer
from inference.openai.requests import (
    GenerationRequest,
    allowed_of,
    chat_request,
    model_of,
    object_of,
)
from kit.contracts import Surface
from kit.json_values import JsonObject

_PROMPT = frozenset(
    {
        "messages",
        "model",
        "output_config",
        "output_format",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    }
)
# Those that a chat has under the same name.
_SAME = ("stream", "temperature", "top_k", "top_p")
_ALLOWED = _PROMPT | {"max_tokens", "stop_sequences", *_SAME}
_DROPPED = frozenset(
    {"cache_control", "context_management", "metadata", "service_tier"}
)
BUDGET_TOKENS_MIN = 1024
# A chat's efforts end at high.
_EFFORTS = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}


def parse(body: bytes) -> GenerationRequest:
    """Read the body of `/v1/messages`."""
    asked = object_of(body)
    hints = hints_of(asked)
    fields = allowed_of(asked, _ALLOWED, dropped=_DROPPED)
    most = integer(fields, "max_tokens", low=1)
    if most is None:
        raise refuse("'max_tokens' is required: the most tokens to say.", "max_tokens")
    payload = _chat(fields)
    if payload["messages"][-1]["role"] == "assistant":
        raise refuse(
            "The last message must not be the assistant's: an answer cannot be begun"
            " for the model here.",
            "messages",
            code="unsupported_prefill",
        )
    budget = object_at(fields.get("thinking", {}), "thinking").get("budget_tokens")
    if budget is not None and budget >= most:
        raise refuse(
            "'thinking.budget_tokens' must be less than 'max_tokens'.",
            "thinking.budget_tokens",
        )
    payload["max_tokens"] = most
    payload |= {name: fields[name] for name in _SAME if name in fields}
    stops = _stops(fields.get("stop_sequences"))
    if stops:
        payload["stop"] = stops
    request = chat_request(
        payload, surface=Surface.MESSAGES, shape=MessagesShape(frozenset(stops))
    )
    return replace(request, hints=hints)


def parse_count(body: bytes) -> GenerationRequest:
    """Read the body of `/v1/messages/count_tokens`: a prompt, and no answer wanted."""
    fields = allowed_of(object_of(body), _PROMPT, dropped=_DROPPED)
    return chat_request(_chat(fields), surface=Surface.MESSAGES)


def _chat(fields: JsonObject) -> dict[str, Any]:
    """Return what of a chat makes its prompt."""
    payload: dict[str, Any] = {
        "model": model_of(fields),
        "messages": chat_messages(fields.get("system"), fields.get("messages")),
    }
    if "tools" in fields:
        payload["tools"] = chat_tools(fields["tools"])
    if "tool_choice" in fields:
        payload |= chat_tool_choice(fields["tool_choice"])
    if "thinking" in fields:
        payload |= _thinking(object_at(fields["thinking"], "thinking"))
    config = object_at(fields.get("output_config", {}), "output_config")
    only(config, {"effort", "format"}, "output_config")
    if (effort := config.get("effort")) is not None:
        if not isinstance(effort, str) or effort not in _EFFORTS:
            raise refuse(
                f"'output_config.effort' must be one of {', '.join(_EFFORTS)}.",
                "output_config.effort",
            )
        payload["reasoning_effort"] = _EFFORTS[effort]
    wanted = config.get("format", fields.get("output_format"))
    if wanted is not None:
        payload["response_format"] = _format(object_at(wanted, "output_config.format"))
    return payload


def _thinking(thinking: JsonObject) -> JsonObject:
    only(thinking, {"type", "budget_tokens", "display"}, "thinking")
    match type_at(thinking, "thinking"):
        case "disabled":
            return {"chat_template_kwargs": {"enable_thinking": False}}
        case "enabled":
            # Checked, though no chat has a place for it.
            budget = integer(thinking, "budget_tokens", low=BUDGET_TOKENS_MIN)
            if budget is None:
                raise refuse(
                    "'thinking.budget_tokens' is required with type 'enabled'.",
                    "thinking.budget_tokens",
                )
        case "adaptive":
            only(thinking, {"type", "display"}, "thinking")
        case _:
            raise refuse(
                "'thinking.type' must be one of adaptive, disabled, enabled.",
                "thinking.type",
            )
    fields: JsonObject = {"chat_template_kwargs": {"enable_thinking": True}}
    if thinking.get("display") == "omitted":
        fields["include_reasoning"] = False
    return fields


def _format(wanted: JsonObject) -> JsonObject:
    where = "output_config.format"
    only(wanted, {"type", "schema"}, where)
    if type_at(wanted, where) != "json_schema":
        raise refuse(f"'{where}.type' must be json_schema.", f"{where}.type")
    schema = object_at(wanted.get("schema"), f"{where}.schema")
    return {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": schema, "strict": True},
    }


def _stops(value: object) -> list[str]:
    if value is None:
        return []
    stops = list_at(value, "stop_sequences")
    if not all(isinstance(stop, str) and stop for stop in stops):
        raise refuse("'stop_sequences' must be a list of texts.", "stop_sequences")
    return stops
