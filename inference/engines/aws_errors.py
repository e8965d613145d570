"""What Amazon's services say went wrong, by the names of their exceptions.

The same names come with a status, as a header's value, and as a frame of a stream. What
is wrong with our rights or our address is not the caller's to read.
"""

from collections.abc import Mapping

import orjson

from inference.openai.errors import from_engine
from kit.errors import EngineFailed, EngineOverloaded, PlatformError
from kit.json_values import JsonObject, is_object

# Services spell one name in several ways; these are their beginnings in lower case.
_STATUSES: Mapping[str, int] = {
    "throttling": 429,
    "modelnotready": 429,
    "servicequotaexceeded": 429,
    "serviceunavailable": 503,
    "validation": 400,
    "modeltimeout": 504,
    "modelstreamerror": 500,
    "modelerror": 500,
    "internal": 500,
}
_LONGER = "The model is not ready yet. Try again shortly."


def status_of(name: str) -> int:
    """Return the status that an exception stands for."""
    lowered = name.lower()
    for beginning, status in _STATUSES.items():
        if lowered.startswith(beginning):
            return status
    return 500


def stream_fault(name: str, payload: bytes) -> tuple[str, int]:
    """Return the message and the status of an exception within a stream."""
    text = _text_of(_object_of(payload))
    return text[:1000] or "The engine failed while it was answering.", status_of(name)


def from_aws(status: int, body: bytes) -> PlatformError:
    """Say in our words what a service's error response means for the caller."""
    said = _object_of(body)
    original = said.get("OriginalStatusCode")
    if type(original) is int and 400 <= original < 600:
        # What a model's own container answered, behind SageMaker.
        message = said.get("OriginalMessage")
        return from_engine(
            original, message.encode() if isinstance(message, str) else b""
        )
    named = said.get("__type") or said.get("code")
    if isinstance(named, str):
        known = status_of(named.rpartition("#")[2])
        if known == 429 and status == 429 and "notready" in named.lower():
            return EngineOverloaded(_LONGER, headers={"retry-after": "5"})
        status = known if known != 500 else status
    if status == 408:
        return EngineFailed("The engine did not answer in time. Try again.")
    return from_engine(status, orjson.dumps({"message": _text_of(said)}))


def _object_of(body: bytes) -> JsonObject:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if is_object(said) else {}


def _text_of(said: JsonObject) -> str:
    for name in ("message", "Message", "OriginalMessage"):
        if isinstance(text := said.get(name), str) and text:
            return text
    return ""
