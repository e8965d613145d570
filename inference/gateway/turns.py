"""A request's turn: what it asks of the scheduler, and what its client hears meanwhile.

A stream that waits for longer than a moment is kept alive by comments, which no client
shows: proxies in between would close what is silent. Its head has left by then, so
what goes wrong later is an error event. Failure: the scheduler's refusals, and whatever
interrupts the request. Owns: nothing; `Turn.end` is owed for what is returned.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from functools import partial

from inference.engines.cache_salt import CacheSalts
from inference.gateway.admission import Admitted, Call
from inference.gateway.connection import ClientGoneError
from inference.gateway.http import HttpRequest
from inference.openai.prompt_text import prompt_text
from inference.openai.requests import GenerationRequest
from inference.routing.router import RouteAsk
from inference.routing.serving import Priority
from inference.routing.snapshot import Snapshot
from inference.scheduling.turns import Ask, Scheduler, Turn
from kit.contracts import Caller

# How long a stream may be silent before its first token.
KEEP_ALIVE_S = 5.0
WAITING = b": waiting for a replica\n\n"
# Good enough to take turns by: what is billed is counted by engines.
_BYTES_PER_TOKEN = 4


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
        if not call.request.stream:
            return await admitted.interruption.wait_for(waiting)
        keeping = asyncio.create_task(self._keep_alive(http), name="keep alive")
        try:
            return await admitted.interruption.wait_for(waiting)
        finally:
            keeping.cancel()

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

    async def _keep_alive(self, http: HttpRequest) -> None:
        with contextlib.suppress(ClientGoneError):
            while True:
                await asyncio.sleep(self.keep_alive_s)
                if not http.is_started:
                    await http.start_stream()
                await http.write(WAITING)
                await http.downstream.drained()
