"""What is noted of an answer before it leaves, and once the kernel has taken it.

A piece is offered before the first byte of it is written, and written only after the
last is taken: the judge is the kernel. So a death finds at most one piece too much.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from inference.gateway.connection import Downstream
from inference.gateway.http import HttpRequest
from kit.contracts import TokenCounts
from tests.inference.engines.scripted import scripted_engine
from tests.inference.gateway import meter
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.kernel import (
    SMALLEST_BUFFER,
    shrink_send_buffer,
    taken_bytes,
)
from tests.inference.gateway.meter import RecordingTrace
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import App, RunningGateway, running_gateway
from tests.inference.gateway.test_slow_readers import Flood, _stands_still


@dataclass(frozen=True, slots=True)
class Note:
    """One call of the trace: what was offered last, and what the kernel had then."""

    is_offer: bool
    output_tokens: int
    taken: int
    buffered: int


class WatchedTrace(RecordingTrace):
    """Looks at the one connection each time that something is noted."""

    notes: list[Note]
    downstream: Downstream

    def offered(
        self, counts: TokenCounts, *, replica_id: int, first_token_us: int | None
    ) -> None:
        """Note an offer, before it leaves."""
        super().offered(counts, replica_id=replica_id, first_token_us=first_token_us)
        self._note(is_offer=True)

    def written(self) -> None:
        """Note that it was taken."""
        super().written()
        self._note(is_offer=False)

    def _note(self, *, is_offer: bool) -> None:
        transport = self.downstream._wire.transport
        sock = transport.get_extra_info("socket")
        last = self.offers[-1].output_tokens if self.offers else 0
        buffered = transport.get_write_buffer_size()
        self.notes.append(Note(is_offer, last, taken_bytes(sock), buffered))


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningGateway]:
    """Run a gateway that watches, and whose sockets hold little."""
    monkeypatch.setattr(meter, "RecordingTrace", WatchedTrace)
    monkeypatch.setattr(WatchedTrace, "notes", [], raising=False)

    def around(app: App) -> App:
        async def narrowed(http: HttpRequest) -> None:
            downstream = http.downstream
            monkeypatch.setattr(WatchedTrace, "downstream", downstream, raising=False)
            transport = downstream._wire.transport
            shrink_send_buffer(transport.get_extra_info("socket"))
            await app(http)

        return narrowed

    with running_gateway(around=around) as gateway:
        yield gateway


def test_an_offer_runs_one_piece_ahead_of_what_the_kernel_took(
    narrow: RunningGateway,
) -> None:
    flood = Flood(400_000)
    notes = WatchedTrace.notes
    with (
        scripted_engine(flood) as engine,
        RawClient(narrow.port, narrow.key, receive_bytes=SMALLEST_BUFFER) as slow,
    ):
        slow.chat(narrow.serve(engine.url), stream=True)
        # It reads nothing, and the first event is more than the kernel takes.
        wait_until(lambda: notes and _stands_still(flood))
        assert [(note.is_offer, note.output_tokens) for note in notes] == [(True, 1)]
        assert notes[0].buffered == 0
        assert slow.read().is_done

    offers = [note for note in notes if note.is_offer]
    assert [note.output_tokens for note in offers] == list(range(1, flood.blocks + 1))
    for before, after in itertools.pairwise(notes):
        # Whatever is noted, nothing of ours is on its way meanwhile.
        assert (before.buffered, after.buffered) == (0, 0)
        if before.is_offer:
            assert not after.is_offer
            assert after.taken - before.taken > len(flood.block)
        else:
            assert after.taken == before.taken


def test_who_leaves_amid_a_piece_has_not_taken_it(narrow: RunningGateway) -> None:
    flood = Flood(400_000)
    notes = WatchedTrace.notes
    with (
        scripted_engine(flood) as engine,
        RawClient(narrow.port, narrow.key, receive_bytes=SMALLEST_BUFFER) as slow,
    ):
        slow.chat(narrow.serve(engine.url), stream=True)
        wait_until(lambda: notes and _stands_still(flood))
        slow.reset()
        [outcome] = wait_until(lambda: narrow.meter.outcomes)
    [note] = notes
    assert (note.is_offer, note.output_tokens) == (True, 1)
    assert outcome.counts.output_tokens == 0
