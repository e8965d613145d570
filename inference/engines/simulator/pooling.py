"""Read a request for embeddings, ranks or scores, and make its answer. Pure.

A vector is a hash of its text and of nothing else; a score is the share of the query's
words that the document has. So the same request has the same answer for ever, and a
document that repeats its query comes first. Failure: a `Refusal` in vLLM's words.
"""

import base64
import hashlib
import math
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import orjson

from inference.engines.simulator import errors
from inference.engines.simulator.fields import check_model, is_integer, parse_json
from inference.engines.simulator.requests import Choice, Order, Prompt, prompts_of
from inference.engines.simulator.settings import Behaviour
from inference.engines.simulator.tokens import text_tokens
from kit.json_values import is_array

DIMENSIONS = 64
_LARGEST = 2**31

# What an answer holds beside its id, its instant and its model.
Content = Callable[[], dict[str, Any]]


def read_embedding(body: bytes, *, behaviour: Behaviour) -> Order:
    """Return the order of a `/v1/embeddings` body."""
    fields = parse_json(body)
    check_model(fields, behaviour=behaviour)
    prompts = prompts_of(fields.get("input"))
    dimensions = fields.get("dimensions") or DIMENSIONS
    if not is_integer(dimensions) or dimensions < 1:
        raise errors.bad_parameter(
            "dimensions must be positive.", param="dimensions", value=dimensions
        )
    is_base64 = fields.get("encoding_format") == "base64"
    content = partial(_embeddings, prompts, dimensions, is_base64=is_base64)
    return _order("embd", prompts, behaviour, content)


def read_rerank(body: bytes, *, behaviour: Behaviour) -> Order:
    """Return the order of a `/v1/rerank` body."""
    fields = parse_json(body)
    check_model(fields, behaviour=behaviour)
    query, documents = _texts(fields, "query"), _texts(fields, "documents")
    pairs = [(query[0], document) for document in documents]
    content = partial(_ranks, pairs, fields.get("top_n") or len(pairs))
    return _order("rerank", _paired(pairs), behaviour, content)


def read_score(body: bytes, *, behaviour: Behaviour) -> Order:
    """Return the order of a `/v1/score` body: one with many, or side by side."""
    fields = parse_json(body)
    check_model(fields, behaviour=behaviour)
    names = ("queries", "documents") if "queries" in fields else ("text_1", "text_2")
    left, right = (_texts(fields, name) for name in names)
    if len(left) not in (1, len(right)):
        raise errors.bad_request("Input lengths must be either 1:1, 1:N or N:N")
    firsts = left if len(left) == len(right) else left * len(right)
    pairs = list(zip(firsts, right, strict=True))
    return _order("score", _paired(pairs), behaviour, partial(_scores, pairs))


def _order(
    name: str, prompts: Sequence[Prompt], behaviour: Behaviour, content: Content
) -> Order:
    lengths = [len(prompt) for prompt in prompts]
    for length in lengths:
        if length > behaviour.context_tokens:
            raise errors.prompt_too_long(
                prompt_tokens=length, context_tokens=behaviour.context_tokens
            )
    return Order(
        chat=False,
        stream=False,
        include_usage=True,
        running_usage=False,
        prompt_tokens=sum(lengths),
        choices=tuple(Choice(length, 0, "stop") for length in lengths),
        prompts=tuple(prompts),
        cache_salt=None,
        pooled=partial(_body, name, content, sum(lengths)),
    )


def _texts(fields: dict[str, Any], name: str) -> list[str]:
    given = fields.get(name)
    listed = given if is_array(given) else [given]
    texts = [text for text in listed if isinstance(text, str)]
    if not texts or len(texts) < len(listed):
        raise errors.bad_request(f"{name} must be text. (parameter={name})", param=name)
    return texts


def _paired(pairs: Sequence[tuple[str, str]]) -> list[Prompt]:
    return [[*text_tokens(left), *text_tokens(right)] for left, right in pairs]


def _body(
    name: str,
    content: Content,
    tokens: int,
    request_id: str,
    created: int,
    model: str,
) -> bytes:
    usage: dict[str, Any] = {"prompt_tokens": tokens, "total_tokens": tokens}
    if name == "rerank":
        # Said in the words of another vendor's API, under the id of a score.
        head: dict[str, Any] = {
            "id": f"score-{request_id}",
            "model": model,
            "usage": usage,
        }
        return orjson.dumps(head | content())
    head = {"id": f"{name}-{request_id}", "object": "list", "created": created}
    usage |= {
        "completion_tokens": 0,
        "prompt_tokens_details": None,
        "completion_tokens_details": None,
    }
    return orjson.dumps({**head, "model": model, **content(), "usage": usage})


def _embeddings(
    prompts: Sequence[Prompt], dimensions: int, *, is_base64: bool
) -> dict[str, Any]:
    data = [
        {
            "index": index,
            "object": "embedding",
            "embedding": _vector(prompt, dimensions, is_base64=is_base64),
        }
        for index, prompt in enumerate(prompts)
    ]
    return {"data": data}


def _vector(
    prompt: Prompt, dimensions: int, *, is_base64: bool
) -> str | tuple[float, ...]:
    """Return a vector of length 1: its numbers, or their 32 bits as vLLM packs them."""
    seed = " ".join(map(str, prompt)).encode("utf-8", "surrogatepass")
    bits = hashlib.shake_256(seed).digest(4 * dimensions)
    numbers = [each / _LARGEST for each in struct.unpack(f"<{dimensions}i", bits)]
    length = math.hypot(*numbers) or 1.0
    packed = struct.pack(f"<{dimensions}f", *(each / length for each in numbers))
    if is_base64:
        return base64.b64encode(packed).decode()
    return struct.unpack(f"<{dimensions}f", packed)


def _ranks(pairs: Sequence[tuple[str, str]], top: int) -> dict[str, Any]:
    ranked = sorted(
        ((_score(pair), -index) for index, pair in enumerate(pairs)), reverse=True
    )
    results = [
        {
            "index": -index,
            "document": {"text": pairs[-index][1], "multi_modal": None},
            "relevance_score": score,
        }
        for score, index in ranked[:top]
    ]
    return {"results": results}


def _scores(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    data = [
        {"index": index, "object": "score", "score": _score(pair)}
        for index, pair in enumerate(pairs)
    ]
    return {"data": data}


def _score(pair: tuple[str, str]) -> float:
    query, document = (set(text.split()) for text in pair)
    return len(query & document) / len(query) if query else 0.0
