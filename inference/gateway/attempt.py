"""One attempt after another, until a replica takes the request.

Failure: a replica that cannot be reached, is overloaded or breaks off before its answer
began is passed over; any other refusal is the caller's answer. When the client leaves,
the engine's connection is cut, which stops it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
from inference.engines.exchange import Exchange
from inference.engines.origin import (
    EngineError,
    EngineLostError,
    EngineSilentError,
    EngineUnreachableError,
    origin_of,
)
from inference.engines.registry import BACKENDS
from inference.gateway.interruption import Interruption
from inference.gateway.settle import Settlement
from inference.openai.errors import rename_model
from inference.openai.requests import GenerationRequest
from inference.routing.snapshot import ReplicaEntry
from kit.errors import EngineFailed, EngineOverloaded, EngineTimeout, PlatformError

ERROR_BYTES_MAX = 64 * 1024
# A request that breaks engines must not be carried to every replica.
LOST_MAX = 2
_RETRY = {"retry-after": "1"}
# Nothing here unpacks: an answer is no larger than what comes of it.
_PLAIN = {"accept-encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that a replica has taken: its 200 status line was read."""

    exchange: Exchange
    replica: ReplicaEntry
    backend: InferenceBackend
    request: GenerationRequest
    envelope: Envelope

    def reader(self) -> EventReader:
        """Return what reads its streamed answer."""
        return self.backend.reader(self.request, self.envelope)

    def answer(self, body: bytes) -> bytes:
        """Return its whole answer in the OpenAI API's form."""
        return self.backend.answer(body, self.request, self.envelope)


class Attempts:
    """Finds a replica that takes a request."""

    def __init__(self, *, pool: EnginePool, salts: CacheSalts) -> None:
        self._pool = pool
        self._salts = salts

    async def open(
        self,
        request: GenerationRequest,
        *,
        settlement: Settlement,
        replicas: Sequence[ReplicaEntry],
        output_tokens_max: int | None,
        interruption: Interruption,
    ) -> Attempt:
        """Return the attempt that was taken; tell `settlement` of each replica tried.

        Raises the engine's refusal in our words, `EngineOverloaded` when no replica can
        take the request, and whatever interrupts it (`ClientGoneError`,
        `EndedError`).
        """
        refusal: PlatformError | None = None
        request_id = settlement.admission.request_id
        cache_salt = self._salts.of(settlement.admission.caller.tenant_id)
        lost = 0
        for number, replica in enumerate(replicas):
            settlement.replica_id = replica.id
            backend = BACKENDS[replica.dialect]
            envelope = Envelope(
                model=replica.upstream_model or request.model,
                attempt_id=f"{request_id.hex}-{number}",
                output_tokens_max=output_tokens_max,
                cache_salt=cache_salt,
                options=replica.options,
            )
            call = backend.call(request, envelope)
            try:
                exchange = await self._exchange(call, replica, settlement, interruption)
            except EngineUnreachableError:
                continue
            except EngineSilentError:
                raise EngineTimeout("The engine did not answer in time.") from None
            except EngineLostError:
                refusal = EngineFailed("The engine failed to answer. Try again.")
                lost += 1
                if lost == LOST_MAX:
                    break
                continue
            if exchange.status == 200:
                _require_plain(exchange)
                return Attempt(exchange, replica, backend, request, envelope)
            # What an engine refuses it has not taken, whoever leaves meanwhile.
            settlement.is_sent = False
            rename = (envelope.model, request.model)
            refusal = await _refusal(exchange, backend, rename=rename)
            if not isinstance(refusal, EngineOverloaded):
                break
        raise refusal or EngineOverloaded(
            "No replica of this model can be reached. Try again shortly.",
            headers=_RETRY,
        )

    async def _exchange(
        self,
        call: EngineCall,
        replica: ReplicaEntry,
        settlement: Settlement,
        interruption: Interruption,
    ) -> Exchange:
        """Send a call and read the status; replace a kept connection that was gone."""
        settlement.is_sent = False
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
