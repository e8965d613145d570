"""Requests of every shape that passes our checks, for properties of all of them."""

import math
from dataclasses import replace
from typing import Any

import orjson
from hypothesis import strategies as st

from inference.openai.requests import GenerationRequest, parse
from kit.contracts import Surface

# Hypothesis draws surrogates too, which are no Unicode text and which JSON refuses.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(
    [
        "",
        " " * 300,
        "\n" * 100,
        '"' * 50,
        "\\" * 50,
        "\x7f" * 50,
        "\x00" * 50,
        "<|im_end|>" * 9,
        "漢字" * 30,
        "👩‍👩‍👧‍👦" * 9,
        "a b " * 60,
    ]
)
# Both ends of what a template may spell out at length.
NUMBERS = st.sampled_from([0, -1, 7, 2**53, 1e15, 1e16, -1e-4, 0.1, math.pi])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(TEXT, inner, max_size=4)
    ),
    max_leaves=12,
)
PARTS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "refusal"])},
        optional={"text": TEXT | JSON, "refusal": TEXT, "cache_control": JSON},
    ),
    max_size=3,
)
CALLS = st.lists(
    st.fixed_dictionaries(
        {"function": st.fixed_dictionaries({"name": TEXT, "arguments": TEXT | JSON})}
    ),
    max_size=2,
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["assistant", "system", "tool", "user"])},
    optional={
        "content": st.none() | TEXT | PARTS,
        "name": TEXT,
        "tool_calls": CALLS | JSON,
        "tool_call_id": TEXT,
    },
)


def deep(levels: int, *, inner: Any = 1) -> Any:
    """Nest a value as deep as asked, in objects and lists by turns."""
    for level in range(levels):
        inner = {"": inner} if level % 2 else [inner, 1]
    return inner


def chat(messages: list[dict[str, Any]], **fields: Any) -> GenerationRequest:
    """Return a chat as the gateway reads it, with fields that it might refuse."""
    body = {"model": "m", "messages": messages}
    request = parse(Surface.CHAT_COMPLETIONS, orjson.dumps(body))
    given = {name: value for name, value in fields.items() if value is not None}
    # As JSON has it: what cannot be written does not get this far.
    read = orjson.loads(orjson.dumps(given))
    return replace(request, payload={**request.payload, **read})


def completion(prompt: Any) -> GenerationRequest:
    """Return a completion request as the gateway reads it."""
    return parse(Surface.COMPLETIONS, orjson.dumps({"model": "m", "prompt": prompt}))


CHATS = st.builds(
    lambda messages, fields: chat(messages, **fields),
    st.lists(MESSAGES, min_size=1, max_size=5),
    st.fixed_dictionaries(
        {},
        optional={
            "tools": st.lists(JSON, max_size=3)
            | JSON
            | st.integers(1, 50).map(lambda levels: [deep(levels)]),
            "chat_template_kwargs": JSON,
            "response_format": JSON,
        },
    ),
)
_IDS = st.lists(st.integers(0, 99), min_size=1, max_size=9)
COMPLETIONS = st.builds(
    completion, TEXT | _IDS | st.lists(TEXT | _IDS, min_size=1, max_size=4)
)
