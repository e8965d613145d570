"""Events out of bytes, wherever the bytes are cut."""

from itertools import pairwise

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
            events.append(event.encode())
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


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_an_event_is_given_with_its_last_byte(end: bytes) -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: x" + end) == []
    assert splitter.feed(end) == [b"x"]
    assert splitter.is_between_events


def test_fields_that_say_nothing_are_no_events() -> None:
    assert split(b"event: ping\n\nid: 4\nretry: 1\n\n\n\ndata: x\n\n") == [b"x"]
    assert split(b"datum: x\n\n") == []


def test_a_half_event_is_never_given() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: a\n\ndata: b") == [b"a"]
    assert not splitter.is_between_events


def test_an_endless_event_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "EVENT_BYTES_MAX", 1000)
    splitter = EventSplitter()
    assert splitter.feed(b"data: " + b"x" * 900) == []
    with pytest.raises(EventTooLargeError):
        splitter.feed(b"x" * 200)
