"""How a surface shows an answer: chat's own form, which engines speak, or another.

Inside, every answer is chunks of a chat or of a completion, whatever engine makes them.
A surface of another form turns them, one by one, into what its clients read. A shape is
one request's: it may remember what it has shown. Failure: none of its own; how errors
are shown is part of it. Pure.
"""

from typing import Protocol

from inference.openai.errors import body_of, event_of
from kit.contracts import TokenCounts
from kit.errors import PlatformError
from kit.json_values import JsonObject

DONE = b"[DONE]"
END = b"data: " + DONE + b"\n\n"


class ErrorForm(Protocol):
    """How a surface says what went wrong."""

    def body(self, error: PlatformError, *, request_id: str) -> bytes:
        """Return the body of an error's own answer."""
        ...

    def last_event(self, error: PlatformError, *, request_id: str) -> bytes:
        """Return what ends a stream that an error cut short."""
        ...


class Shape(ErrorForm, Protocol):
    """How one request's answer is shown."""

    @property
    def wants_usage(self) -> bool:
        """Tell whether chunks are to keep their running usage: it is shown, or used."""
        ...

    def event(self, chunk: bytes) -> bytes:
        """Return what a client gets for one chunk, the finish included."""
        ...

    def take_back(self) -> None:
        """Forget that the last chunk was shown: it is not sent, and the stream ends."""
        ...

    def ending(self, counts: TokenCounts) -> bytes:
        """Return what ends a stream whose usage is committed."""
        ...

    def answer(self, answer: JsonObject, counts: TokenCounts) -> JsonObject:
        """Return a whole answer, given in the form of a chat or a completion."""
        ...


class OpenAIErrors:
    """The error object of the OpenAI API."""

    def body(self, error: PlatformError, *, request_id: str) -> bytes:
        """Return the error object."""
        return body_of(error)

    def last_event(self, error: PlatformError, *, request_id: str) -> bytes:
        """Return the error as an event; no end mark follows it."""
        return event_of(error)


class PlainShape(OpenAIErrors):
    """Chunks and answers as engines make them: chat, completions, embeddings."""

    wants_usage = False

    def event(self, chunk: bytes) -> bytes:
        """Frame a chunk."""
        return b"data: " + chunk + b"\n\n"

    def take_back(self) -> None:
        """Do nothing: no event tells of another."""

    def ending(self, counts: TokenCounts) -> bytes:
        """Return the end mark."""
        return END

    def answer(self, answer: JsonObject, counts: TokenCounts) -> JsonObject:
        """Leave it as it is."""
        return answer


OPENAI_ERRORS = OpenAIErrors()
PLAIN = PlainShape()
