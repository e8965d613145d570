"""Write an event of a response: its name, its number, its JSON. Pure."""

import orjson

from kit.json_values import JsonObject


def framed(event: JsonObject, *, number: int) -> bytes:
    """Return an event as a server-sent event, which bears the event's own type."""
    name: str = event["type"]
    data = orjson.dumps({**event, "sequence_number": number})
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
