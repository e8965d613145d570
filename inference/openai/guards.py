"""How large optional fields may be: what an engine compiles, renders or looks through.

A schema becomes a grammar, a template's argument is read by the template, a list is
looked through for every token: engines bound none of it. Only fields that are there
cost anything. Failure: `InvalidRequest` with the field and the bound.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from kit.errors import InvalidRequest
from kit.json_values import is_array, is_object

TOOLS_MAX = 128
STOPS_MAX = 16
STOP_CHARS_MAX = 256
STOP_TOKENS_MAX = 128
BIASES_MAX = 1024
# Of one tool's schema, or of the format of an answer, written out.
SCHEMA_BYTES_MAX = 64 * 1024
SCHEMA_DEPTH_MAX = 32
TEMPLATE_ARGUMENTS_MAX = 16
TEMPLATE_TEXT_CHARS_MAX = 256
_TEMPLATE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
# These are no arguments of a template: engines hand them to what renders it, where they
# exchange the template itself or what becomes of its text.
_RENDERING = frozenset(
    {
        "add_generation_prompt",
        "chat_template",
        "continue_final_message",
        "conversation",
        "documents",
        "max_length",
        "messages",
        "padding",
        "return_assistant_tokens_mask",
        "return_dict",
        "return_tensors",
        "tokenize",
        "tokenizer_kwargs",
        "tools",
        "truncation",
    }
)


def check_options(payload: Mapping[str, Any]) -> None:
    """Check the size of each optional field that is there."""
    for name, check in _CHECKS.items():
        if name in payload:
            check(payload[name], name)


def _check_tools(tools: Any, name: str) -> None:
    if not is_array(tools):
        raise _not(name, "a list")
    if len(tools) > TOOLS_MAX:
        raise InvalidRequest(f"'{name}' holds more than {TOOLS_MAX}.", param=name)
    for position, tool in enumerate(tools):
        _check_schema(tool, f"{name}[{position}]")


def _check_schema(schema: Any, name: str) -> None:
    """Bound what may be a schema, however it is written."""
    if len(orjson.dumps(schema)) > SCHEMA_BYTES_MAX:
        raise InvalidRequest(
            f"'{name}' is larger than {SCHEMA_BYTES_MAX:,} bytes.", param=name
        )
    if _nests_deeper(schema, SCHEMA_DEPTH_MAX):
        raise InvalidRequest(
            f"'{name}' nests deeper than {SCHEMA_DEPTH_MAX} levels.", param=name
        )


def _nests_deeper(value: Any, depth_max: int) -> bool:
    level = [value]
    for _ in range(depth_max + 1):
        below: list[Any] = []
        for each in level:
            if is_object(each):
                below.extend(each.values())
            elif is_array(each):
                below.extend(each)
        if not below:
            return False
        level = below
    return True


def _check_stop(stop: Any, name: str) -> None:
    stops = [stop] if isinstance(stop, str) else stop
    if not is_array(stops) or not all(isinstance(each, str) for each in stops):
        raise _not(name, "text or a list of texts")
    if len(stops) > STOPS_MAX:
        raise InvalidRequest(f"'{name}' holds more than {STOPS_MAX}.", param=name)
    if any(len(each) > STOP_CHARS_MAX for each in stops):
        raise InvalidRequest(
            f"'{name}' holds a text of over {STOP_CHARS_MAX} characters.", param=name
        )


def _check_stop_tokens(tokens: Any, name: str) -> None:
    if not is_array(tokens) or not all(type(each) is int for each in tokens):
        raise _not(name, "a list of token ids")
    if len(tokens) > STOP_TOKENS_MAX:
        raise InvalidRequest(f"'{name}' holds more than {STOP_TOKENS_MAX}.", param=name)


def _check_biases(biases: Any, name: str) -> None:
    if not is_object(biases):
        raise _not(name, "an object")
    if len(biases) > BIASES_MAX:
        raise InvalidRequest(f"'{name}' holds more than {BIASES_MAX:,}.", param=name)
    if not all(type(bias) in (int, float) for bias in biases.values()):
        raise _not(name, "an object of numbers")


def _check_template_arguments(arguments: Any, name: str) -> None:
    if not is_object(arguments):
        raise _not(name, "an object")
    if len(arguments) > TEMPLATE_ARGUMENTS_MAX:
        raise InvalidRequest(
            f"'{name}' holds more than {TEMPLATE_ARGUMENTS_MAX}.", param=name
        )
    for key, value in arguments.items():
        param = f"{name}.{key}"[:100]
        if key in _RENDERING or not _TEMPLATE_NAME.match(key):
            raise InvalidRequest(
                f"The parameter '{param}' is not supported here. Remove it.",
                param=param,
                code="unsupported_parameter",
            )
        if not _is_plain(value):
            raise InvalidRequest(
                f"'{param}' must be true, false, a number or a short text.",
                param=param,
            )


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= TEMPLATE_TEXT_CHARS_MAX
    return value is None or isinstance(value, bool | int | float)


def _not(name: str, kind: str) -> InvalidRequest:
    return InvalidRequest(f"'{name}' must be {kind}.", param=name)


_CHECKS: Mapping[str, Callable[[Any, str], None]] = {
    "chat_template_kwargs": _check_template_arguments,
    "logit_bias": _check_biases,
    "response_format": _check_schema,
    "stop": _check_stop,
    "stop_token_ids": _check_stop_tokens,
    "structured_outputs": _check_schema,
    "tools": _check_tools,
}
