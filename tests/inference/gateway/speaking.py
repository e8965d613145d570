"""How each surface is spoken to, and what its answers say: what the walk walks with.

One `Speaker` for each surface, in its clients' own words. Nothing here is shared with
the code that writes these answers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from kit.contracts import Surface
from tests.inference.gateway.client import Answer

PROMPT = "one two three"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Speaker:
    """One surface from its client's side.

    `texts` finds what an answer, streamed or whole, says in its pieces; `end` names why
    a complete one ended, as chats do (`stop` or `length`), and is empty for one that is
    not complete; `error` tells the message of an error, wherever it stands.
    """

    path: str
    body: Callable[[str], Json]
    texts: Callable[[list[Json]], list[str]]
    end: Callable[[list[Json]], str]
    error: Callable[[list[Json]], str]
    length_field: str = "max_tokens"
    streams: bool = True

    def ask(self, model: str, *, stream: bool, tokens: int) -> Json:
        """Return a request for so many tokens at the most."""
        body = self.body(model)
        if self.streams:
            body |= {"stream": stream, self.length_field: tokens}
        return body


def pieces_of(answer: Answer) -> list[Json]:
    """Return the events of a stream, or the one object of a whole answer."""
    if (answer.header("content-type") or "").startswith("application/json"):
        return [answer.json]
    pieces: list[Json] = []
    for block in answer.body.split(b"\n\n")[:-1]:
        for line in block.split(b"\n"):
            data = line.removeprefix(b"data: ")
            if line.startswith(b"data: "):
                mark = {"done": True}
                pieces.append(mark if data == b"[DONE]" else orjson.loads(data))
    return pieces


# Chat completions and completions ---------------------------------------------------


def _choice_texts(pieces: list[Json]) -> list[str]:
    texts: list[str] = []
    for piece in pieces:
        for choice in piece.get("choices", []):
            said = choice.get("delta") or choice.get("message") or {}
            texts.append(said.get("content") or choice.get("text") or "")
    return texts


def _choice_end(pieces: list[Json]) -> str:
    is_stream = len(pieces) > 1 or pieces[0].get("object", "").endswith("chunk")
    if is_stream and not pieces[-1].get("done"):
        return ""
    reasons = [
        choice["finish_reason"]
        for piece in pieces
        for choice in piece.get("choices", [])
        if choice.get("finish_reason")
    ]
    return str(reasons[-1]) if reasons else ""


def _openai_error(pieces: list[Json]) -> str:
    return str((pieces[-1].get("error") or {}).get("message", ""))


# Responses --------------------------------------------------------------------------


def _response_texts(pieces: list[Json]) -> list[str]:
    if pieces and "output" in pieces[0]:
        return [
            part["text"]
            for item in pieces[0]["output"]
            if item["type"] == "message"
            for part in item["content"]
        ]
    return [
        piece["delta"]
        for piece in pieces
        if piece.get("type") == "response.output_text.delta"
    ]


def _response_end(pieces: list[Json]) -> str:
    response = pieces[-1].get("response", pieces[-1])
    if response.get("status") == "completed":
        return "stop"
    if response.get("status") == "incomplete":
        return "length"
    return ""


# Messages ---------------------------------------------------------------------------

_STOPS = {"end_turn": "stop", "max_tokens": "length"}


def _message_texts(pieces: list[Json]) -> list[str]:
    if pieces and "content" in pieces[0]:
        return [part["text"] for part in pieces[0]["content"] if part["type"] == "text"]
    return [
        piece["delta"]["text"]
        for piece in pieces
        if piece.get("type") == "content_block_delta"
        and piece["delta"]["type"] == "text_delta"
    ]


def _message_end(pieces: list[Json]) -> str:
    if "content" in pieces[0]:
        return _STOPS.get(pieces[0]["stop_reason"], "")
    if pieces[-1].get("type") != "message_stop":
        return ""
    reasons = [
        piece["delta"]["stop_reason"]
        for piece in pieces
        if piece.get("type") == "message_delta"
    ]
    return _STOPS.get(reasons[-1], "")


# What only reads its prompts --------------------------------------------------------


def _no_texts(pieces: list[Json]) -> list[str]:
    return []


def _list_end(name: str) -> Callable[[list[Json]], str]:
    return lambda pieces: "stop" if pieces[0].get(name) else ""


def _messages(model: str) -> Json:
    return {"model": model, "messages": [{"role": "user", "content": PROMPT}]}


SPEAKERS: Mapping[Surface, Speaker] = {
    Surface.CHAT_COMPLETIONS: Speaker(
        "/v1/chat/completions", _messages, _choice_texts, _choice_end, _openai_error
    ),
    Surface.COMPLETIONS: Speaker(
        "/v1/completions",
        lambda model: {"model": model, "prompt": PROMPT},
        _choice_texts,
        _choice_end,
        _openai_error,
    ),
    Surface.RESPONSES: Speaker(
        "/v1/responses",
        lambda model: {"model": model, "input": PROMPT},
        _response_texts,
        _response_end,
        _openai_error,
        length_field="max_output_tokens",
    ),
    Surface.MESSAGES: Speaker(
        "/v1/messages", _messages, _message_texts, _message_end, _openai_error
    ),
    Surface.EMBEDDINGS: Speaker(
        "/v1/embeddings",
        lambda model: {"model": model, "input": [PROMPT, PROMPT]},
        _no_texts,
        _list_end("data"),
        _openai_error,
        streams=False,
    ),
    Surface.RERANK: Speaker(
        "/v1/rerank",
        lambda model: {"model": model, "query": PROMPT, "documents": [PROMPT] * 2},
        _no_texts,
        _list_end("results"),
        _openai_error,
        streams=False,
    ),
    Surface.SCORE: Speaker(
        "/v1/score",
        lambda model: {"model": model, "text_1": PROMPT, "text_2": [PROMPT] * 2},
        _no_texts,
        _list_end("data"),
        _openai_error,
        streams=False,
    ),
}
