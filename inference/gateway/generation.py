"""The endpoints that generate: caller, request, admission, replica, relay.

The order is the promise: nothing is sent to an engine before the request is admitted,
and what is admitted ends in exactly one settlement or is voided because no engine took
it. An answer that is wanted at once is streamed from the engine where its budgets may
not hold all of it.
"""

import asyncio
from dataclasses import dataclass, replace

from inference.engines.origin import EngineError
from inference.gateway.admission import Admissions, Admitted, Call
from inference.gateway.answering import Answering
from inference.gateway.attempt import Attempt, Attempts
from inference.gateway.authentication import Authenticator
from inference.gateway.connection import ClientGoneError
from inference.gateway.counting import Counting
from inference.gateway.holding import Gate
from inference.gateway.http import HttpRequest
from inference.gateway.keeping import (
    Found,
    Keeping,
    Recorded,
    billed_from_cache,
    replay,
)
from inference.gateway.live import EndedError
from inference.gateway.media import NOTHING_REMOTE, RemoteMedia
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.model_policy import (
    as_served,
    output_tokens_max,
    require_served,
)
from inference.gateway.relay import relay_stream
from inference.gateway.settle import NOTHING_HELD, Settlement, judge
from inference.gateway.surfaces import SurfaceEntry
from inference.gateway.turns import Turns
from inference.gateway.whole_answers import relay_answer, relay_reassembled
from inference.openai.requests import GenerationRequest
from inference.openai.stream import StreamOptions
from inference.openai.tasks import Task
from inference.openai.transcript import Transcript
from inference.openai.usage import Tally
from inference.routing.snapshot import ModelEntry, Snapshot
from inference.scheduling.turns import Turn
from kit.clock import boot_us
from kit.contracts import BudgetShortError, Caller, KeyedRequest, Meter
from kit.errors import (
    EngineFailed,
    EngineOverloaded,
    EngineTimeout,
    InvalidRequest,
    ModelNotFound,
    PlatformError,
)
from kit.json_values import JsonObject

# How long a fallback waits for what broke off before it to be recorded.
RECORDED_S_MAX = 2.0


@dataclass(frozen=True, slots=True)
class Generation:
    """Serves the surfaces that are billed."""

    authenticator: Authenticator
    snapshot: Snapshot
    turns: Turns
    meter: Meter
    attempts: Attempts
    counting: Counting
    admissions: Admissions
    keeping: Keeping
    metrics: GatewayMetrics
    body_bytes_max: int
    media: RemoteMedia = NOTHING_REMOTE

    async def serve(self, http: HttpRequest, entry: SurfaceEntry) -> None:
        """Answer one request; raises `PlatformError` before the client's first byte."""
        started_us = boot_us()
        http.error_form = entry.errors
        caller = self.authenticator.caller(http, needs=entry.scope)
        body = await http.body(bytes_max=self.body_bytes_max)
        request = entry.parse(body)
        http.error_form = request.shape
        asked = self.model(caller, request, path=entry.path)
        http.model = asked.name
        keyed = self.admissions.idempotency.keyed(http, caller, entry.surface, body)
        call = self._call(caller, request, asked, keyed)
        try:
            await self._serve(http, call, started_us, body_bytes=len(body))
        except NotTakenError as not_taken:
            await self._fall_back(http, call, request, not_taken, started_us, len(body))

    async def _fall_back(
        self,
        http: HttpRequest,
        call: Call,
        request: GenerationRequest,
        not_taken: "NotTakenError",
        started_us: int,
        body_bytes: int,
    ) -> None:
        """Let other models answer in place of one that no replica serves now.

        Each is admitted anew under its own name, at its own price and limits. The first
        refusal is what the client hears in the end: it is of what it asked for.
        """
        if call.keyed is not None and not_taken.settled is not None:
            # A key has one attempt at a time, and that one runs until it is recorded.
            await asyncio.wait({not_taken.settled}, timeout=RECORDED_S_MAX)
        for name in call.model.serving.fallbacks:
            try:
                asked = replace(request, model=name)
                model = self.model(call.caller, asked, path=http.path)
                other = self._call(call.caller, request, model, call.keyed)
            except PlatformError:
                # What this one does not serve, or may not be asked for by this key.
                continue
            try:
                await self._serve(http, other, started_us, body_bytes=body_bytes)
            except (NotTakenError, PlatformError):
                continue
            self.metrics.fallbacks += 1
            return
        raise not_taken.reply

    def _call(
        self,
        caller: Caller,
        request: GenerationRequest,
        model: ModelEntry,
        keyed: KeyedRequest | None,
    ) -> Call:
        require_served(model, self.snapshot, now_us=self.admissions.now_us())
        request = as_served(request, model)
        return Call(caller, request, model, output_tokens_max(request, model), keyed)

    async def _serve(
        self, http: HttpRequest, call: Call, started_us: int, *, body_bytes: int
    ) -> None:
        """Let one model answer; raises `NotTakenError` where no replica of it can."""
        model, request = call.model, call.request
        found = await self.keeping.find(http, call) if model.cache_s else None
        admitted: Admitted | None = None
        if found is not None and found.answer is not None:
            from_cache = billed_from_cache(call, found.answer)
            try:
                admitted = await self.admissions.admit(http, from_cache)
                call = from_cache
            except BudgetShortError:
                # What an engine makes anew may end where the budget does.
                found = replace(found, answer=None)
        if admitted is None:
            self._require_replicas(model)
            admitted = await self.admissions.admit(http, call)
        if found is not None:
            http.add_headers(found.headers)
        settlement = Settlement(
            self.meter,
            self.metrics,
            self.counting,
            admitted.admission,
            request,
            model.tokenizer,
            started_us,
            admitted.taken,
            NOTHING_HELD if admitted.gate is None else admitted.gate.held_at_first,
            admitted.keyed,
        )
        try:
            if found is not None and found.answer is not None:
                await self._replay(http, call, admitted, settlement, found.answer)
            else:
                await self._generate(
                    http, call, admitted, settlement, found, body_bytes=body_bytes
                )
        finally:
            http.is_metered = http.is_metered or settlement.has_ended
            self.admissions.end(http, admitted)

    def model(
        self,
        caller: Caller,
        request: GenerationRequest,
        *,
        path: str,
        is_counted: bool = False,
    ) -> ModelEntry:
        """Return the model that is asked; raises where a caller cannot ask it this.

        An alias leads to it here: everything after knows the model's own name. A text
        that is only counted is any model's.
        """
        model = self.snapshot.model(request.model)
        if model is None or not caller.may_call(model.name):
            raise ModelNotFound(request.model)
        is_any_model_s = is_counted and request.task is Task.COMPLETION
        if request.task not in model.tasks and not is_any_model_s:
            raise InvalidRequest(
                f"The model '{model.name}' does not serve '{path}'.",
                param="model",
                code="unsupported_task",
            )
        if request.media:
            self.media.check(request.media, model)
        return model

    async def _replay(
        self,
        http: HttpRequest,
        call: Call,
        admitted: Admitted,
        settlement: Settlement,
        answer: JsonObject,
    ) -> None:
        asked = call.request
        try:
            attempt = replay(answer, asked, settlement, admitted.interruption)
        except BaseException:
            settlement.void()
            self.admissions.unclaim(call, admitted.admission)
            raise
        await self._pass_on(http, call, attempt, settlement, admitted.gate)

    async def _generate(
        self,
        http: HttpRequest,
        call: Call,
        admitted: Admitted,
        settlement: Settlement,
        found: Found | None,
        *,
        body_bytes: int,
    ) -> None:
        gate, asked = admitted.gate, call.request
        if gate is not None and not gate.is_whole and not asked.stream:
            asked = replace(
                asked, stream=True, payload={**asked.payload, "stream": True}
            )
        try:
            turn = await self.turns.take(http, call, admitted, body_bytes=body_bytes)
        except BaseException as error:
            settlement.void()
            self.admissions.unclaim(call, admitted.admission)
            if isinstance(error, EngineOverloaded):
                raise NotTakenError(error) from None
            raise
        try:
            attempt: Answering = await self._taken(
                http, call, asked, admitted, settlement, turn
            )
            if found is None:
                await self._pass_on(http, call, attempt, settlement, gate)
                return
            recorded = Recorded(attempt)
            await self._pass_on(http, call, recorded, settlement, gate)
            self.keeping.keep(call, found, recorded, settlement)
        finally:
            _end_turn(turn, settlement)

    async def _pass_on(
        self,
        http: HttpRequest,
        call: Call,
        attempt: Answering,
        settlement: Settlement,
        gate: Gate | None,
    ) -> None:
        """Relay an answer in the way that was asked for."""
        asked = attempt.request
        upstream_model = attempt.replica.upstream_model
        rename = (
            (upstream_model, asked.model)
            if upstream_model and upstream_model != asked.model
            else None
        )
        options = StreamOptions(
            choices=asked.choices,
            include_usage=asked.include_usage,
            continuous_usage=asked.continuous_usage,
            rename=rename,
            prompts=asked.prompts,
            shape=asked.shape,
            output_tokens_max=call.output_tokens_max or call.model.context_tokens,
            prompt_tokens_max=call.prompt_tokens_max,
        )
        if not asked.stream:
            await relay_answer(http, attempt, settlement, gate, options)
        elif gate is None or call.request.stream:
            await relay_stream(http, attempt, settlement, options, gate)
        else:
            await relay_reassembled(http, attempt, settlement, gate, options)

    async def _taken(
        self,
        http: HttpRequest,
        call: Call,
        asked: GenerationRequest,
        admitted: Admitted,
        settlement: Settlement,
        turn: Turn,
    ) -> Attempt:
        """Return the attempt that a replica took; else the admission is voided."""
        interruption = admitted.interruption
        try:
            if asked.media.urls:
                asked = await interruption.wait_for(self.media.inlined(asked))
                # Whoever counts it is sent no address either.
                settlement.request = asked
            return await self.attempts.open(
                asked,
                settlement=settlement,
                turn=turn,
                output_tokens_max=call.output_tokens_max,
                interruption=interruption,
                wait_for=self.turns.patience(http, call, admitted).wait_for,
            )
        except BaseException as error:
            is_left = isinstance(error, ClientGoneError | EndedError)
            # Of a stream it is known by its head that the engine has taken it.
            is_used = settlement.is_sent and (settlement.is_taken or not asked.stream)
            settled: asyncio.Future[None] | None = None
            if isinstance(error, EngineError) or (is_left and is_used):
                # The engine had the whole prompt, and did not say how long it was. One
                # that we ended costs nothing, but what the engine counted is told of.
                status, reply = judge(error)
                settled = settlement.end(status, Tally(), Transcript())
            else:
                reply = error if isinstance(error, PlatformError) else None
                settlement.void()
                self.admissions.unclaim(call, admitted.admission)
            if isinstance(reply, EngineOverloaded | EngineFailed | EngineTimeout):
                raise NotTakenError(reply, settled) from None
            raise

    def _require_replicas(self, model: ModelEntry) -> None:
        """Refuse before anything is taken where no replica is there to wait for."""
        if model.serving.wake_ms or self.snapshot.replicas_by_model.get(model.name):
            return
        raise NotTakenError(
            EngineOverloaded(
                f"No replica of '{model.name}' is in service. Try again later.",
                headers={"retry-after": "5"},
            )
        )


class NotTakenError(Exception):
    """No replica of a model has taken a request, of which its client has nothing yet.

    `reply` is what the client is to hear if no other model does. `settled` is done once
    an attempt that broke off is recorded.
    """

    def __init__(
        self, reply: PlatformError, settled: asyncio.Future[None] | None = None
    ) -> None:
        super().__init__(reply.message)
        self.reply = reply
        self.settled = settled


def _end_turn(turn: Turn, settlement: Settlement) -> None:
    """Tell the scheduler what was used, and free the place at the latest here."""
    counts = settlement.counts
    if settlement.outcome is not None:
        turn.told(
            prompt_tokens=counts.input_tokens + counts.cached_input_tokens,
            cached_tokens=counts.cached_input_tokens,
        )
    turn.end(input_tokens=counts.input_tokens, output_tokens=settlement.output_tokens)
