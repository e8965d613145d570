"""Tell how long a prompt is, without an answer to it: authenticated, and not billed.

A count takes a place in the flow of requests, and its caller's slot while it lasts, as
any request does; it uses no tokens. It is counted where a prompt's own engine would
count it, else with the model's tokenizer. Failure: what nobody can count now is
`ServiceUnavailable`, to be asked again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import orjson

from inference.anthropic.requests import parse_count
from inference.gateway.connection import ClientGoneError
from inference.gateway.generation import Generation
from inference.gateway.http import HttpRequest
from inference.gateway.interruption import Interruption
from inference.gateway.model_policy import as_served, require_served
from inference.gateway.rates import Taken
from inference.limiting.limiter import Unit
from inference.openai.requests import GenerationRequest
from inference.openai.tokenizing import tokenize_request
from kit.contracts import Caller, TokenCounts
from kit.errors import ServiceUnavailable
from kit.scopes import Scope

_UNITS = frozenset({Unit.REQUESTS, Unit.CONCURRENT_REQUESTS})
_RETRY = {"retry-after": "1"}


@dataclass(frozen=True, slots=True)
class Count:
    """How long a prompt is, and how long one may be with its answer."""

    tokens: int
    context_tokens: int


@dataclass(frozen=True, slots=True)
class PromptCounts:
    """Serves the endpoints that count, with what the generating ones are made of."""

    generation: Generation

    async def messages(self, http: HttpRequest) -> None:
        """Serve `/v1/messages/count_tokens`."""
        count = await self.count(http, parse_count)
        await http.respond(200, orjson.dumps({"input_tokens": count.tokens}))

    async def tokenize(self, http: HttpRequest) -> None:
        """Serve `/v1/tokenize`: how many tokens, and never which."""
        count = await self.count(http, tokenize_request)
        told = {"count": count.tokens, "max_model_len": count.context_tokens}
        await http.respond(200, orjson.dumps(told))

    async def count(
        self, http: HttpRequest, parse: Callable[[bytes], GenerationRequest]
    ) -> Count:
        """Return the tokens of the prompt in a body; raises `PlatformError`."""
        generation = self.generation
        caller = generation.authenticator.caller(http, needs=Scope.GENERATE)
        request = parse(await http.body(bytes_max=generation.body_bytes_max))
        model = generation.model(caller, request, path=http.path, is_counted=True)
        http.model = model.name
        now_us = generation.admissions.now_us()
        require_served(model, generation.snapshot, now_us=now_us)
        request = as_served(request, model)
        taken = await self._taken(http, caller, model.name)
        interruption = Interruption()
        http.downstream.on_lost(partial(interruption.interrupt, ClientGoneError()))
        try:
            tokens = await interruption.wait_for(
                self._counted(request, model.tokenizer)
            )
        finally:
            http.downstream.on_lost(None)
            if taken is not None:
                taken.settle(TokenCounts())
        if tokens is None:
            raise ServiceUnavailable(
                "Nobody can count this prompt now. Try again shortly.", headers=_RETRY
            )
        return Count(tokens, model.context_tokens)

    async def _counted(self, request: GenerationRequest, tokenizer: str) -> int | None:
        """Count a prompt, once all of it is here; somebody waits for it."""
        generation = self.generation
        if request.media.urls:
            request = await generation.media.inlined(request)
        return await generation.counting.prompt(request, tokenizer, is_waited_for=True)

    async def _taken(
        self, http: HttpRequest, caller: Caller, model: str
    ) -> Taken | None:
        """Take a place in the limits of requests; raises `RateLimited`."""
        admissions = self.generation.admissions
        limits = admissions.limits.of(caller, model, admissions.now_us())
        rules = tuple(rule for rule in limits.rates if rule.unit in _UNITS)
        if not rules:
            return None
        taken = await admissions.rates.take(rules, input_tokens=0, output_tokens=0)
        http.add_headers(taken.headers)
        return taken
