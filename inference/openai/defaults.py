"""What a served model may be given for requests that do not say it themselves.

Only what steers how a model samples and how its prompt is rendered: neither what is
asked for nor how it is answered. A default is checked when it is set, as a request
with it would be, and for what engines would refuse in every request.

Failure: `InvalidRequest` with the field's name. Pure.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from inference.openai.requests import parse
from inference.openai.tasks import Task
from kit.contracts import Surface
from kit.errors import InvalidRequest
from kit.json_values import is_array, is_object

_STOPS_MAX = 16


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_integer(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**63


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_list_of(is_one: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def is_list(value: Any) -> bool:
        return (
            is_array(value) and 0 < len(value) <= _STOPS_MAX and all(map(is_one, value))
        )

    return is_list


def _is_stop(value: Any) -> bool:
    return _is_text(value) or _is_list_of(_is_text)(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


# What each may be, and in which words that is asked for.
_SAMPLING: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "frequency_penalty": (_is_number, "a number"),
    "min_p": (_is_number, "a number"),
    "presence_penalty": (_is_number, "a number"),
    "repetition_penalty": (_is_number, "a number"),
    "seed": (_is_integer, "an integer"),
    "skip_special_tokens": (_is_flag, "true or false"),
    "stop": (_is_stop, f"text, or a list of up to {_STOPS_MAX} texts"),
    "stop_token_ids": (
        _is_list_of(_is_integer),
        f"a list of up to {_STOPS_MAX} integers",
    ),
    "temperature": (_is_number, "a number"),
    "top_k": (_is_integer, "an integer"),
    "top_p": (_is_number, "a number"),
}
_OF_CHATS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "chat_template_kwargs": (is_object, "an object"),
    "include_reasoning": (_is_flag, "true or false"),
    "reasoning_effort": (_is_text, "text"),
}
ALLOWED = {**_SAMPLING, **_OF_CHATS}


def check_defaults(values: Any) -> None:
    """Refuse what no request may say, or none may say so."""
    if not is_object(values):
        raise InvalidRequest("The defaults must be an object.", param="defaults")
    for name, value in values.items():
        if name not in ALLOWED:
            raise InvalidRequest(
                f"There is no default for '{name[:100]}'; there are:"
                f" {', '.join(sorted(ALLOWED))}.",
                param="defaults",
            )
        fits, wanted = ALLOWED[name]
        if not fits(value):
            raise InvalidRequest(
                f"The default of '{name}' must be {wanted}.", param="defaults"
            )
    asked = {"model": "any", "messages": [{"role": "user", "content": "any"}]}
    parse(Surface.CHAT_COMPLETIONS, orjson.dumps({**asked, **values}))


def defaults_for(task: Task, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return those of the defaults that a task knows."""
    if task is Task.CHAT:
        return values
    if task is Task.COMPLETION:
        return {name: value for name, value in values.items() if name in _SAMPLING}
    return {}
