"""The fixed set of prompts that a model's engines are asked to count.

Most come in pairs of one family, a short and a long one of the same shape, so that what
grows with the measure is told from what is always there. The texts are those that
tokenizers are worst at: what they have no words for falls apart into bytes.

Left out on purpose: the few dozen letters that a normalising tokenizer takes apart into
several (U+1D160, U+FDFA). Factors that bound a text of nothing but these would be
thrice what any other text needs. Pure; the same in every run.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from inference.openai.guards import SCHEMA_DEPTH_MAX
from inference.openai.requests import GenerationRequest, parse
from kit.contracts import Surface

SHORT_BYTES = 64
LONG_BYTES = 1024
MANY = 24
# As deep as a tool may be: five levels are its own, and each field's object is two.
_LEVELS_MAX = (SCHEMA_DEPTH_MAX - 5) // 2
_SEED = 20_261_121


@dataclass(frozen=True, slots=True)
class Probe:
    """One prompt to be counted; two of one family differ in size alone."""

    family: str
    request: GenerationRequest


def probes() -> tuple[Probe, ...]:
    """Return the whole set, the same every time."""
    return (*_texts(), *_chats(), *_tools())


def _random(characters: str) -> str:
    drawn = random.Random(_SEED)  # noqa: S311 - to be the same is what it is for
    return "".join(drawn.choice(characters) for _ in range(LONG_BYTES))


_LATIN = "".join(map(chr, range(0xA1, 0x100)))
# No tokenizer has words of these: cuneiform, private use, unassigned.
_RARE = "".join(map(chr, (*range(0x12000, 0x12100), *range(0xE000, 0xE040), 0x50000)))
_KINDS: Mapping[str, str] = {
    "prose": "The quick brown fox, it is said, jumped over a lazy dog's tail. ",
    "code": "def f(x: int) -> str:\n    if x >= 0x1F:\n\t\treturn f'{x!r}'\n\n",
    "digits": "3.14159265358979323846264338327950288419716939937510 ",
    "number": _random("0123456789"),
    "letters apart": "q x j z k v w y b p ",
    "random letters": _random("bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZ"),
    "base64": _random("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0189+/="),
    "punctuation": "!?;:,.-_/|(){}[]<>*&^%$#@~`'+=",
    "quotes": '"\\"\\\\',
    "spaces": " ",
    "blank lines": "\n\t \r\n   \n",
    "controls": "\x01\x1b\x07\x1f",
    "deletes": "\x7f",
    "one letter": "a",
    "chinese": "天地玄黃宇宙洪荒日月盈昃辰宿列張",
    "korean": "다람쥐 헌 쳇바퀴에 타고파 ",
    "cyrillic": "Съешь ещё этих мягких французских булок, да выпей чаю. ",
    "hindi": "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा ",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈🇨🇭🤷🏽‍♀️",
    "combining": "e\u0301\u0323a\u0308\u0304o\u0302\u031b",
    "random bytes": _random(_LATIN),
    "rare letters": _random(_RARE),
    "special tokens": "<|im_start|><|endoftext|></s><s>[INST]<unk><|eot_id|>",
}

# Enough to see what a template makes of text within structure.
_DESCRIPTIONS = (
    *("prose", "code", "number", "quotes", "controls", "deletes", "chinese"),
    *("cyrillic", "emoji", "random bytes", "rare letters"),
)


def _sized(kind: str, size: int) -> str:
    """Return a text of a kind, of about so many bytes and cut in no character."""
    unit = _KINDS[kind]
    text = unit * (size // len(unit.encode()) + 1)
    return text.encode()[:size].decode(errors="ignore")


def _texts() -> Iterator[Probe]:
    yield Probe("text: empty", _completion(""))
    yield Probe("text: a letter", _completion("a"))
    for kind in _KINDS:
        for size in (SHORT_BYTES, LONG_BYTES):
            yield Probe(f"text: {kind}", _completion(_sized(kind, size)))


def _chats() -> Iterator[Probe]:
    for kind in _KINDS:
        for size in (SHORT_BYTES, LONG_BYTES):
            yield Probe(f"chat: {kind}", _chat(_user(_sized(kind, size))))
    system = {"role": "system", "content": "Be brief."}
    reply = {"role": "assistant", "content": "ok"}
    parts = [{"type": "text", "text": "hi"}]
    yield Probe("chat: empty", _chat(_user("")))
    yield Probe("chat: system", _chat(system, _user("hi")))
    yield Probe("chat: answered", _chat(_user("hi"), reply))
    yield Probe("chat: named", _chat({**_user("hi"), "name": "Ada"}))
    for count in (1, MANY):
        turns = [_user("hi"), reply] * (count - 1)
        yield Probe("chat: messages", _chat(*turns, _user("hi")))
        yield Probe("chat: parts", _chat({"role": "user", "content": parts * count}))


def _tools() -> Iterator[Probe]:
    hello = _user("hi")
    yield Probe("tools: none asked", _chat(hello, tools=[_tool("f")]))
    for kind in _DESCRIPTIONS:
        for size in (SHORT_BYTES, LONG_BYTES):
            tool = _tool("f", description=_sized(kind, size))
            yield Probe(f"tools: {kind}", _chat(hello, tools=[tool]))
    for count in (1, MANY):
        many = [_tool(f"look_up_{number}") for number in range(count)]
        yield Probe("tools: many", _chat(hello, tools=many))
        for shape, schema in _schemas(count).items():
            tool = _tool("f", parameters=schema)
            yield Probe(f"tools: {shape}", _chat(hello, tools=[tool]))
        yield Probe("tools: calls", _chat(hello, *_called(count, "{}"), hello))
        arguments = orjson.dumps({"query": ["Zürich", 1e15] * count}).decode()
        called = _called(1, arguments)
        yield Probe("tools: arguments", _chat(hello, *called, hello))


def _schemas(count: int) -> Mapping[str, dict[str, Any]]:
    """Return schemas of several shapes, each with so much in it."""
    names = [f"field_{number}" for number in range(count)]
    text = {"type": "string", "description": "What it is called."}
    deep: dict[str, Any] = {"type": "string"}
    for name in names[:_LEVELS_MAX]:
        deep = {"type": "object", "properties": {name: deep}}
    return {
        "fields": {"type": "object", "properties": dict.fromkeys(names, text)},
        "bare fields": {"type": "object", "properties": {name: {} for name in names}},
        "words": {"type": "object", "properties": {"of": {"enum": names}}},
        "numbers": {"type": "object", "properties": {"of": {"enum": [1e15] * count}}},
        "levels": {"type": "object", "properties": {"of": deep}},
    }


def _called(count: int, arguments: str) -> list[dict[str, Any]]:
    """Return a message that calls a tool so many times, and the tool's answers."""
    function = {"name": "look_up", "arguments": arguments}
    ids = [f"call_{number:04}" for number in range(count)]
    calls = [{"id": each, "type": "function", "function": function} for each in ids]
    asking = {"role": "assistant", "content": "", "tool_calls": calls}
    answers = [{"role": "tool", "tool_call_id": each, "content": "1"} for each in ids]
    return [asking, *answers]


def _tool(name: str, **said: Any) -> dict[str, Any]:
    function = {"name": name, "description": "", "parameters": {}, **said}
    return {"type": "function", "function": function}


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _chat(*messages: dict[str, Any], **fields: Any) -> GenerationRequest:
    body = {"model": "probed", "messages": messages, **fields}
    return parse(Surface.CHAT_COMPLETIONS, orjson.dumps(body))


def _completion(prompt: str) -> GenerationRequest:
    body = {"model": "probed", "prompt": prompt}
    return parse(Surface.COMPLETIONS, orjson.dumps(body))
