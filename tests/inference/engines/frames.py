"""Amazon's event stream as a service writes it, by an encoder of the tests' own."""

import struct
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson


def frame(payload: bytes, **headers: str) -> bytes:
    """Return one frame; underscores in a header's name are hyphens."""
    block = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", len(block) + len(payload) + 16, len(block))
    message = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return message + struct.pack(">I", crc32(message))


def event(name: str, payload: bytes) -> bytes:
    """Return an event."""
    return frame(payload, message_type="event", event_type=name)


def exception(name: str, payload: bytes) -> bytes:
    """Return an exception."""
    return frame(payload, message_type="exception", exception_type=name)


def payload_parts(data: bytes, size: int) -> bytes:
    """Return what a container streamed as SageMaker cuts it."""
    return b"".join(
        event("PayloadPart", data[at : at + size]) for at in range(0, len(data), size)
    )


def frames_of(path: Path) -> bytes:
    """Return the stream that a file spells out."""
    return b"".join(
        _frame_of(orjson.loads(line)) for line in path.read_bytes().splitlines()
    )


def _frame_of(line: dict[str, Any]) -> bytes:
    payload = orjson.dumps(line["payload"])
    if "exception" in line:
        return exception(line["exception"], payload)
    return event(line["event"], payload)


def _header(name: str, value: str) -> bytes:
    key, text = f":{name.replace('_', '-')}".encode(), value.encode()
    return struct.pack(">B", len(key)) + key + struct.pack(">BH", 7, len(text)) + text
