"""What a served model makes of a request: lengths, defaults, and what it forbids.

Looked at before anything is admitted, so that what is held, counted and sent is one
request. Of a model without rules nothing is touched. Failure: `InvalidRequest` that
names the field, or `ModelRetired`. Pure.
"""

import datetime as dt
from dataclasses import replace
from typing import Any

from inference.openai.requests import GenerationRequest
from inference.openai.tasks import Task
from inference.routing.model_rules import ModelRules
from inference.routing.snapshot import ModelEntry, Snapshot
from kit.errors import InvalidRequest, ModelRetired
from kit.json_values import is_object

# What a completion may say by default, in the API as in vLLM.
COMPLETION_TOKENS = 16
# Of these a request may say a part, and the rest holds as it is by default.
_MERGED = "chat_template_kwargs"


def require_served(model: ModelEntry, snapshot: Snapshot, *, now_us: int) -> None:
    """Raise `ModelRetired`, with what to call instead, once a model has retired."""
    if model.retires_at_us is None or not model.is_retired(now_us):
        return
    on = dt.datetime.fromtimestamp(model.retires_at_us // 1_000_000, dt.UTC)
    successor = snapshot.successor_of(model, now_us=now_us)
    raise ModelRetired(model.name, on=f"{on:%Y-%m-%d}", successor=successor)


def as_served(request: GenerationRequest, model: ModelEntry) -> GenerationRequest:
    """Return the request as the served model takes it, under its own name."""
    if request.model != model.name:
        request = replace(request, model=model.name)
    if model.rules is None:
        return request
    _check(request, model.name, model.rules)
    return _with_defaults(request, model.rules)


def output_tokens_max(request: GenerationRequest, model: ModelEntry) -> int | None:
    """Return the bound to send to the engine; raises when more was asked for."""
    asked, allowed = request.output_tokens_max, model.max_output_tokens
    if asked is not None and allowed is not None and asked > allowed:
        raise InvalidRequest(
            f"'max_tokens' may be at most {allowed:,} for the model '{model.name}'.",
            param="max_tokens",
            code="invalid_value",
        )
    if asked is not None or not request.task.generates:
        return asked
    if request.task is Task.CHAT:
        return allowed
    # Said to every engine, for some of them go on until their context is full.
    return min(COMPLETION_TOKENS, allowed or COMPLETION_TOKENS)


def _check(request: GenerationRequest, name: str, rules: ModelRules) -> None:
    most, payload = rules.choices_max, request.payload
    if most is not None and request.choices > most * request.prompts:
        raise InvalidRequest(
            f"'n' may be at most {most} for the model '{name}'.",
            param="n",
            code="invalid_value",
        )
    if not rules.allows_tools and payload.get("tools"):
        raise InvalidRequest(
            f"The model '{name}' takes no tools. Leave 'tools' out.",
            param="tools",
            code="unsupported_parameter",
        )


def _with_defaults(request: GenerationRequest, rules: ModelRules) -> GenerationRequest:
    defaults, said = rules.defaults[request.task], request.payload
    if not defaults:
        return request
    payload: dict[str, Any] = {**defaults, **said}
    asked = said.get(_MERGED)
    if _MERGED in defaults and is_object(asked):
        payload[_MERGED] = {**defaults[_MERGED], **asked}
    return replace(request, payload=payload)
