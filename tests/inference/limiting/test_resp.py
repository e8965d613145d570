"""Replies in any pieces, and what is none."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.limiting.resp import (
    REPLY_BYTES_MAX,
    Reply,
    ReplyReader,
    RespError,
    ServerError,
    encode,
)

REPLIES = st.recursive(
    st.binary(max_size=40) | st.integers(-(2**63), 2**63 - 1) | st.none(),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
).filter(lambda reply: _depth(reply) <= 4)


def _depth(reply: object) -> int:
    return 1 + max(map(_depth, reply), default=0) if isinstance(reply, list) else 0


def written(reply: object) -> bytes:
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    assert isinstance(reply, list)
    return b"*%d\r\n" % len(reply) + b"".join(map(written, reply))


@given(st.lists(REPLIES, max_size=5), st.lists(st.integers(0, 200)))
def test_replies_come_out_whole_however_they_are_cut(
    replies: list[Reply], cuts: list[int]
) -> None:
    stream = b"".join(map(written, replies))
    reader, read = ReplyReader(), list[Reply]()
    start = 0
    for end in [*sorted(cuts), len(stream)]:
        read += reader.feed(stream[start:end])
        start = max(start, end)
    assert read == replies


def test_commands_are_arrays_of_strings() -> None:
    expected = b"*4\r\n$3\r\nSET\r\n$2\r\n\xc3\xa9\r\n$2\r\n42\r\n$2\r\n\r\n\r\n"
    assert encode("SET", "é", 42, b"\r\n") == expected


def test_an_error_of_the_server_is_a_value() -> None:
    [error, line, nothing] = ReplyReader().feed(
        b"-NOSCRIPT No matching script\r\n+OK\r\n*-1\r\n"
    )
    assert isinstance(error, ServerError)
    assert error.code == "NOSCRIPT"
    assert [line, nothing] == [b"OK", None]


@pytest.mark.parametrize(
    "stream",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b":one\r\n",
        b"$-2\r\n",
        b"$3\r\nlonger\r\n",
        b"$%d\r\n" % (REPLY_BYTES_MAX + 1),
        b"*100000\r\n",
        b"*1\r\n" * 6 + b":1\r\n",
        b"+" + b"x" * (REPLY_BYTES_MAX + 1),
    ],
)
def test_what_is_no_reply_or_too_large_is_an_error(stream: bytes) -> None:
    with pytest.raises(RespError):
        list(ReplyReader().feed(stream))


@given(st.binary(max_size=200))
def test_nothing_else_can_come_of_what_is_read(data: bytes) -> None:
    with suppress(RespError):
        list(ReplyReader().feed(data))
