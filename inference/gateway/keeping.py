"""Answer from the cache what was answered before, and keep what may be asked again.

A kept answer goes the way of every other: admitted, held, relayed, settled; only that
no engine is asked, and that its price is the one for the model's name with `@cache`
behind it. Where that has no price for a caller, or the model has none, the cache is not
used for it: nothing is silently free.

Kept is a whole answer that ended well and that the engine counted, as the engine gave
it: the surface that asks next may be another one. What is the same request: the same
tenant's, of the same model, task, length and body but for how it is streamed.

Failure: none of its own; without the cache, engines answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from inference.caching.answers import KeptAnswers
from inference.caching.cache import VALUE_BYTES_MAX
from inference.caching.naming import priced_as
from inference.engines.backend import EventReader
from inference.engines.exchange import Take
from inference.gateway.admission import Call
from inference.gateway.answering import AnswerBytes, Answering
from inference.gateway.http import HttpRequest
from inference.gateway.interruption import Interruption
from inference.gateway.settle import Settlement
from inference.openai.reassembly import Reassembly
from inference.openai.replaying import stream_of
from inference.openai.requests import GenerationRequest
from inference.openai.sse import EventSplitter
from inference.openai.stream import StreamFormatError
from inference.openai.usage import Tally
from inference.routing.snapshot import ReplicaEntry
from kit.contracts import CountedBy, EventStatus, Meter
from kit.json_values import JsonObject, is_array, is_object

# No engine's: what it is said to have answered is held against no engine's counts.
NO_REPLICA = -1
# How it is asked, not what.
_ASIDE = frozenset({"model", "stream", "stream_options"})
_NOBODY = ReplicaEntry(
    id=NO_REPLICA,
    model="",
    name="cache",
    url="",
    dialect="",
    upstream_model="",
    credential="",
    active=False,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What the cache knows of a request; `answer` is None where it knows nothing."""

    key: bytes
    answer: JsonObject | None

    @property
    def headers(self) -> Mapping[str, str]:
        """Return what tells a client of it."""
        return {"x-tollgate-cache": "miss" if self.answer is None else "hit"}


@dataclass(frozen=True, slots=True)
class Keeping:
    """Finds and keeps answers."""

    answers: KeptAnswers
    meter: Meter

    async def find(self, http: HttpRequest, call: Call) -> Found | None:
        """Look for the answer to a request; None where the cache is not to be used.

        A client that says `no-store` neither gets nor leaves a kept answer; one that
        says `no-cache` has its answer made anew, and kept.
        """
        name, caller = call.model.name, call.caller
        said = http.header(b"cache-control").lower()
        if "no-store" in said or not (
            self.meter.price(caller, name) and self.meter.price(caller, priced_as(name))
        ):
            return None
        key = self.answers.key(caller.tenant_id, _asked(call))
        answer = None
        if "no-cache" not in said:
            kept = await self.answers.get(caller.tenant_id, key)
            answer = None if kept is None else orjson.loads(kept)
        return Found(key, answer)

    def keep(
        self, call: Call, found: Found, recorded: "Recorded", settlement: Settlement
    ) -> None:
        """Keep an answer that is whole and was counted."""
        outcome = settlement.outcome
        if (
            outcome is None
            or outcome.status is not EventStatus.OK
            or outcome.counted_by is not CountedBy.ENGINE
        ):
            return
        answer = recorded.whole()
        if answer is None:
            return
        kept = orjson.dumps({**answer, "model": call.model.name})
        self.answers.put(
            call.caller.tenant_id, found.key, kept, ttl_s=call.model.cache_s
        )


def replay(
    answer: JsonObject,
    request: GenerationRequest,
    settlement: Settlement,
    interruption: Interruption,
) -> "Replayed":
    """Return a kept answer as it is relayed; its id is this request's own."""
    settlement.replica_id = NO_REPLICA
    before = answer.get("id")
    if isinstance(before, str):
        kind = before.partition("-")[0]
        answer = {**answer, "id": f"{kind}-{settlement.admission.request_id.hex}"}
    body = stream_of(answer) if request.stream else orjson.dumps(answer)
    return Replayed(_Given(body, interruption), request)


@dataclass(slots=True)
class _Given:
    """Bytes that are there, as if they came."""

    body: bytes
    interruption: Interruption

    async def read(self) -> bytes:
        # Whoever has left is noticed behind it: what it used is known by then.
        body, self.body = self.body, b""
        return body

    async def pour(self, take: Take) -> bool:
        take(await self.read())
        return True

    async def read_all(self, *, bytes_max: int) -> bytes:
        return await self.read()

    def raise_if_stopped(self) -> None:
        self.interruption.check()

    def close(self) -> None:
        self.body = b""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A kept answer; implements `Answering`."""

    exchange: AnswerBytes
    request: GenerationRequest
    replica: ReplicaEntry = _NOBODY

    def reader(self) -> EventReader:
        """Split the stream that was made of it."""
        return EventSplitter()

    def done(self) -> None:
        """Nobody is kept from others by it."""

    def broke_off(self, error: BaseException) -> None:
        """No engine has a part in it."""

    def answer(self, body: bytes) -> bytes:
        """Leave the answer as it is."""
        return body


@dataclass(slots=True)
class Recorded:
    """An engine's answer of which a copy is made on its way; implements `Answering`."""

    inner: Answering
    body: bytes = b""
    stream: Reassembly | None = None
    _is_broken: bool = field(default=False)

    @property
    def exchange(self) -> AnswerBytes:
        """Return the engine's."""
        return self.inner.exchange

    @property
    def replica(self) -> ReplicaEntry:
        """Return who answers."""
        return self.inner.replica

    @property
    def request(self) -> GenerationRequest:
        """Return what was asked."""
        return self.inner.request

    def reader(self) -> EventReader:
        """Return what reads the stream, and lets the copy be made."""
        self.stream = Reassembly()
        return _Copying(self.inner.reader(), self)

    def done(self) -> None:
        """Pass it on."""
        self.inner.done()

    def broke_off(self, error: BaseException) -> None:
        """Pass it on."""
        self.inner.broke_off(error)

    def answer(self, body: bytes) -> bytes:
        """Return the whole answer, and keep it."""
        self.body = self.inner.answer(body)
        return self.body

    def copy(self, events: list[bytes]) -> None:
        """Take in what came of a stream; what is none is for the relay to say."""
        if self.stream is None or self._is_broken:
            return
        try:
            for event in events:
                self.stream.add(event)
        except StreamFormatError:
            self._is_broken = True

    def whole(self) -> JsonObject | None:
        """Return the answer, if all of it came and its usage with it."""
        if len(self.body) > VALUE_BYTES_MAX:
            # It would not be kept: no time is spent on reading it.
            return None
        if self.stream is None:
            json: Any = orjson.loads(self.body) if self.body else None
            is_answer = is_object(json) and is_object(json.get("usage"))
            return json if is_answer and _can_be_streamed(json) else None
        if self._is_broken or self.stream.usage is None:
            return None
        return self.stream.answer(usage=self.stream.usage)


@dataclass(frozen=True, slots=True)
class _Copying:
    """Reads events for the relay, and for the copy."""

    inner: EventReader
    recorded: Recorded

    def feed(self, data: bytes) -> list[bytes]:
        events = self.inner.feed(data)
        self.recorded.copy(events)
        return events


def _can_be_streamed(answer: JsonObject) -> bool:
    """Tell whether its choices and calls are some: whoever asks next may stream it."""
    for choice in answer.get("choices", ()):
        if not is_object(choice):
            return False
        message = choice.get("message")
        calls = message.get("tool_calls") if is_object(message) else None
        if calls and not (is_array(calls) and all(map(is_object, calls))):
            return False
    return True


def billed_from_cache(call: Call, answer: JsonObject) -> Call:
    """Return the call as it is admitted when its answer was kept.

    What it uses is known, and held as a whole: a kept answer is not cut at a budget.
    """
    tally = Tally()
    usage: JsonObject = answer["usage"]
    # Of what only reads its prompt, some say the total alone.
    prompt = usage.get("total_tokens")
    tally.final({"completion_tokens": 0, "prompt_tokens": prompt, **usage})
    return replace(call, priced_as=priced_as(call.model.name), known=tally.counts())


def _asked(call: Call) -> bytes:
    """Return what makes a request the same as another."""
    payload = call.request.payload
    said = {name: value for name, value in payload.items() if name not in _ASIDE}
    return orjson.dumps(
        [call.model.name, call.request.task, call.output_tokens_max, said],
        option=orjson.OPT_SORT_KEYS,
    )
