"""What engines write, spelled out: HTTP heads, chunks, and the events of a stream."""

from typing import Any

import orjson

PROMPT_TOKENS = 7
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
STREAM_END = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"
Json = dict[str, Any]


def whole(
    body: bytes | Json | list[Any], *, status: int = 200, close: bool = False
) -> bytes:
    """Return a whole HTTP answer."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    connection = b"connection: close\r\n" if close else b""
    head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\n%b" % (
        status,
        connection,
    )
    return head + b"content-length: %d\r\n\r\n" % len(data) + data


def chunk(data: bytes) -> bytes:
    """Return data as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(body: Json) -> bytes:
    """Return a server-sent event."""
    return b"data: " + orjson.dumps(body) + b"\n\n"


def running(output: int, *, prompt: int = PROMPT_TOKENS) -> Json:
    """Return a chunk's usage, in the order in which vLLM writes it."""
    return {
        "prompt_tokens": prompt,
        "total_tokens": prompt + output,
        "completion_tokens": output,
    }


def token(number: int, *, index: int = 0, **more: Any) -> bytes:
    """Return the event of token `number` of a chat's choice, with running usage."""
    return event(
        chat_chunk({"content": f" t{number}"}, index=index)
        | {"usage": running(number)}
        | more
    )


def finish(output: int, *, index: int = 0, text: str = "", **more: Any) -> bytes:
    """Return the event that ends a chat's choice."""
    chunk = chat_chunk({"content": text}, index=index, reason="stop")
    return event(chunk | {"usage": running(output)} | more)


def usage(output: int, *, prompt: int = PROMPT_TOKENS, **more: Any) -> bytes:
    """Return the event of the final usage."""
    body = chat_chunk({}) | {"choices": [], "usage": running(output, prompt=prompt)}
    return event(body | more)


def chat_chunk(delta: Json, *, index: int = 0, reason: str | None = None) -> Json:
    """Return a chat chunk of one choice."""
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "engine-model",
        "choices": [choice],
    }


def answer(text: str, *, output: int, model: str = "engine-model") -> Json:
    """Return the body of a whole chat answer."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": running(output),
    }
