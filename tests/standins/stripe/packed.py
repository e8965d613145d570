"""Text kept small: a journal of thousands of long requests must fit in memory."""

import zlib

# The fastest level already takes forms and JSON down to a tenth.
LEVEL = 1


def pack(text: str) -> bytes:
    """Return the text in few bytes."""
    return zlib.compress(text.encode(), LEVEL)


def unpack(packed: bytes) -> str:
    """Return the text again."""
    return zlib.decompress(packed).decode()
