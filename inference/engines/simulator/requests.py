"""Read a generation request: bytes in, an `Order` or a `Refusal` out. Pure.

The checks run in vLLM's order: the JSON, the schema, the model, the prompt, the limits.
Unknown fields are ignored, as they are there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from inference.engines.simulator import errors
from inference.engines.simulator.fields import (
    check_model,
    conversation,
    is_integer,
    parse_json,
    wrong_type,
)
from inference.engines.simulator.settings import Behaviour
from inference.engines.simulator.tokens import chat_tokens, text_tokens
from kit.json_values import is_array, is_object

FinishReason = Literal["stop", "length", "abort"]

Prompt = Sequence[str] | Sequence[int]

# What vLLM answers to a completion that names no limit.
COMPLETION_TOKENS_DEFAULT = 16
# OpenAI's bound; vLLM's own is higher, and of no use but to fill our memory.
CHOICES_MAX = 128
_SALT_CHARACTERS_MAX = 128
_SALT_CHARACTERS_FORBIDDEN = frozenset("@/\\\0")


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to make: its prompt's length, its own length, why it will end."""

    prompt_tokens: int
    tokens: int
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True)
class Order:
    """A request that will be served. `prompt_tokens` counts each prompt once.

    `prompts` holds each prompt's tokens, words or ids; the choices are all of the first
    prompt's, then all of the next one's. `cache_salt` keeps their cached blocks apart.
    """

    chat: bool
    stream: bool
    include_usage: bool
    running_usage: bool
    prompt_tokens: int
    choices: tuple[Choice, ...]
    prompts: tuple[Prompt, ...]
    cache_salt: str | None
    # Makes the whole answer of what is only to be read, given its label.
    pooled: Callable[[str, int, str], bytes] | None = None

    @property
    def choices_per_prompt(self) -> int:
        """How many answers each prompt gets."""
        return len(self.choices) // len(self.prompts)


def read_chat(body: bytes, *, behaviour: Behaviour) -> Order:
    """Return the order of a `/v1/chat/completions` body."""
    fields = parse_json(body)
    messages = conversation(fields)
    options = _stream_options(fields, behaviour)
    _check_cache_salt(fields)
    check_model(fields, behaviour=behaviour)
    if not messages:
        raise errors.bad_request(
            "Cannot apply chat template to an empty conversation. "
            "Provide at least one message."
        )
    prompts = (chat_tokens(messages, tools=fields.get("tools")),)
    return _order(fields, prompts, options, behaviour, chat=True)


def read_completion(body: bytes, *, behaviour: Behaviour) -> Order:
    """Return the order of a `/v1/completions` body; a list of prompts is a batch."""
    fields = parse_json(body)
    options = _stream_options(fields, behaviour)
    _check_cache_salt(fields)
    check_model(fields, behaviour=behaviour)
    prompts = prompts_of(fields.get("prompt"))
    return _order(fields, prompts, options, behaviour, chat=False)


def _order(
    fields: dict[str, Any],
    prompts: tuple[Prompt, ...],
    options: tuple[bool, bool, bool],
    behaviour: Behaviour,
    *,
    chat: bool,
) -> Order:
    lengths = [len(prompt) for prompt in prompts]
    choices = _choices(fields, lengths, behaviour, chat=chat)
    salt = fields.get("cache_salt")
    return Order(chat, *options, sum(lengths), choices, prompts, salt)


def _stream_options(
    fields: dict[str, Any], behaviour: Behaviour
) -> tuple[bool, bool, bool]:
    """Return (streamed, final usage wanted, running usage wanted)."""
    stream = bool(fields.get("stream"))
    options = fields.get("stream_options")
    if options is not None and not stream:
        raise errors.bad_request(
            "Stream options can only be defined when `stream=True`. "
            "(parameter=stream_options)",
            param="stream_options",
        )
    if not stream:
        return False, True, False
    if behaviour.force_include_usage:
        return True, True, True
    if options is None:
        return True, False, False
    if not is_object(options):
        raise wrong_type(
            "dict", "dictionary", where="body.stream_options", value=options
        )
    include_usage = bool(options.get("include_usage"))
    # vLLM ignores the running usage of a client that does not want the final one.
    running = include_usage and bool(options.get("continuous_usage_stats"))
    return True, include_usage, running


def _check_cache_salt(fields: dict[str, Any]) -> None:
    salt = fields.get("cache_salt")
    if salt is None:
        return
    if not isinstance(salt, str) or not salt:
        raise errors.bad_cache_salt(
            "Parameter 'cache_salt' must be a non-empty string if provided."
        )
    if len(salt) > _SALT_CHARACTERS_MAX or _SALT_CHARACTERS_FORBIDDEN.intersection(
        salt
    ):
        raise errors.bad_cache_salt(
            "Parameter 'cache_salt' must be at most 128 characters and must "
            "not contain '@', '/', '\\\\', or NUL."
        )


def prompts_of(prompt: object) -> tuple[Prompt, ...]:
    """Return the tokens of each prompt: text, token ids, or a list of either."""
    if isinstance(prompt, str):
        return (text_tokens(prompt),)
    if is_array(prompt) and prompt:
        if _is_token_ids(prompt):
            return (prompt,)
        prompts = tuple(
            text_tokens(each) if isinstance(each, str) else each
            for each in prompt
            if isinstance(each, str) or (is_array(each) and _is_token_ids(each))
        )
        if len(prompts) == len(prompt) and all(prompts):
            return prompts
    raise errors.bad_request(
        "Either prompt or prompt_embeds must be provided and non-empty."
    )


def _is_token_ids(values: list[Any]) -> bool:
    return all(is_integer(value) for value in values)


def _choices(
    fields: dict[str, Any], prompts: Sequence[int], behaviour: Behaviour, *, chat: bool
) -> tuple[Choice, ...]:
    """Return the choices by index: all of one prompt's, then the next's."""
    context = behaviour.context_tokens
    for prompt in prompts:
        if prompt >= context:
            raise errors.prompt_too_long(prompt_tokens=prompt, context_tokens=context)
    asked = _answer_limit(fields, context_tokens=context, chat=chat)
    _check_temperature(fields)
    count = _choice_count(fields)
    return tuple(
        choice
        for prompt in prompts
        for choice in (_choice(prompt, asked, behaviour, chat=chat),) * count
    )


def _choice(
    prompt: int, asked: int | None, behaviour: Behaviour, *, chat: bool
) -> Choice:
    room = behaviour.context_tokens - prompt
    said_all = behaviour.answer_tokens_max
    if said_all and said_all <= min(room, room if asked is None else asked):
        return Choice(prompt, said_all, "stop")
    if asked is not None:
        return Choice(prompt, min(asked, room), "length")
    limit = room if chat else min(room, COMPLETION_TOKENS_DEFAULT)
    if behaviour.answer_tokens <= limit:
        return Choice(prompt, behaviour.answer_tokens, "stop")
    return Choice(prompt, limit, "length")


def _answer_limit(
    fields: dict[str, Any], *, context_tokens: int, chat: bool
) -> int | None:
    name, limit = "max_tokens", fields.get("max_tokens")
    if chat and fields.get("max_completion_tokens") is not None:
        name, limit = "max_completion_tokens", fields["max_completion_tokens"]
    if limit is None:
        return None
    if not is_integer(limit):
        raise wrong_type("int", "integer", where=f"body.{name}", value=limit)
    if limit > context_tokens:
        raise errors.bad_parameter(
            f"{name}={limit} cannot be greater than max_model_len={context_tokens}. "
            "Please request fewer output tokens.",
            param=name,
            value=limit,
        )
    if limit < 1:
        raise errors.bad_parameter(
            f"{name} must be at least 1, got {limit}.", param=name, value=limit
        )
    return limit


def _check_temperature(fields: dict[str, Any]) -> None:
    temperature = fields.get("temperature")
    if temperature is None:
        return
    if type(temperature) not in (int, float):
        raise wrong_type("float", "number", where="body.temperature", value=temperature)
    if not 0 <= temperature <= 2:
        value = float(temperature)
        raise errors.bad_parameter(
            f"temperature must be in [0, 2], got {value}.",
            param="temperature",
            value=value,
        )


def _choice_count(fields: dict[str, Any]) -> int:
    count = fields.get("n")
    if count is None:
        return 1
    if not is_integer(count):
        raise wrong_type("int", "integer", where="body.n", value=count)
    if not 1 <= count <= CHOICES_MAX:
        raise errors.bad_parameter(
            f"n must be in [1, {CHOICES_MAX}], got {count}.", param="n", value=count
        )
    return count
