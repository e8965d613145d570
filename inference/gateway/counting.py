"""Count what an engine did not: a prompt at its `/tokenize`, a text with its tokenizer.

A request that ends before any usage was read is counted afterwards, while its admission
stays open: at any replica of the model, for up to `PATIENCE_S`. Failure: what cannot be
counted is None, and the event says so. Owns: the tasks that count; a gateway that stops
gives them `LAST_S` and then ends them.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field

import structlog

from inference.engines.auth.registry import AUTH
from inference.engines.backend import EngineCall, InferenceBackend
from inference.engines.client import EnginePool
from inference.engines.credentials import credential
from inference.engines.origin import EngineError, EngineLostError, origin_of
from inference.engines.registry import BACKENDS
from inference.openai.requests import GenerationRequest
from inference.openai.usage import UsageError
from inference.routing.snapshot import ReplicaEntry, Snapshot
from inference.tokenizers.pool import TokenizerPool

PATIENCE_S = 30.0
# Where a client waits for the end of its answer, it cannot be kept that long.
WAITED_FOR_S = 2.0
LAST_S = 5.0
PAUSE_S = 0.5
# A count comes with the tokens themselves, at some seven bytes each.
COUNT_BYTES_MAX = 16 * 1024 * 1024
CALLS_AT_ONCE = 8

log = structlog.get_logger("tollgate.gateway")


@dataclass(slots=True)
class Counting:
    """Counts prompts and texts, and holds the settlements that wait for a count."""

    pool: EnginePool
    snapshot: Snapshot
    tokenizers: TokenizerPool
    patience_s: float = PATIENCE_S
    pause_s: float = PAUSE_S
    _waiting: set[asyncio.Task[None]] = field(default_factory=set)

    def __len__(self) -> int:
        """Return how many settlements wait for a count."""
        return len(self._waiting)

    def later(self, settlement: Coroutine[None, None, None]) -> asyncio.Future[None]:
        """Run a settlement that has to count first, whatever becomes of its request.

        Who cancels the future that is returned ends its own wait and nothing else.
        """
        task = asyncio.get_running_loop().create_task(settlement, name="counting")
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)
        waiting = asyncio.shield(task)
        waiting.add_done_callback(_heard)
        return waiting

    async def prompt(
        self, request: GenerationRequest, tokenizer: str, *, is_waited_for: bool
    ) -> int | None:
        """Return the length of a prompt in tokens; None when nobody can tell.

        No engine is told of an address, and of media only engines know the length.
        """
        if request.media.urls:
            return None
        patience_s = self.patience_s
        if is_waited_for:
            patience_s = min(patience_s, WAITED_FOR_S)
        try:
            async with asyncio.timeout(patience_s):
                tokens = await self._prompt_at_engines(request, patience_s=patience_s)
        except TimeoutError:
            tokens = None
        if tokens is None and tokenizer and not request.media:
            tokens = await self.tokenizers.prompt(tokenizer, request)
        return tokens

    async def texts(self, texts: list[str], tokenizer: str) -> int | None:
        """Return the tokens of texts that a model wrote; None when nobody can tell."""
        return await self.tokenizers.texts(tokenizer, texts) if tokenizer else None

    async def close(self, *, last_s: float = LAST_S) -> None:
        """Give what still counts a moment, then end it."""
        if self._waiting:
            await asyncio.wait(self._waiting, timeout=last_s)
        for task in tuple(self._waiting):
            task.cancel()
        if self._waiting:
            await asyncio.wait(self._waiting)
        self.tokenizers.close()

    async def _prompt_at_engines(
        self, request: GenerationRequest, *, patience_s: float
    ) -> int | None:
        """Ask one replica after another, round after round, until one has counted.

        None may use up the patience of all: who leaves leaves a frozen one first.
        """
        pause_s = self.pause_s
        while True:
            replicas = self.snapshot.replicas_by_model.get(request.model, ())
            able = False
            for replica in replicas:
                backend = BACKENDS[replica.dialect]
                asked = backend.prompt_calls(
                    request,
                    model=replica.upstream_model or request.model,
                )
                if asked is None:
                    continue
                able = True
                try:
                    async with asyncio.timeout(patience_s / len(replicas)):
                        counts = await self._counts(replica, backend, asked.calls)
                except (EngineError, UsageError, TimeoutError) as error:
                    log.info(
                        "prompt_not_counted",
                        replica=replica.name,
                        reason=type(error).__name__,
                    )
                    continue
                return asked.known_tokens + sum(counts)
            if not able:
                return None
            await asyncio.sleep(pause_s)
            # A large prompt is written anew each time, while the event loop waits.
            pause_s *= 2

    async def _counts(
        self,
        replica: ReplicaEntry,
        backend: InferenceBackend,
        calls: Sequence[EngineCall],
    ) -> list[int]:
        """Ask for the count of each text of a prompt, a few of thousands at a time."""
        places = asyncio.Semaphore(CALLS_AT_ONCE)

        async def count(call: EngineCall) -> int:
            async with places:
                return await self._ask(replica, backend, call)

        counts = [asyncio.ensure_future(count(call)) for call in calls]
        try:
            return await asyncio.gather(*counts)
        finally:
            for each in counts:
                each.cancel()

    async def _ask(
        self, replica: ReplicaEntry, backend: InferenceBackend, call: EngineCall
    ) -> int:
        origin = origin_of(replica.url)
        key = credential(replica.credential)
        proof = await AUTH[replica.auth].headers(origin, call, key, replica.options)
        exchange = await self.pool.request(
            origin,
            method="POST",
            path=call.path,
            headers={**call.headers, **proof},
            body=call.body,
            # On a kept connection that breaks, an engine in health would seem lost.
            fresh=True,
        )
        try:
            status = await exchange.head()
            body = await exchange.read_all(bytes_max=COUNT_BYTES_MAX)
        finally:
            exchange.close()
        if status != 200:
            raise EngineLostError(f"the engine would not count: {status}")
        return backend.prompt_tokens(body)


def _heard(waiting: asyncio.Future[None]) -> None:
    # Nobody may wait for it any more; then its failure has been logged already.
    if not waiting.cancelled():
        waiting.exception()
