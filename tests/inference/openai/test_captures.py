"""What real engines sent comes out the same, wherever the network cut it.

Two witnesses that share no code with us say what is right: the openai SDK's decoder,
and the last usage that the engine itself wrote into the stream.
"""

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from inference.openai.shapes import PLAIN
from inference.openai.sse import EventSplitter
from inference.openai.stream import StreamOptions, StreamTranslator
from kit.contracts import TokenCounts
from kit.errors import EngineFailed

CAPTURES = Path(__file__).parents[2] / "captures"
# Those of other APIs were not recorded, and their dialects' own tests read them.
ENGINES = ("llamacpp", "vllm")
STREAMS = sorted(
    path for path in CAPTURES.glob("*/*.sse") if path.parent.name in ENGINES
)
# Of an engine that was told to stop in the middle of an answer.
ABORTED = CAPTURES / "vllm" / "sigterm_midstream.sse"
# Only these go through the translator; other surfaces have events of their own.
GENERATIONS = [
    path for path in STREAMS if "choices" in path.read_text() and path != ABORTED
]
ENDS = [b"\n", b"\r\n", b"\r"]
IGNORES_N = "llamacpp-chat_stream_n2_contusage"
# A long stream is cut at each byte of its beginning and its end; the dribs below cut it
# at all others.
CUT_BYTES_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Translated:
    """What became of a stream: the client's bytes, what was counted, how it ended."""

    sent: bytes
    held: bytes
    counts: TokenCounts
    is_reported: bool
    is_done: bool
    is_finished: bool


def name_of(path: Path) -> str:
    """Return a capture's engine and name, for the test's id."""
    return f"{path.parent.name}-{path.stem}"


every_stream = pytest.mark.parametrize("path", STREAMS, ids=name_of)
every_generation = pytest.mark.parametrize("path", GENERATIONS, ids=name_of)


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Cut the data at these places."""
    return [data[a:b] for a, b in pairwise([0, *sorted(cuts), len(data)])]


def dribs(data: bytes, size: int) -> list[bytes]:
    """Cut the data into pieces of one size."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def cut_places(data: bytes) -> list[int]:
    """Return where a stream is cut in two."""
    last = len(data) + 1
    near = min(CUT_BYTES_MAX, last)
    return sorted({*range(near), *range(last - near, last)})


def split(parts: Iterable[bytes]) -> list[bytes]:
    """Return the events that the splitter gives out."""
    splitter = EventSplitter()
    return [event for part in parts for event in splitter.feed(part)]


def translate(path: Path, parts: Iterable[bytes]) -> Translated:
    """Pass a capture through, as the client of its request would get it."""
    asked = path.with_suffix(".json")
    request = orjson.loads(asked.read_bytes()) if asked.exists() else {}
    shown = request.get("stream_options") or {}
    translator = StreamTranslator(
        StreamOptions(
            choices=request.get("n", 1),
            include_usage=shown.get("include_usage", False),
            continuous_usage=shown.get("continuous_usage_stats", False),
            rename=("tiny-llama", "public"),
        )
    )
    splitter = EventSplitter()
    sent = b"".join(translator.feed(splitter.feed(part)) for part in parts)
    assert translator.failure is None
    counts = translator.tally.counts()
    return Translated(
        sent,
        translator.held() + PLAIN.ending(counts) * translator.is_done,
        counts,
        translator.tally.is_reported,
        translator.is_done,
        translator.is_finished,
    )


def sdk_events(data: bytes) -> list[str]:
    """Return the data of all events, as the openai SDK reads them."""
    return [event.data for event in SSEDecoder().iter_bytes(iter([data]))]


def sdk_chunks(data: bytes) -> list[dict[str, Any]]:
    """Return the parsed events without the end mark."""
    return [orjson.loads(text) for text in sdk_events(data) if text != "[DONE]"]


def texts(data: bytes) -> dict[int, str]:
    """Return what each choice says."""
    said: dict[int, str] = defaultdict(str)
    for chunk in sdk_chunks(data):
        for choice in chunk["choices"]:
            text = choice["delta"].get("content") if "delta" in choice else None
            said[choice["index"]] += text or choice.get("text") or ""
    return dict(said)


def test_the_captures_are_what_the_tests_say_they_are() -> None:
    assert len(STREAMS) == 15
    assert len(GENERATIONS) == 12
    assert any(not path.read_bytes().isascii() for path in GENERATIONS)
    assert not any(b"\r" in path.read_bytes() for path in STREAMS)


@pytest.mark.parametrize("end", ENDS, ids=["lf", "crlf", "cr"])
@every_stream
def test_every_cut_gives_the_events_that_the_sdk_reads(path: Path, end: bytes) -> None:
    data = path.read_bytes().replace(b"\n", end)
    expected = [event.encode() for event in sdk_events(data)]
    assert len(expected) > 3
    for cut in cut_places(data):
        assert split([data[:cut], data[cut:]]) == expected, cut
    for size in (1, 2, 3):
        assert split(dribs(data, size)) == expected


@every_generation
def test_every_cut_gives_the_same_bytes_and_the_same_usage(path: Path) -> None:
    data = path.read_bytes()
    expected = translate(path, [data])
    assert expected.is_done
    # llama-cpp-python reads over `n`: one choice never comes, and is missed.
    assert expected.is_finished == (name_of(path) != IGNORES_N)
    for cut in cut_places(data):
        assert translate(path, [data[:cut], data[cut:]]) == expected, cut
    for size in (1, 2, 3):
        assert translate(path, dribs(data, size)) == expected
    for end in (b"\r\n", b"\r"):
        assert translate(path, dribs(data.replace(b"\n", end), 1)) == expected


@every_generation
def test_the_usage_is_the_last_that_the_engine_wrote(path: Path) -> None:
    data = path.read_bytes()
    counted = translate(path, [data])
    reported = [usage for chunk in sdk_chunks(data) if (usage := chunk.get("usage"))]
    assert counted.is_reported == bool(reported) == (path.parent.name == "vllm")
    if reported:
        assert counted.counts.input_tokens == reported[-1]["prompt_tokens"]
        assert counted.counts.output_tokens == reported[-1]["completion_tokens"]


@every_generation
def test_the_client_reads_what_the_engine_said(path: Path) -> None:
    data = path.read_bytes()
    out = translate(path, [data])
    assert texts(out.sent + out.held) == texts(data)
    assert sdk_events(out.held)[-1] == "[DONE]"
    assert {chunk["model"] for chunk in sdk_chunks(out.sent + out.held)} == {"public"}


@pytest.mark.parametrize("size", [1, 1_000, 1_000_000])
def test_an_engine_that_was_told_to_stop_has_not_answered(size: int) -> None:
    """All that it said is passed on and counted; its end is no end of an answer."""
    data = ABORTED.read_bytes()
    translator = StreamTranslator(
        StreamOptions(choices=1, include_usage=False, continuous_usage=False)
    )
    splitter, sent = EventSplitter(), b""
    for part in dribs(data, size):
        sent += translator.feed(splitter.feed(part))
        if translator.failure is not None:
            break
    assert isinstance(translator.failure, EngineFailed)
    assert texts(sent) == texts(data)
    assert not translator.is_done
    last = sdk_chunks(data)[-1]["usage"]["completion_tokens"]
    assert translator.tally.output_tokens == last


@given(st.sampled_from(GENERATIONS), st.randoms(use_true_random=False), st.data())
def test_random_cuts_change_nothing(
    path: Path, chance: random.Random, data: st.DataObject
) -> None:
    stream = path.read_bytes()
    count = data.draw(st.integers(0, 60))
    cuts = [chance.randrange(len(stream) + 1) for _ in range(count)]
    assert translate(path, pieces(stream, cuts)) == translate(path, [stream])


@every_generation
def test_of_a_stream_that_breaks_off_only_whole_events_come_out(path: Path) -> None:
    """Whole are those whose empty line has come."""
    data = path.read_bytes()
    whole = sdk_events(data)
    for cut in cut_places(data):
        given = split([data[:cut]])
        assert given == [event.encode() for event in whole[: len(given)]]
        assert len(given) == data[:cut].count(b"\n\n")
