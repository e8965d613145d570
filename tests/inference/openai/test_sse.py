"""Events out of bytes, wherever the bytes are cut."""

from itertools import pairwise
from typing import Any, Self

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inference.openai import sse
from inference.openai.sse import EventSplitter, EventTooLargeError

_TEXTS = st.text(
    alphabet=st.sampled_from("aé€😀 {}:,\"\\[]"), max_size=12
)  # fmt: skip
_ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def _streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Draw a stream of one kind of line ends, and the events that are in it."""
    end = draw(_ENDS)
    parts: list[str] = []
    events: list[bytes] = []
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["data", "tight", "lines", "comment", "named"]))
        text = draw(_TEXTS)
        # A space after the colon belongs to the format, so a tight line has none.
        tight = text.lstrip(" ")
        lines, event = {
            "data": ([f"data: {text}"], text),
            "tight": ([f"data:{tight}"], tight),
            "lines": ([f"data: {text}", "data", f"data: {text}"], f"{text}\n\n{text}"),
            "comment": ([f": {text}"], f": {text}"),
            "named": (["event: error", f"data: {text}", ": aside", "id: 1"], text),
        }[kind]
        parts.append(end.join(lines) + end * (2 + draw(st.integers(0, 2))))
        if event:
            is_marked = event.startswith(":") and kind != "comment"
            events.append(f" {event}".encode() if is_marked else event.encode())
    return "".join(parts).encode(), events


def split(data: bytes, *cuts: int) -> list[bytes]:
    """Feed the data in pieces; return all events."""
    splitter = EventSplitter()
    edges = [0, *sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(edges)]
    return [event for piece in pieces for event in splitter.feed(piece)]


@given(_streams())
@example((b"data: [DONE]\r\n\r\n", [b"[DONE]"]))
def test_any_cut_gives_the_same_events(stream: tuple[bytes, list[bytes]]) -> None:
    data, events = stream
    # After a CR the next byte decides: it is there in any stream that goes on.
    data += b": end\n\n"
    expected = [*events, b": end"]
    assert split(data) == expected
    for cut in range(len(data) + 1):
        assert split(data, cut) == expected


@given(_streams(), st.data())
def test_many_cuts_give_the_same_events(
    stream: tuple[bytes, list[bytes]], data: st.DataObject
) -> None:
    text, events = stream
    text += b": end\n\n"
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=20))
    assert split(text, *cuts) == [*events, b": end"]
    assert split(text, *range(len(text))) == [*events, b": end"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_given_with_its_last_byte(end: bytes) -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: x" + end) == []
    assert splitter.feed(end) == [b"x"]
    assert splitter.feed(b"data: y" + end + end) == [b"y"]


def test_the_line_feed_of_a_cut_line_end_is_no_empty_line() -> None:
    splitter = EventSplitter()
    for part in (b"data: a\r", b"", b"\n"):
        assert splitter.feed(part) == []
    assert splitter.feed(b"data: b\r\n\r") == [b"a\nb"]
    assert splitter.feed(b"\ndata: c\n\n") == [b"c"]


def test_line_ends_may_change_within_a_stream() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: a\r\r") == [b"a"]
    assert splitter.feed(b"data: {}\n\n") == [b"{}"]
    assert splitter.feed(b"data: b") == []
    assert splitter.feed(b"\n\n") == [b"b"]
    assert splitter.feed(b"data: {\rdata: }\n\n") == [b"{\n}"]


def test_fields_that_say_nothing_are_no_events() -> None:
    assert split(b"event: ping\n\nid: 4\nretry: 1\n\n\n\ndata: x\n\n") == [b"x"]
    assert split(b"datum: x\n\ndata\n\ndata: \n\n") == []


def test_a_byte_order_mark_is_dropped_at_the_start_and_nowhere_else() -> None:
    stream = b"\xef\xbb\xbfdata: {}\n\n"
    for cut in range(len(stream) + 1):
        assert split(stream, cut) == [b"{}"]
    assert split(stream, *range(len(stream))) == [b"{}"]
    assert split(b"data: {}\n\n" + stream) == [b"{}"]
    assert split(b"\xef\xbb\xbf" + stream, 3) == []
    assert split(b"\xef\xbbdata: {}\n\ndata: x\n\n", 1, 2, 3) == [b"x"]


def test_no_data_is_taken_for_a_comment() -> None:
    """A comment is passed on unread: it must not carry another event along."""
    assert split(b"data: :x\n\n") == [b" :x"]
    assert split(b"data: :\ndata: data: {}\n\n") == [b" :\ndata: {}"]
    assert split(b": x\n: y\n\n") == [b": x\n: y"]


def test_a_half_event_is_never_given() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: a\n\ndata: b\n") == [b"a"]
    assert splitter.feed(b"data: c") == []


@pytest.mark.parametrize("size", [1, 7, 300, 5_000])
def test_an_endless_event_is_refused(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(sse, "EVENT_BYTES_MAX", 1000)
    fitting = b"data: " + b"x" * 994
    assert split(fitting + b"\n\n", *range(0, 1000, size)) == [b"x" * 994]
    with pytest.raises(EventTooLargeError):
        split(fitting + b"x\n\n", *range(0, 1000, size))
    splitter = EventSplitter()
    assert splitter.feed(fitting) == []
    with pytest.raises(EventTooLargeError):
        splitter.feed(b"x")


def _refuse(*_: object) -> None:
    raise AssertionError("this work is not counted")


REFUSED: Any = _refuse


class CountingBuffer(bytearray):
    """A buffer that counts the bytes which are copied or looked at."""

    work = 0

    def __iadd__(self, data: Any) -> Self:  # type: ignore[misc]
        """Take in more: that much is copied, but for what growing costs."""
        self.work += len(data)
        return super().__iadd__(data)

    def rfind(self, *args: Any) -> int:
        """Search from the end down to a place."""
        self.work += len(self) - args[1]
        return super().rfind(*args)

    def __bytes__(self) -> bytes:
        """Copy everything."""
        self.work += len(self)
        return bytes(memoryview(self))

    # These may look at all of it without being counted.
    find = index = rindex = split = rsplit = partition = rpartition = REFUSED
    count = replace = strip = endswith = copy = REFUSED
    __add__ = __contains__ = __iter__ = __getitem__ = REFUSED


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_large_event_in_dribs_costs_what_it_costs_in_one(size: int) -> None:
    """Work grows with the bytes, however many pieces they come in."""
    for event_bytes in (50_000, 400_000):
        splitter = EventSplitter()
        splitter._rest = buffer = CountingBuffer()
        event = b"x" * event_bytes
        stream = b"data: " + event + b"\n\n"
        parts = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [got for part in parts for got in splitter.feed(part)] == [event]
        assert splitter._rest is buffer
        # Taken in once, searched once with one byte before each piece, copied once.
        assert buffer.work <= 3 * len(stream) + len(parts)


def test_a_line_of_megabytes_is_read() -> None:
    event = b"x" * (sse.EVENT_BYTES_MAX - 6)
    stream = b"data: " + event + b"\r\n\r\n"
    assert split(stream, *range(0, len(stream), 1000)) == [event]
