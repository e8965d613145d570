"""What a request may look like: depth, messages, prompts, integers."""

from collections.abc import Iterator, Mapping
from typing import Any

from inference.openai.media import KINDS, Media, media_of
from kit.errors import InvalidRequest
from kit.json_values import JsonObject, is_array, is_object

DEPTH_MAX = 64
VALUES_MAX = 32_768
FIELDS_MAX = 65_536
# A prompt may be a list of tokens, as long as the longest context.
ITEMS_MAX = 1_048_576
STRINGS_MAX = 131_072
MESSAGES_MAX = 2048
PROMPTS_MAX = 32
_ROLES = frozenset({"assistant", "developer", "function", "system", "tool", "user"})
_TEXT_PARTS = frozenset({"refusal", "text"})
_OPEN = b"[{"
_STRUCTURE = b"[]{},:"
_NO_STRUCTURE = bytes(set(range(256)) - set(_STRUCTURE))


def check_depth(body: bytes) -> None:
    """Refuse a body that nests too deep or holds too much, before it is parsed.

    The event loop waits while a body is parsed: what that takes is a matter of how many
    values it holds, not of its size.
    """
    brackets = body.count(b"[") + body.count(b"{")
    if brackets <= DEPTH_MAX and body.count(b",") < FIELDS_MAX:
        return
    structure = _structure_of(body)
    if structure.count(b",") > ITEMS_MAX or structure.count(b":") > FIELDS_MAX:
        raise InvalidRequest(
            f"The body holds over {FIELDS_MAX:,} fields or {ITEMS_MAX:,} items."
        )
    # What is left is walked byte by byte.
    brackets_only = structure.translate(None, b",:")
    if len(brackets_only) > 2 * VALUES_MAX:
        raise InvalidRequest(f"The body holds over {VALUES_MAX:,} lists and objects.")
    depth = 0
    for byte in brackets_only:
        if byte in _OPEN:
            depth += 1
            if depth > DEPTH_MAX:
                raise InvalidRequest(f"The body nests deeper than {DEPTH_MAX} levels.")
        else:
            depth -= 1


def _structure_of(body: bytes) -> bytes:
    """Return the marks that are no text, as far as the body is JSON.

    A mark that an escaped quote could hide is none: a backslash that is no text is no
    JSON either, and the parser stops there.
    """
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if body.count(b'"') > 2 * STRINGS_MAX:
        raise InvalidRequest(f"The body holds over {STRINGS_MAX:,} texts.")
    return b"".join(body.split(b'"')[::2]).translate(None, _NO_STRUCTURE)


def integer(
    payload: Mapping[str, Any], name: str, *, low: int, high: int = 2**31 - 1
) -> int | None:
    """Return an optional integer field; raises when it is out of range."""
    value = payload.get(name)
    if value is None:
        return None
    if type(value) is not int or not low <= value <= high:
        limit = f"of at least {low}" if high == 2**31 - 1 else f"from {low} to {high}"
        raise InvalidRequest(f"'{name}' must be an integer {limit}.", param=name)
    return value


def check_messages(messages: Any) -> Media:
    """Check the shape of a chat's messages; their text is the engine's business.

    Returns what of them is no text.
    """
    if not is_array(messages) or not messages:
        raise InvalidRequest(
            "'messages' must be a list of at least one message.", param="messages"
        )
    if len(messages) > MESSAGES_MAX:
        raise InvalidRequest(
            f"'messages' holds more than {MESSAGES_MAX}.", param="messages"
        )
    media: list[tuple[str, JsonObject]] = []
    for position, message in enumerate(messages):
        param = f"messages[{position}]"
        if not is_object(message):
            raise InvalidRequest(f"'{param}' must be an object.", param=param)
        if not _is_one_of(message.get("role"), _ROLES):
            raise InvalidRequest(
                f"'{param}.role' must be one of {', '.join(sorted(_ROLES))}.",
                param=f"{param}.role",
            )
        content = message.get("content")
        if content is not None and not isinstance(content, str):
            media += _media_parts(content, f"{param}.content")
    return media_of(media)


def _media_parts(content: Any, param: str) -> Iterator[tuple[str, JsonObject]]:
    """Find what is no text in a content that is a list, each part with its place."""
    if not is_array(content):
        raise InvalidRequest(f"'{param}' must be text or a list of parts.", param=param)
    for position, part in enumerate(content):
        kind = part.get("type") if is_object(part) else None
        if isinstance(kind, str) and kind in KINDS:
            yield f"{param}[{position}]", part
        elif not _is_one_of(kind, _TEXT_PARTS):
            raise InvalidRequest(
                f"'{param}' may hold parts of type 'text' and"
                f" {', '.join(repr(each) for each in KINDS)} only.",
                param=param,
                code="unsupported_content",
            )


def _is_one_of(value: Any, names: frozenset[str]) -> bool:
    # A list or an object cannot be looked up in a set.
    return isinstance(value, str) and value in names


def prompts_of(prompt: Any) -> int:
    """Return how many prompts a completion request holds."""
    if isinstance(prompt, str):
        return 1
    if is_array(prompt) and prompt:
        if all(type(token) is int for token in prompt):
            return 1
        if len(prompt) <= PROMPTS_MAX and all(_is_prompt(item) for item in prompt):
            return len(prompt)
    raise InvalidRequest(
        "'prompt' must be text, a list of tokens, or a list of"
        f" up to {PROMPTS_MAX} of these.",
        param="prompt",
    )


def split_prompt(prompt: Any) -> tuple[int, list[str]]:
    """Part the prompts of a completion: tokens that are known, texts to be counted."""
    if isinstance(prompt, str):
        return 0, [prompt]
    if all(type(token) is int for token in prompt):
        return len(prompt), []
    known = sum(len(item) for item in prompt if not isinstance(item, str))
    return known, [item for item in prompt if isinstance(item, str)]


def _is_prompt(item: Any) -> bool:
    return isinstance(item, str) or (
        is_array(item) and bool(item) and all(type(token) is int for token in item)
    )
