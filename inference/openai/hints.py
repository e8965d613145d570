"""What a request says of how it is to be served, and no engine is told.

`prompt_cache_key` names a conversation, which then stays where its cache is; so does
Anthropic's `metadata.user_id` for coding assistants. `service_tier` asks for a class;
what a key may not use it is not given. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kit.errors import InvalidRequest
from kit.json_values import is_object

SESSION_CHARS_MAX = 512
# OpenAI's and Anthropic's names. What one may have of them is the key's to say.
_TIERS: Mapping[str, str] = {
    "auto": "default",
    "default": "default",
    "flex": "flex",
    "priority": "priority",
    "scale": "default",
    "standard_only": "default",
}


@dataclass(frozen=True, slots=True)
class Hints:
    """A conversation's name, empty without one, and the class that is asked for."""

    session: str = ""
    tier: str = "default"


NO_HINTS = Hints()


def hints_of(payload: Mapping[str, Any]) -> Hints:
    """Read the hints of a body; raises `InvalidRequest` for an unknown class."""
    tier = payload.get("service_tier")
    session = payload.get("prompt_cache_key")
    if session is None and is_object(metadata := payload.get("metadata")):
        session = metadata.get("user_id")
    if tier is None and session is None:
        return NO_HINTS
    if tier is not None and (not isinstance(tier, str) or tier not in _TIERS):
        raise InvalidRequest(
            "'service_tier' must be one of auto, default, flex, priority.",
            param="service_tier",
            code="invalid_value",
        )
    # What is no text never named anything here, and is let pass as before.
    named = session[:SESSION_CHARS_MAX] if isinstance(session, str) else ""
    return Hints(named, _TIERS[tier or "auto"])
