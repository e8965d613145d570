"""The endpoints that generate: caller, request, price, replica, relay.

The order is the promise: nothing is sent to an engine before the request is admitted,
and what is admitted ends in exactly one settlement or is voided because no engine took
it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from inference.gateway.attempt import Attempts
from inference.gateway.authentication import Authenticator
from inference.gateway.connection import ClientGoneError
from inference.gateway.counting import Counting
from inference.gateway.http import HttpRequest
from inference.gateway.live import KeyRevokedError, LiveRequests
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.relay import relay_answer, relay_stream
from inference.gateway.settle import Settlement, judge
from inference.openai.requests import GenerationRequest, parse
from inference.openai.stream import StreamOptions
from inference.openai.transcript import Transcript
from inference.openai.usage import Tally
from inference.routing.router import Router
from inference.routing.snapshot import ModelEntry, ReplicaEntry, Snapshot
from kit.clock import boot_us
from kit.contracts import Meter, Surface
from kit.errors import EngineOverloaded, InvalidRequest, ModelNotFound
from kit.scopes import Scope


@dataclass(frozen=True, slots=True)
class Generation:
    """Serves chat completions and completions."""

    authenticator: Authenticator
    snapshot: Snapshot
    router: Router
    meter: Meter
    attempts: Attempts
    counting: Counting
    live: LiveRequests
    metrics: GatewayMetrics
    body_bytes_max: int

    async def serve(self, http: HttpRequest, surface: Surface) -> None:
        """Answer one request; raises `PlatformError` before the client's first byte."""
        started_us = boot_us()
        caller = self.authenticator.caller(http, needs=Scope.GENERATE)
        request = parse(surface, await http.body(bytes_max=self.body_bytes_max))
        model = self.snapshot.models.get(request.model)
        if model is None or not caller.may_call(request.model):
            raise ModelNotFound(request.model)
        output_tokens_max = _output_tokens_max(request, model)
        replicas = self._replicas(model)
        admission = self.meter.admit(
            caller, model=model.name, surface=surface, streamed=request.stream
        )
        http.request_id = str(admission.request_id)
        settlement = Settlement(
            self.meter,
            self.metrics,
            self.counting,
            admission,
            request,
            model.tokenizer,
            started_us,
        )
        try:
            await self._relay(http, request, settlement, replicas, output_tokens_max)
        finally:
            http.downstream.on_lost(None)
            self.live.discard(admission.request_id)

    async def _relay(
        self,
        http: HttpRequest,
        request: GenerationRequest,
        settlement: Settlement,
        replicas: Sequence[ReplicaEntry],
        output_tokens_max: int | None,
    ) -> None:
        try:
            attempt = await self.attempts.open(
                request,
                settlement=settlement,
                replicas=replicas,
                output_tokens_max=output_tokens_max,
                downstream=http.downstream,
            )
        except BaseException as error:
            if (
                isinstance(error, ClientGoneError | KeyRevokedError)
                and settlement.is_sent
                and not request.stream
            ):
                # The engine had the whole prompt, and did not say how long it was.
                settlement.end(judge(error)[0], Tally(), Transcript())
            else:
                self.meter.void(settlement.admission)
            raise
        upstream_model = attempt.replica.upstream_model
        rename = (
            (upstream_model, request.model)
            if upstream_model and upstream_model != request.model
            else None
        )
        if not request.stream:
            await relay_answer(http, attempt, settlement, rename=rename)
            return
        options = StreamOptions(
            choices=request.choices,
            include_usage=request.include_usage,
            continuous_usage=request.continuous_usage,
            rename=rename,
            prompts=request.prompts,
        )
        await relay_stream(http, attempt, settlement, options)

    def _replicas(self, model: ModelEntry) -> Sequence[ReplicaEntry]:
        replicas = self.snapshot.replicas_by_model.get(model.name, ())
        if not replicas:
            raise EngineOverloaded(
                f"No replica of '{model.name}' is in service. Try again later.",
                headers={"retry-after": "5"},
            )
        return self.router.order(replicas)


def _output_tokens_max(request: GenerationRequest, model: ModelEntry) -> int | None:
    """Return the bound to send to the engine; raises when more was asked for."""
    asked, allowed = request.output_tokens_max, model.max_output_tokens
    if asked is not None and allowed is not None and asked > allowed:
        raise InvalidRequest(
            f"'max_tokens' may be at most {allowed:,} for the model '{model.name}'.",
            param="max_tokens",
            code="invalid_value",
        )
    if asked is None and request.surface is Surface.CHAT_COMPLETIONS:
        return allowed
    return asked
