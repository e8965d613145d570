"""Streams cut anywhere, a great many times: what comes out never depends on the cuts.

In `make test` a few thousand cuts, in `make fuzz` a million. The streams are those that
real engines sent, and one that holds all that a line can end or begin with.
"""

import itertools
import os
import random
from pathlib import Path

import pytest

from inference.openai.sse import EventSplitter
from inference.openai.stream import StreamOptions, StreamTranslator

pytestmark = pytest.mark.timeout(1200)

CUTTINGS = 1_000_000 if os.environ.get("FUZZ_EXAMPLES") else 4_000
SEED = int(os.environ.get("FUZZ_SEED", "1"))
# Long streams would be cut seldom for their length.
BYTES_MAX = 6_000
_CAPTURES = Path(__file__).parent.parent / "captures"
_ODD = (
    b"\xef\xbb\xbf: hello\r\n\r\ndata: {\"a\":\"\xc3\xa9\"}\r\rdata:one\ndata: two\n\n"
    b"event: x\ndata:\n\n:\n\ndata: : no comment\n\r\n\r\nid: 7\rdata: [DONE]\r\n\n"
)  # fmt: skip


def streams() -> list[bytes]:
    """Return what is cut."""
    captured = (path.read_bytes() for path in sorted(_CAPTURES.rglob("*.sse")))
    return [_ODD, *(stream for stream in captured if len(stream) <= BYTES_MAX)]


def pieces(stream: bytes, chance: random.Random) -> list[bytes]:
    """Cut a stream: mostly at a few places, now and then at many."""
    count = chance.choice((1, 1, 2, 3, 5, 8, 40))
    cuts = sorted(chance.randrange(len(stream) + 1) for _ in range(count))
    edges = [0, *cuts, len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


def events(parts: list[bytes]) -> list[bytes]:
    """Return the events of a stream that comes in these parts."""
    splitter = EventSplitter()
    return [event for part in parts for event in splitter.feed(part)]


def shown(parts: list[bytes]) -> tuple[bytes, bytes, int, int, int, str]:
    """Return what a client gets of it, and what is counted."""
    options = StreamOptions(choices=1, include_usage=True, continuous_usage=False)
    splitter, translator = EventSplitter(), StreamTranslator(options)
    out = b""
    for part in parts:
        out += translator.feed(splitter.feed(part))
        if translator.failure is not None:
            break
    tally = translator.tally
    failure = str(translator.failure or "")
    counts = (tally.output_tokens, int(tally.is_final), translator.chunks)
    return out, translator.held(), *counts, failure


def test_no_cut_changes_what_comes_out() -> None:
    chance = random.Random(SEED)
    cases = [(stream, events([stream]), shown([stream])) for stream in streams()]
    assert len(cases) > 5
    for number in range(CUTTINGS):
        stream, whole, told = cases[number % len(cases)]
        parts = pieces(stream, chance)
        assert events(parts) == whole, (SEED, number, parts)
        # The translator sees events alone: every tenth is enough to show it.
        if number % 10 == 0:
            assert shown(parts) == told, (SEED, number, parts)
