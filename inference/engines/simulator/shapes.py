"""The shapes of vLLM's answers, key for key as vLLM 0.32 sends them.

Each shape is written once, as the dictionary it is on the wire, and compiled at
import to a bytes template: filling a template is many times faster than serialising a
dictionary, and the shape stays readable. A template of a stream is filled in two
steps: what all chunks of a choice share (ONCE: id, created, model, index), then each
token's numbers (EACH). Nothing here is decided at run time; `answers` fills the
holes.
"""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from inference.engines.simulator.tokens import NUMBER_PREFIX

FINGERPRINT = "vllm-0.32.0-simulator"

Shape = dict[str, Any]

ONCE_INTEGER: Final = "<once integer>"
ONCE_JSON: Final = "<once json>"
EACH_INTEGER: Final = "<each integer>"
EACH_TEXT: Final = "<each text>"

# A doubled percent sign survives the first filling as the verb of the second.
_VERBS = {
    ONCE_INTEGER: "%d",
    ONCE_JSON: "%b",
    EACH_INTEGER: "%%d",
    EACH_TEXT: f'"{NUMBER_PREFIX}%%d"',
}


def compiled(shape: Shape) -> bytes:
    """Return the template of `shape`: its JSON with a verb for every hole."""
    template = orjson.dumps(shape).decode()
    for hole, verb in _VERBS.items():
        template = template.replace(f'"{hole}"', verb)
    return template.encode()


@dataclass(frozen=True, slots=True)
class ChunkTemplates:
    """The chunks of one choice's stream. `opening` is empty where the API sends none.

    Holes, in order. ONCE: id, created, model, index, the finish reason (finish chunks
    only), the prompt's tokens (running usage only). EACH: the token's number (chunks
    with text only), total and completion tokens (running usage only).
    """

    opening: bytes
    token: bytes
    finish: bytes
    finish_with_text: bytes


@dataclass(frozen=True, slots=True)
class Dialect:
    """One API's words: prefixes, object names, templates.

    `plain` and `running` are the stream's templates without and with running usage.
    `whole` has the holes id, created, model, choices, prompt, total, completion and
    cached tokens, and the tokens that are newly cached where the API `tells_created`;
    `whole_choice` has index, text and finish reason.
    """

    id_prefix: str
    chunk_object: str
    plain: ChunkTemplates
    running: ChunkTemplates
    whole: bytes
    whole_choice: bytes
    tells_created: bool


def _chunk(name: str, choice: Shape, *, usage: Shape | None, **more: None) -> bytes:
    shape: Shape = {
        "id": ONCE_JSON,
        "object": name,
        "created": ONCE_INTEGER,
        "model": ONCE_JSON,
        "choices": [choice],
    }
    if usage is not None:
        shape["usage"] = usage
    return compiled(shape | more)


def _running_usage(total: str, completion: str | int, **more: None) -> Shape:
    counts = {
        "prompt_tokens": ONCE_INTEGER,
        "total_tokens": total,
        "completion_tokens": completion,
    }
    return counts | more


def _whole(name: str, *, created_cache_tokens: str | None, **more: None) -> bytes:
    shape: Shape = {
        "id": ONCE_JSON,
        "object": name,
        "created": ONCE_INTEGER,
        "model": ONCE_JSON,
        "choices": ONCE_JSON,
        "service_tier": None,
        "system_fingerprint": FINGERPRINT,
        "usage": {
            "prompt_tokens": ONCE_INTEGER,
            "total_tokens": ONCE_INTEGER,
            "completion_tokens": ONCE_INTEGER,
            "prompt_tokens_details": {
                "cached_tokens": ONCE_INTEGER,
                "created_cache_tokens": created_cache_tokens,
                "multimodal_tokens": None,
            },
            "completion_tokens_details": None,
        },
    }
    rest = {"kv_transfer_params": None, "ec_transfer_params": None, "metrics": None}
    return compiled(shape | more | rest)


def _chat_chunks(*, running: bool) -> ChunkTemplates:
    name = "chat.completion.chunk"

    def choice(delta: Shape, *, finished: bool) -> Shape:
        shape: Shape = {"index": ONCE_INTEGER, "delta": delta, "logprobs": None}
        if not finished:
            return shape | {"finish_reason": None, "token_ids": None}
        return shape | {
            "finish_reason": ONCE_JSON,
            "stop_reason": None,
            "token_ids": None,
        }

    role = choice({"role": "assistant", "content": ""}, finished=False)
    del role["token_ids"]
    first = usage = None
    if running:
        # Before the first token, the total is the prompt.
        first = _running_usage(ONCE_INTEGER, 0, completion_tokens_details=None)
        usage = _running_usage(
            EACH_INTEGER, EACH_INTEGER, completion_tokens_details=None
        )
    text, no_text = {"content": EACH_TEXT}, {"content": ""}
    return ChunkTemplates(
        opening=_chunk(
            name, role, usage=first, prompt_token_ids=None, prompt_text=None
        ),
        token=_chunk(name, choice(text, finished=False), usage=usage),
        finish=_chunk(name, choice(no_text, finished=True), usage=usage),
        finish_with_text=_chunk(name, choice(text, finished=True), usage=usage),
    )


def _completion_chunks(*, running: bool) -> ChunkTemplates:
    def chunk(text: str, *, finish_reason: str | None) -> bytes:
        return _chunk(
            "text_completion",
            {
                "index": ONCE_INTEGER,
                "text": text,
                "logprobs": None,
                "finish_reason": finish_reason,
                "stop_reason": None,
                "prompt_token_ids": None,
                "token_ids": None,
            },
            usage=_running_usage(EACH_INTEGER, EACH_INTEGER) if running else None,
        )

    return ChunkTemplates(
        opening=b"",
        token=chunk(EACH_TEXT, finish_reason=None),
        finish=chunk("", finish_reason=ONCE_JSON),
        finish_with_text=chunk(EACH_TEXT, finish_reason=ONCE_JSON),
    )


CHAT = Dialect(
    id_prefix="chatcmpl-",
    chunk_object="chat.completion.chunk",
    plain=_chat_chunks(running=False),
    running=_chat_chunks(running=True),
    whole=_whole(
        "chat.completion",
        created_cache_tokens=ONCE_INTEGER,
        prompt_logprobs=None,
        prompt_token_ids=None,
        prompt_text=None,
    ),
    whole_choice=compiled(
        {
            "index": ONCE_INTEGER,
            "message": {
                "role": "assistant",
                "content": ONCE_JSON,
                "refusal": None,
                "annotations": None,
                "audio": None,
                "function_call": None,
                "reasoning": None,
            },
            "logprobs": None,
            "finish_reason": ONCE_JSON,
            "stop_reason": None,
            "token_ids": None,
            "routed_experts": None,
        }
    ),
    tells_created=True,
)

COMPLETION = Dialect(
    id_prefix="cmpl-",
    chunk_object="text_completion",
    plain=_completion_chunks(running=False),
    running=_completion_chunks(running=True),
    whole=_whole("text_completion", created_cache_tokens=None),
    whole_choice=compiled(
        {
            "index": ONCE_INTEGER,
            "text": ONCE_JSON,
            "logprobs": None,
            "finish_reason": ONCE_JSON,
            "stop_reason": None,
            "token_ids": None,
            "prompt_logprobs": None,
            "prompt_token_ids": None,
            "routed_experts": None,
        }
    ),
    tells_created=False,
)
