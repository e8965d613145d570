"""A request's turn: what it asks of the scheduler, and what its client hears meanwhile.

A stream that waits for longer than a moment is kept alive by comments, which no client
shows: proxies in between would close what is silent. Its head has left by then, so
what goes wrong later is an error event. Failure: the scheduler's refusals, and whatever
interrupts the request. Owns: nothing; `Turn.end` is owed for what is returned.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from inference.engines.cache_salt import CacheSalts
from inference.gateway.admission import Admitted, Call
from inference.gateway.connection import ClientGoneError
from inference.gateway.http import HttpRequest
from inference.gateway.interruption import Interruption
from inference.openai.prompt_text import prompt_text
from inference.openai.requests import GenerationRequest
from inference.routing.router import RouteAsk
from inference.routing.serving import Priority
from inference.routing.snapshot import Snapshot
from inference.scheduling.turns import Ask, Scheduler, Turn
from kit.contracts import Caller

T = TypeVar("T")

# How long a stream may be silent before its first token.
KEEP_ALIVE_S = 5.0
WAITING = b": waiting for a replica\n\n"
# Good enough to take turns by: what is billed is counted by engines.
_BYTES_PER_TOKEN = 4


class Patience:
    """One request's waits; its stream is kept alive over all of them."""

    __slots__ = ("_due_s", "_http", "_interruption", "_is_stream", "_keep_alive_s")

    def __init__(
        self,
        http: HttpRequest,
        interruption: Interruption,
        *,
        is_stream: bool,
        keep_alive_s: float,
    ) -> None:
        self._http, self._interruption = http, interruption
        self._is_stream, self._keep_alive_s = is_stream, keep_alive_s
        # When the next comment is due; waits may be shorter than that, and many.
        self._due_s: float | None = None

    async def wait_for(self, waiting: Coroutine[Any, Any, T]) -> T:
        """Return what comes of a wait; raises whatever interrupts the request."""
        if not self._is_stream:
            return await self._interruption.wait_for(waiting)
        keeping = asyncio.create_task(self._keep_alive(), name="keep alive")
        try:
            return await self._interruption.wait_for(waiting)
        finally:
            keeping.cancel()

    async def _keep_alive(self) -> None:
        if self._due_s is None:
            self._due_s = monotonic() + self._keep_alive_s
        with contextlib.suppress(ClientGoneError):
            while True:
                await asyncio.sleep(self._due_s - monotonic())
                if not self._http.is_started:
                    await self._http.start_stream()
                await self._http.write(WAITING)
                self._due_s = monotonic() + self._keep_alive_s
                await self._http.downstream.drained()


@dataclass(frozen=True, slots=True)
class Turns:
    """Gets requests their turn."""

    scheduler: Scheduler
    snapshot: Snapshot
    salts: CacheSalts
    keep_alive_s: float = KEEP_ALIVE_S

    async def take(
        self, http: HttpRequest, call: Call, admitted: Admitted, *, body_bytes: int
    ) -> Turn:
        """Return the request's turn, at once where nobody has to wait."""
        ask = self._ask(call, admitted, body_bytes)
        turn = self.scheduler.try_turn(ask)
        if turn is not None:
            return turn
        waiting = self.scheduler.turn(ask)
        return await self.patience(http, call, admitted).wait_for(waiting)

    def patience(self, http: HttpRequest, call: Call, admitted: Admitted) -> Patience:
        """Return what waits on behalf of a request."""
        return Patience(
            http,
            admitted.interruption,
            is_stream=call.request.stream,
            keep_alive_s=self.keep_alive_s,
        )

    def _ask(self, call: Call, admitted: Admitted, body_bytes: int) -> Ask:
        caller, model, request = call.caller, call.model, call.request
        tenant = self.snapshot.tenants.get(caller.tenant_id)
        plan_id = None if tenant is None else tenant.plan_id
        route = RouteAsk(
            model=model.name,
            adapter=model.adapter,
            cache_salt=self.salts.of(caller.tenant_id),
            tenant_id=caller.tenant_id,
            session=request.hints.session,
            prompt=partial(prompt_text, request),
        )
        return Ask(
            request_id=admitted.admission.request_id,
            pool=self.snapshot.pool_of(model.name),
            route=route,
            serving=model.serving,
            tenant_id=caller.tenant_id,
            weight=self.snapshot.limits.weight_of(plan_id),
            priority=self._priority(caller, plan_id, request),
            input_tokens=body_bytes // _BYTES_PER_TOKEN,
            output_tokens=call.output_tokens,
        )

    def _priority(
        self, caller: Caller, plan_id: int | None, request: GenerationRequest
    ) -> Priority:
        """Return the class that was asked for, or the best that key and plan allow."""
        key = self.snapshot.keys_by_id.get(caller.api_key_id)
        return min(
            Priority.of_published(request.hints.tier),
            Priority.DEFAULT if key is None else key.priority,
            self.snapshot.limits.priority_of(plan_id),
        )
