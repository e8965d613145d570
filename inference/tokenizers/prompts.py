"""What a request puts before the model, as a tokenizer sees it. Pure.

An estimate, as a chat template is the engine's own: every message costs its text and
what the commonest template adds, tools and tool calls cost their JSON. A prompt that is
token ids is its own count.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from inference.openai.requests import GenerationRequest
from inference.openai.tasks import Task
from inference.tokenizers.shipped import ShippedTokenizer
from kit.json_values import is_array

CountText = Callable[[str], int]


def prompt_tokens(
    request: GenerationRequest, *, shipped: ShippedTokenizer, count_text: CountText
) -> int:
    """Return how many tokens the prompt of a request is, over all its prompts."""
    if request.task is not Task.CHAT:
        opening = len(request.texts) * shipped.opening_tokens
        return request.known_tokens + opening + sum(map(count_text, request.texts))
    messages: list[dict[str, Any]] = request.payload["messages"]
    overhead = len(messages) * shipped.message_tokens + shipped.reply_tokens
    overhead += shipped.opening_tokens
    return overhead + sum(count_text(text) for text in _chat_texts(request.payload))


def _chat_texts(payload: Mapping[str, Any]) -> Iterator[str]:
    if tools := payload.get("tools"):
        yield orjson.dumps(tools).decode()
    for message in payload["messages"]:
        content = message.get("content")
        if isinstance(content, str):
            yield content
        for part in content if is_array(content) else ():
            for field in ("text", "refusal"):
                if isinstance(text := part.get(field), str):
                    yield text
        if name := message.get("name"):
            yield str(name)
        if calls := message.get("tool_calls"):
            yield orjson.dumps(calls).decode()
