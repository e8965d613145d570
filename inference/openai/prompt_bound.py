"""Bound how many tokens a prompt can be, from its bytes alone: no tokenizer, no wait.

A prompt is measured once (bytes of text, bytes of structure, messages, tools), and a
model's factors make tokens of each measure. Text is measured as compact JSON writes it,
so that a template which escapes it adds nothing. Structure is what a template writes in
its own way, such as tools: it grows, by spaces, indentation and numbers spelt out.

The default factors hold for every tokenizer that makes at most one token of a byte. A
model's own are found by asking its engines: see `inference.control.calibration`. An
engine that reports more than the bound is an anticipated failure, told by
`inference.gateway.bound_watch`. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import orjson

from inference.openai.limits import DEPTH_MAX
from inference.openai.requests import GenerationRequest
from inference.openai.tasks import PAIRED, Task
from kit.json_values import is_array, is_object

MILLI = 1000
# To learn how long a structure is with its indentation, it is written out with it. What
# is longer than this, and all after so much of it, counts as nested as deep as can be.
INDENTED_EACH_MAX = 64 * 1024
INDENTED_BYTES_MAX = 4 * 1024 * 1024
# A ranking model that is made of a chat model puts a template around each pair, which
# calibration, by single texts, does not see.
AROUND_PAIRED_TEXT = 64
# What a chat's template may render besides its messages and tools.
_RENDERED = (
    "chat_template_kwargs",
    "reasoning_effort",
    "response_format",
    "structured_outputs",
    "tool_choice",
)


@dataclass(frozen=True, slots=True)
class PromptBound:
    """A model's factors: tokens of each measure, those of bytes in thousandths.

    `per_message` also holds what goes around a completion's text; `base` is what a chat
    template adds once, such as a system prompt of its own, and `base_tools` what it
    adds where there are tools. `per_tool` is added for each tool and each call of one.
    """

    per_byte_milli: int = 1000
    per_structure_byte_milli: int = 5000
    per_message: int = 64
    per_tool: int = 64
    base: int = 256
    base_tools: int = 512

    def __post_init__(self) -> None:
        """Refuse what is no factor: values may come from JSON."""
        for name, value in self.published().items():
            if type(value) is not int or value < 0:
                raise ValueError(f"{name} must be a whole number, 0 or more")

    @classmethod
    def of_published(cls, values: Mapping[str, Any] | None) -> "PromptBound":
        """Read factors as they are published; one that is not there is the default."""
        if values is None:
            return DEFAULT
        known = {field.name for field in fields(cls)}
        return cls(**{name: values[name] for name in known & values.keys()})

    def published(self) -> dict[str, int]:
        """Return the factors as they are published."""
        return asdict(self)

    def tokens(self, measures: "Measures") -> int:
        """Return the bound of one prompt."""
        milli = (
            measures.text_bytes * self.per_byte_milli
            + measures.structure_bytes * self.per_structure_byte_milli
        )
        return (
            -(-milli // MILLI)
            + measures.messages * self.per_message
            + measures.tools * self.per_tool
            + measures.chats * self.base
            + measures.tooled * self.base_tools
        )


DEFAULT = PromptBound()


class Measures(NamedTuple):
    """What of a prompt can be told without a tokenizer.

    `chats` is 1 for a chat and 0 for a text, `tooled` 1 where there are tools.
    """

    text_bytes: int
    structure_bytes: int = 0
    messages: int = 1
    tools: int = 0
    chats: int = 0
    tooled: int = 0


def bound(
    request: GenerationRequest, factors: PromptBound, *, context_tokens: int
) -> int:
    """Return at least as many tokens as the prompts of a request are, together.

    No prompt counts more than the context, for an engine refuses what is longer.
    Prompts that are token ids count what they are.
    """
    if request.task is not Task.CHAT:
        return request.known_tokens + _texts_bound(request, factors, context_tokens)
    measures = chat_measures(request.payload)
    if measures is None:
        return context_tokens
    return min(factors.tokens(measures), context_tokens)


def _texts_bound(
    request: GenerationRequest, factors: PromptBound, context_tokens: int
) -> int:
    """Bound all texts; of pairs, one that stands in many is read with each."""
    around = AROUND_PAIRED_TEXT if request.task in PAIRED else 0
    bounds = [
        min(factors.tokens(text_measures(text)) + around, context_tokens)
        for text in request.texts
    ]
    if request.task not in PAIRED:
        return sum(bounds)
    firsts = bounds[: -request.prompts]
    times = request.prompts // len(firsts)
    return sum(firsts) * times + sum(bounds[-request.prompts :])


def text_measures(text: str) -> Measures:
    """Measure a prompt that no template goes around."""
    # Whether a text is ASCII is known to Python without a look at it.
    return Measures(len(text) if text.isascii() else len(text.encode()))


def chat_measures(payload: Mapping[str, Any]) -> Measures | None:
    """Measure a chat; None where it holds media, whose size only an engine knows.

    What is structure within a message counts as text besides.
    """
    messages: list[dict[str, Any]] = payload["messages"]
    structures = [payload[name] for name in _RENDERED if name in payload]
    calls = 0
    for message in messages:
        content = message.get("content")
        # Nearly all are like this, and there may be thousands.
        if len(message) == 2 and isinstance(content, str):
            continue
        if is_array(content) and any(map(_is_media, content)):
            return None
        structures += _structures(message)
        if is_array(called := message.get("tool_calls")):
            calls += len(called)
    tools = payload.get("tools")
    listed: list[Any] = tools if is_array(tools) else [tools] if tools else []
    structures += listed
    return Measures(
        text_bytes=len(orjson.dumps(messages)),
        structure_bytes=_size(structures),
        messages=len(messages),
        tools=calls + len(listed),
        chats=1,
        tooled=1 if listed else 0,
    )


def _size(structures: Iterable[Any]) -> int:
    """Return the size of structures: a fifth of what indentation may make of them.

    A template that indents by four at most doubles what an indentation of two makes;
    for all but deep nesting the compact form is larger than two fifths of that.
    """
    size = written = 0
    for structure in structures:
        compact = len(orjson.dumps(structure))
        if compact > INDENTED_EACH_MAX or written > INDENTED_BYTES_MAX:
            size += compact * DEPTH_MAX
            continue
        # It stands in a list, which indents it once more.
        indented = len(orjson.dumps([structure], option=orjson.OPT_INDENT_2))
        written += indented
        size += max(compact, -(-indented * 2 // 5))
    return size


def _structures(message: Mapping[str, Any]) -> Iterator[Any]:
    """Find what in a message is neither text nor parts that are text."""
    for name, value in message.items():
        if isinstance(value, str) or value is None:
            continue
        if name != "content" or not is_array(value):
            yield value
        else:
            yield from (part for part in value if not _is_text(part))


def _is_text(part: Any) -> bool:
    return is_object(part) and isinstance(part.get("text"), str)


def _is_media(part: Any) -> bool:
    return is_object(part) and part.get("type") not in ("text", "refusal")
