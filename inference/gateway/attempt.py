"""One attempt after another, until a replica takes the request.

Failure: a replica that cannot be reached, is overloaded or breaks off before the client
can have a byte is passed over; any other refusal is the caller's answer. When the
client leaves, the engine's connection is cut, which stops it.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from itertools import count
from typing import Any, TypeAlias

from inference.engines.auth.registry import AUTH
from inference.engines.backend import (
    EngineCall,
    Envelope,
    EventReader,
    InferenceBackend,
)
from inference.engines.cache_salt import CacheSalts
from inference.engines.client import EnginePool
from inference.engines.credentials import credential
from inference.engines.exchange import Exchange, Take
from inference.engines.origin import (
    EngineError,
    EngineLostError,
    EngineSilentError,
    EngineUnreachableError,
    origin_of,
)
from inference.engines.registry import BACKENDS
from inference.gateway.answering import AnswerBytes
from inference.gateway.interruption import Interruption
from inference.gateway.settle import Settlement
from inference.openai.errors import rename_model
from inference.openai.requests import GenerationRequest
from inference.routing.fleet import Failure
from inference.routing.snapshot import ReplicaEntry
from inference.scheduling.turns import Turn
from kit.errors import EngineFailed, EngineOverloaded, EngineTimeout, PlatformError
from kit.records import record

ERROR_BYTES_MAX = 64 * 1024
ANSWER_BYTES_MAX = 64 * 1024 * 1024
# A request that breaks engines must not be carried to every replica.
LOST_MAX = 2
_BROKEN = frozenset({Failure.LOST, Failure.FAULT})
_RETRY = {"retry-after": "1"}
# Nothing here unpacks: an answer is no larger than what comes of it.
_PLAIN = {"accept-encoding": "identity"}
# Waits for another replica, until the request is interrupted.
Waiting: TypeAlias = Callable[[Coroutine[Any, Any, bool]], Awaitable[bool]]


@record(frozen=True, slots=True)
class Whole:
    """An answer that is all there; implements `AnswerBytes`."""

    body: bytes

    async def read(self) -> bytes:
        """Return all of it."""
        return self.body

    async def pour(self, take: Take) -> bool:
        """Give all of it at once."""
        take(self.body)
        return True

    async def read_all(self, *, bytes_max: int) -> bytes:
        """Return all of it."""
        return self.body

    def raise_if_stopped(self) -> None:
        """Whoever leaves now is noticed when it is handed over."""

    def close(self) -> None:
        """Do nothing: the engine's connection is free already."""


@record(frozen=True, slots=True)
class Attempt:
    """A request that a replica has taken; implements `Answering`."""

    exchange: AnswerBytes
    turn: Turn
    backend: InferenceBackend
    request: GenerationRequest
    envelope: Envelope

    @property
    def replica(self) -> ReplicaEntry:
        """Return who answers."""
        return self.turn.replica

    def done(self) -> None:
        """Free the replica's place."""
        self.turn.free()

    def broke_off(self, error: BaseException) -> None:
        """Tell what the replica did wrong, where it did."""
        if isinstance(error, EngineSilentError | EngineLostError):
            self.turn.place.failed(Failure.BROKE_OFF)

    def reader(self) -> EventReader:
        """Return what reads its streamed answer."""
        return self.backend.reader(self.request, self.envelope)

    def answer(self, body: bytes) -> bytes:
        """Return its whole answer in the OpenAI API's form."""
        return self.backend.answer(body, self.request, self.envelope)


class _FailedError(Exception):
    """A replica did not take a request for reasons of its own; `reply` tells of it."""

    def __init__(
        self,
        failure: Failure,
        reply: PlatformError | EngineError,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(failure.name)
        self.failure = failure
        self.reply = reply
        self.retry_after_s = retry_after_s


class Attempts:
    """Finds a replica that takes a request."""

    def __init__(self, *, pool: EnginePool, salts: CacheSalts) -> None:
        self._pool = pool
        self._salts = salts
        self.retries: Counter[Failure] = Counter()

    async def open(
        self,
        request: GenerationRequest,
        *,
        settlement: Settlement,
        turn: Turn,
        output_tokens_max: int | None,
        interruption: Interruption,
        wait_for: Waiting,
    ) -> Attempt:
        """Return the attempt that was taken; tell `settlement` of each replica tried.

        Something of a stream is there by then, and all of an answer that is wanted at
        once: until then another replica may be tried. Raises the engine's refusal in
        our words, `EngineOverloaded` when no replica can take the request, an
        `EngineError` when the last one broke off within its answer, and whatever
        interrupts the request (`ClientGoneError`, `EndedError`). `wait_for` another
        replica is what looks after the client meanwhile.
        """
        cache_salt = self._salts.of(settlement.admission.caller.tenant_id)
        broke = 0
        for number in count():
            replica = turn.replica
            settlement.replica_id = replica.id
            settlement.attempts = number + 1
            envelope = Envelope(
                model=replica.upstream_model or request.model,
                attempt_id=f"{settlement.admission.request_id.hex}-{number}",
                output_tokens_max=output_tokens_max,
                cache_salt=cache_salt,
                options=replica.options,
            )
            try:
                return await self._tried(
                    request, envelope, turn, settlement, interruption
                )
            except _FailedError as failed:
                # A request that breaks engines must not be carried to every replica.
                broke += failed.failure in _BROKEN
                if broke >= LOST_MAX:
                    turn.place.failed(failed.failure)
                    raise failed.reply from None
                moving = turn.move(failed.failure, retry_after_s=failed.retry_after_s)
                if not await wait_for(moving):
                    raise failed.reply from None
                self.retries[failed.failure] += 1
        raise AssertionError("counting does not end")

    async def _tried(
        self,
        request: GenerationRequest,
        envelope: Envelope,
        turn: Turn,
        settlement: Settlement,
        interruption: Interruption,
    ) -> Attempt:
        """Try one replica; raises `_FailedError` where another one may do better."""
        replica = turn.replica
        backend = BACKENDS[replica.dialect]
        call = backend.call(request, envelope)
        try:
            exchange = await self._exchange(call, replica, settlement, interruption)
        except EngineUnreachableError:
            raise _FailedError(Failure.UNREACHABLE, _unreachable()) from None
        except EngineSilentError:
            turn.place.failed(Failure.SILENT)
            raise EngineTimeout("The engine did not answer in time.") from None
        except EngineLostError:
            reply = EngineFailed("The engine failed to answer. Try again.")
            raise _FailedError(Failure.LOST, reply) from None
        if exchange.status != 200:
            # What an engine refuses it has not taken, whoever leaves meanwhile.
            settlement.is_sent = False
            rename = (envelope.model, request.model)
            refusal = await _refusal(exchange, backend, rename=rename)
            if isinstance(refusal, EngineOverloaded):
                after_s = _retry_after_s(exchange)
                raise _FailedError(Failure.OVERLOADED, refusal, after_s)
            if isinstance(refusal, EngineFailed):
                raise _FailedError(Failure.FAULT, refusal)
            turn.place.answered()
            raise refusal
        _require_plain(exchange)
        settlement.is_taken = True
        answer: AnswerBytes = exchange
        try:
            if request.stream:
                # The client may take its time with what the engine has long said.
                exchange.when_complete(turn.free)
                await exchange.begun()
            else:
                answer = Whole(await exchange.read_all(bytes_max=ANSWER_BYTES_MAX))
        except EngineSilentError:
            exchange.close()
            turn.place.failed(Failure.SILENT)
            raise
        except EngineLostError as lost:
            exchange.close()
            raise _FailedError(Failure.LOST, lost) from None
        except BaseException:
            exchange.close()
            raise
        if not request.stream:
            exchange.close()
        turn.place.answered()
        return Attempt(answer, turn, backend, request, envelope)

    async def _exchange(
        self,
        call: EngineCall,
        replica: ReplicaEntry,
        settlement: Settlement,
        interruption: Interruption,
    ) -> Exchange:
        """Send a call and read the status; replace a kept connection that was gone."""
        settlement.is_sent = settlement.is_taken = False
        origin = origin_of(replica.url)
        key = credential(replica.credential)
        proof = await AUTH[replica.auth].headers(origin, call, key, replica.options)
        while True:
            interruption.check()
            exchange = await self._pool.request(
                origin,
                method="POST",
                path=call.path,
                headers={**call.headers, **_PLAIN, **proof},
                body=call.body,
            )
            settlement.watch.sent()
            was_kept = exchange.is_reused
            interruption.pass_on_to(exchange.interrupter())
            try:
                await exchange.head()
            except EngineUnreachableError:
                exchange.close()
                if was_kept:
                    continue
                raise
            except BaseException:
                settlement.is_sent = exchange.is_sent
                exchange.close()
                raise
            settlement.is_sent = True
            return exchange


def _unreachable() -> EngineOverloaded:
    return EngineOverloaded(
        "No replica of this model can be reached. Try again shortly.", headers=_RETRY
    )


def _retry_after_s(exchange: Exchange) -> float:
    """Return how long an engine asks to be left alone; 0 where it does not say."""
    for name, value in exchange.headers:
        if name == b"retry-after" and value.isdigit():
            return float(value)
    return 0.0


def _require_plain(exchange: Exchange) -> None:
    """Refuse an answer that was packed unasked: the engine is not what it seems."""
    for name, value in exchange.headers:
        if name == b"content-encoding" and value.lower() != b"identity":
            exchange.close()
            raise EngineFailed("The engine's answer cannot be read.")


async def _refusal(
    exchange: Exchange, backend: InferenceBackend, *, rename: tuple[str, str]
) -> PlatformError:
    """Read an engine's refusal; what it calls the model is not the caller's to read."""
    try:
        body = await exchange.read_all(bytes_max=ERROR_BYTES_MAX)
    except EngineError:
        body = b""
    finally:
        exchange.close()
    refusal = backend.error(exchange.status, body)
    rename_model(refusal, *rename)
    return refusal
