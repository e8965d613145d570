"""The endpoints that generate: caller, request, admission, replica, relay.

The order is the promise: nothing is sent to an engine before the request is admitted,
and what is admitted ends in exactly one settlement or is voided because no engine took
it. An answer that is wanted at once is streamed from the engine where its budgets may
not hold all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
from inference.gateway.live import DrainedError, KeyRevokedError
from inference.gateway.media import NOTHING_REMOTE, RemoteMedia
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.model_policy import as_served, output_tokens_max
from inference.gateway.relay import relay_stream
from inference.gateway.settle import Settlement, judge
from inference.gateway.surfaces import SurfaceEntry
from inference.gateway.whole_answers import relay_answer, relay_reassembled
from inference.openai.requests import GenerationRequest
from inference.openai.stream import StreamOptions
from inference.openai.tasks import Task
from inference.openai.transcript import Transcript
from inference.openai.usage import Tally
from inference.routing.router import Router
from inference.routing.snapshot import ModelEntry, ReplicaEntry, Snapshot
from kit.clock import boot_us
from kit.contracts import BudgetShortError, Caller, Meter
from kit.errors import EngineOverloaded, InvalidRequest, ModelNotFound


@dataclass(frozen=True, slots=True)
class Generation:
    """Serves the surfaces that are billed."""

    authenticator: Authenticator
    snapshot: Snapshot
    router: Router
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
        model = self.model(caller, request, path=entry.path)
        request = as_served(request, model)
        keyed = self.admissions.idempotency.keyed(http, caller, entry.surface, body)
        most = output_tokens_max(request, model)
        call = Call(caller, request, model, most, keyed)
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
        replicas: Sequence[ReplicaEntry] = ()
        if admitted is None:
            replicas = self._replicas(model)
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
        )
        try:
            await self._relay(http, call, admitted, settlement, replicas, found)
        finally:
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

    async def _relay(
        self,
        http: HttpRequest,
        call: Call,
        admitted: Admitted,
        settlement: Settlement,
        replicas: Sequence[ReplicaEntry],
        found: Found | None,
    ) -> None:
        gate = admitted.gate
        asked = call.request
        if gate is not None and not gate.is_whole and not asked.stream:
            asked = replace(
                asked, stream=True, payload={**asked.payload, "stream": True}
            )
        attempt: Answering
        if found is not None and found.answer is not None:
            try:
                attempt = replay(found.answer, asked, settlement, admitted.interruption)
            except BaseException:
                settlement.void()
                self.admissions.unclaim(call, admitted.admission)
                raise
        else:
            attempt = await self._taken(call, asked, admitted, settlement, replicas)
            if found is not None:
                attempt = Recorded(attempt)
        await self._pass_on(http, call, attempt, settlement, gate)
        if found is not None and isinstance(attempt, Recorded):
            self.keeping.keep(call, found, attempt, settlement)

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
        call: Call,
        asked: GenerationRequest,
        admitted: Admitted,
        settlement: Settlement,
        replicas: Sequence[ReplicaEntry],
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
                replicas=replicas,
                output_tokens_max=call.output_tokens_max,
                interruption=interruption,
            )
        except BaseException as error:
            if (
                isinstance(error, ClientGoneError | KeyRevokedError | DrainedError)
                and settlement.is_sent
                and not asked.stream
            ):
                # The engine had the whole prompt, and did not say how long it was. One
                # that we ended costs nothing, but what the engine counted is told of.
                settlement.end(judge(error)[0], Tally(), Transcript())
            else:
                settlement.void()
                self.admissions.unclaim(call, admitted.admission)
            raise

    def _replicas(self, model: ModelEntry) -> Sequence[ReplicaEntry]:
        replicas = self.snapshot.replicas_by_model.get(model.name, ())
        if not replicas:
            raise EngineOverloaded(
                f"No replica of '{model.name}' is in service. Try again later.",
                headers={"retry-after": "5"},
            )
        return self.router.order(replicas)
