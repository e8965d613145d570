"""The kernel tells what both ends hold, the same in both ways of asking."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.standins import kernel_queues
from tests.standins.kernel_queues import (
    lying_in_sockets,
    queue_by_address,
    queue_in_proc,
    unacknowledged_bytes,
)

LOOPBACK = "127.0.0.1"
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Provide a sender and a reader that takes little."""
    with (
        socket.create_server((LOOPBACK, 0)) as server,
        socket.socket() as reader,
    ):
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(server.getsockname())
        sender, _ = server.accept()
        with sender:
            yield sender, reader


@pytest.fixture
def sent(pair: Pair) -> int:
    """Send all that the kernel takes; return how much that is."""
    sender, _ = pair
    sender.setblocking(False)
    total = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            total += sender.send(b"x" * 65536)
    return total


def test_both_ends_together_hold_what_was_sent(pair: Pair, sent: int) -> None:
    _, reader = pair
    lying = lying_in_sockets(reader)
    assert 0 < lying.unread_bytes < sent
    assert 0 < lying.unacknowledged_bytes < sent
    assert sent <= lying.bytes_max <= sent + lying.unread_bytes


def test_what_is_unread_is_shown_and_left_there(pair: Pair) -> None:
    sender, reader = pair
    sender.sendall(b"here")
    assert reader.recv(1) == b"h"
    assert lying_in_sockets(reader).unread == b"ere"
    assert reader.recv(10) == b"ere"
    assert lying_in_sockets(reader).bytes_max == 0


def test_both_ways_of_asking_give_one_answer(pair: Pair, sent: int) -> None:
    sender, reader = pair
    ends = sender.getsockname(), reader.getsockname()
    expected = queue_in_proc(*ends)
    assert 0 < expected < sent
    try:
        assert queue_by_address(*ends) == expected
    except OSError:
        pytest.skip("this kernel does not tell of one socket")


def test_a_kernel_that_does_not_tell_is_read_through_proc(
    pair: Pair, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, reader = pair
    ends = sender.getsockname(), reader.getsockname()
    # A protocol of this family that there is not.
    monkeypatch.setattr(kernel_queues, "_SOCK_DIAG", 255)
    with pytest.raises(OSError, match="rotocol"):
        queue_by_address(*ends)
    assert 0 < unacknowledged_bytes(*ends) < sent


def test_a_socket_that_is_gone_holds_nothing(pair: Pair) -> None:
    sender, _ = pair
    nobody = (LOOPBACK, 1)
    with pytest.raises(OSError):  # noqa: PT011 (each kernel has its own)
        queue_by_address(sender.getsockname(), nobody)
    assert unacknowledged_bytes(sender.getsockname(), nobody) == 0
