"""The rate limits of a call: taken in one step, put right by what it really used.

Requests and concurrency take one each, tokens what the prompt can be and the first
slice of output. Far from the edge that is here already, and nobody is asked. A refused
request has taken nothing. A request that an engine would not run keeps its place in the
flow of requests, and gives back its tokens.

Failure: none of its own; the limiter says what it does without its store. Owns: which
requests asked for slots, and the task that renews these.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog

from inference.gateway.metrics import GatewayMetrics, Refusal
from inference.limiting.headers import limit_headers
from inference.limiting.limiter import (
    RENEW_S,
    Charge,
    RateLimiter,
    Rule,
    Taken,
    Unit,
    Verdict,
)
from kit.contracts import TokenCounts
from kit.errors import RateLimited

__all__ = ["Rates", "Taken"]

US_PER_SECOND = 1_000_000
_PREFIX = "x-ratelimit-"
_WHOSE = {"tenant": "Your account", "project": "This project", "api_key": "This key"}

log = structlog.get_logger("tollgate.gateway")


@dataclass(slots=True)
class _ByLimiter:
    """What a request took by asking the limiter; see `Taken`."""

    rates: "Rates"
    id: UUID
    charges: tuple[Charge, ...]
    headers: Mapping[str, str]
    _is_over: bool = False

    def settle(self, counts: TokenCounts) -> None:
        """Put the tokens right, and end the slots."""
        prompt = counts.input_tokens + counts.cached_input_tokens
        used = {
            Unit.TOKENS: prompt + counts.output_tokens,
            Unit.INPUT_TOKENS: prompt,
            Unit.OUTPUT_TOKENS: counts.output_tokens,
        }
        self._is_over = True
        self.rates.running.discard(self.id)
        self.rates.limiter.settle(self.id, self.charges, used)

    def release(self) -> None:
        """End the slots."""
        if not self._is_over:
            self.rates.running.discard(self.id)
            self.rates.limiter.release(self.id, self.charges)

    def give_back(self) -> None:
        """Undo all of it."""
        self._is_over = True
        self.rates.running.discard(self.id)
        self.rates.limiter.give_back(self.id, self.charges)


class Rates:
    """Takes from the limits of calls."""

    def __init__(self, *, limiter: RateLimiter, metrics: GatewayMetrics) -> None:
        self.limiter = limiter
        # Those that asked, have taken and not ended.
        self.running: set[UUID] = set()
        self._metrics = metrics

    async def take(
        self, rules: tuple[Rule, ...], *, input_tokens: int, output_tokens: int
    ) -> Taken:
        """Take from all limits of a call, or raise `RateLimited` and take nothing."""
        taken = self.limiter.try_take(
            rules, input_tokens=input_tokens, output_tokens=output_tokens
        )
        if taken is not None:
            return taken
        amounts = {
            Unit.TOKENS: input_tokens + output_tokens,
            Unit.INPUT_TOKENS: input_tokens,
            Unit.OUTPUT_TOKENS: output_tokens,
        }
        charges = tuple(Charge(rule, amounts.get(rule.unit, 1)) for rule in rules)
        request_id = uuid4()
        verdict = await self.limiter.take(request_id, charges)
        headers = limit_headers(verdict)
        if not verdict.allowed:
            self._metrics.refused[_reason(verdict)] += 1
            raise RateLimited(
                _message(verdict), headers=headers, refused_by=_limit(verdict)
            )
        self.running.add(request_id)
        return _ByLimiter(self, request_id, charges, headers)

    async def renew(self) -> None:
        """Renew the slots of all that runs, for as long as the process runs."""
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                self.limiter.renew(tuple(self.running))
            except Exception:
                # Without this task every slot would lapse under a running request.
                log.exception("slots_not_renewed")


def _reason(verdict: Verdict) -> Refusal:
    rule = verdict.refused_by
    if rule is not None and not rule.is_flow:
        return Refusal.CONCURRENCY
    return Refusal.RATE_LIMIT


def _limit(verdict: Verdict) -> str:
    """Name the kind of limit it was: whose, of what, and per what."""
    if verdict.refused_by is None:
        return ""
    _, level, _, unit, window, *_ = verdict.refused_by.key.split(":", 6)
    return f"{level}:{unit}:{window}"


def _message(verdict: Verdict) -> str:
    """Say which limit it was, as the rule's key names it, and when to come again."""
    rule = verdict.refused_by
    if rule is None:
        return "Too many requests. Try again shortly."
    _, level, _, unit, window, _, model = rule.key.split(":", 6)
    whose = _WHOSE[level]
    of_model = f" of the model '{model}'" if model else ""
    units = (unit if rule.is_flow else Unit.REQUESTS.value).replace("_", " ")
    many = f"{rule.limit:,} {units.removesuffix('s') if rule.limit == 1 else units}"
    span = f" per {window}{of_model}" if rule.is_flow else f"{of_model} at a time"
    what = many + span
    wait_us = verdict.retry_after_us
    if wait_us is None:
        return f"{whose} may use {what}. Ask for a higher limit."
    wait = max(0.001, wait_us / US_PER_SECOND)
    return f"{whose} may use {what}. Try again in {wait:.3g} s."
