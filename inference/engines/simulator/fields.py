"""Read the fields of a request body: its JSON, and those that several requests share.

Failure: whatever does not fit is a `Refusal` in vLLM's words. Pure.
"""

import json
from typing import Any, TypeGuard

import orjson

from inference.engines.simulator import errors
from inference.engines.simulator.settings import Behaviour
from kit.json_values import is_array, is_object


def parse_json(body: bytes) -> dict[str, Any]:
    """Return the object in `body`; refuses anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _parse_leniently(body)
    if not is_object(value):
        raise errors.invalid_field(
            "model_attributes_type",
            where="body",
            message="Input should be a valid dictionary or object "
            "to extract fields from",
            value=value,
        )
    return value


def conversation(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of a chat body."""
    if "messages" not in fields:
        raise errors.invalid_field(
            "missing", where="body.messages", message="Field required", value=fields
        )
    messages = fields["messages"]
    if not is_array(messages):
        raise wrong_type("list", "list", where="body.messages", value=messages)
    for position, message in enumerate(messages):
        if not is_object(message):
            where = f"body.messages.{position}"
            raise wrong_type("dict", "dictionary", where=where, value=message)
    return messages


def check_model(fields: dict[str, Any], *, behaviour: Behaviour) -> None:
    """Refuse a model that is not served; a request without one means the served one."""
    name = fields.get("model")
    if name is None or name == behaviour.model:
        return
    if not isinstance(name, str):
        raise wrong_type("string", "string", where="body.model", value=name)
    raise errors.unknown_model(name, served=behaviour.model)


def is_integer(value: object) -> TypeGuard[int]:
    """Tell a count from everything else, JSON's true included."""
    return type(value) is int


def wrong_type(kind: str, noun: str, *, where: str, value: object) -> errors.Refusal:
    """Return the refusal of a field that should have been a `noun`."""
    return errors.invalid_field(
        f"{kind}_type",
        where=where,
        message=f"Input should be a valid {noun}",
        value=value,
    )


def _parse_leniently(body: bytes) -> Any:
    # vLLM reads with the standard library: it takes more (NaN, lone surrogates) than
    # the fast parser, and its position and reason are what a refusal quotes.
    try:
        return json.loads(body)
    except json.JSONDecodeError as broken:
        position, reason = broken.pos, broken.msg
    except (UnicodeDecodeError, RecursionError):
        position, reason = 0, "Expecting value"
    raise errors.invalid_field(
        "json_invalid",
        where=f"body.{position}",
        message="JSON decode error",
        value={},
        context=reason,
    )
