"""What the relay reads an answer from: an engine's attempt, or one that was kept.

Failure: as `Attempt` and `Exchange` say; what interrupts the request is raised by
whatever is read next.
"""

from typing import Protocol

from inference.engines.backend import EventReader
from inference.engines.exchange import Take
from inference.openai.requests import GenerationRequest
from inference.routing.snapshot import ReplicaEntry


class AnswerBytes(Protocol):
    """The bytes of an answer as they come."""

    async def read(self) -> bytes:
        """Return the next bytes; none at the end."""
        ...

    async def pour(self, take: Take) -> bool:
        """Give them to `take` as long as it wants more; tell whether they ended."""
        ...

    async def read_all(self, *, bytes_max: int) -> bytes:
        """Return all that is left."""
        ...

    def raise_if_stopped(self) -> None:
        """Raise what the request was interrupted by, if it was."""
        ...

    def close(self) -> None:
        """Read no more of it."""
        ...


class Answering(Protocol):
    """A request that is being answered."""

    @property
    def exchange(self) -> AnswerBytes:
        """Return where the answer's bytes come from."""
        ...

    @property
    def replica(self) -> ReplicaEntry:
        """Return who answers."""
        ...

    @property
    def request(self) -> GenerationRequest:
        """Return what was asked."""
        ...

    def reader(self) -> EventReader:
        """Return what reads its streamed answer."""
        ...

    def done(self) -> None:
        """Note that whoever answers has said all: it is free for others."""
        ...

    def broke_off(self, error: BaseException) -> None:
        """Note what ended an answer before its time: it may be the engine's death."""
        ...

    def answer(self, body: bytes) -> bytes:
        """Return its whole answer in the OpenAI API's form."""
        ...
