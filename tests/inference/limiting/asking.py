"""Clients that take ahead of large limits, each as one process does.

Failure: none of its own. Owns: the rules, and clocks that no busy machine disturbs.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from inference.gateway.metrics import GatewayMetrics
from inference.gateway.rates import Rates, Taken
from inference.limiting.ahead import AheadLimiter
from inference.limiting.limiter import Rule
from inference.limiting.valkey import PREFIX
from kit.clock import boot_us
from kit.contracts import TokenCounts
from tests.inference.limiting.rules import HOUR_US, requests, slot, tokens

LIMIT = 6_400
TOKENS = 640_000
MONTH_US = 30 * 24 * HOUR_US
# All of them large enough and so slow that nothing of note drains during a test.


def name(unit: str) -> str:
    """Return what a rule is called where a refusal tells of it."""
    return f"tenant:1:{unit}:day:hard:"


def flow(limit: int, window_us: int = MONTH_US, unit: str = "requests") -> Rule:
    return requests(limit, window_us=window_us, name=name(unit)).rule


RULES = (
    flow(LIMIT),
    tokens(0, limit=TOKENS, window_us=MONTH_US, name=name("tokens")).rule,
    slot(LIMIT, name=name("slots")).rule,
)
SLOTS = f"{PREFIX}{RULES[2].key}:0"
USED = TokenCounts(input_tokens=90, output_tokens=10)


@dataclass(slots=True)
class Client:
    """Whoever uses one process's limiter."""

    limiter: AheadLimiter
    rates: Rates = field(init=False)

    def __post_init__(self) -> None:
        self.rates = Rates(limiter=self.limiter, metrics=GatewayMetrics())

    async def take(self, rules: tuple[Rule, ...] = RULES) -> Taken:
        return await self.rates.take(rules, input_tokens=90, output_tokens=10)

    async def ask(self, times: int, rules: tuple[Rule, ...] = RULES) -> None:
        """Send requests one after the other."""
        for _ in range(times):
            (await self.take(rules)).settle(USED)

    async def stock_up(self, rules: tuple[Rule, ...] = RULES) -> None:
        """Send requests until one has passed by stock."""
        before = self.limiter.metrics.ahead
        while self.limiter.metrics.ahead == before:
            await self.ask(1, rules)


@dataclass(slots=True)
class Standing:
    """A clock that stands until it is moved: no request comes late by it."""

    us: int = 10**9

    def __call__(self) -> int:
        return self.us


def unhurried() -> int:
    """Tell a tenth of the time: what is ahead lives on while a machine is busy."""
    return boot_us() // 10


Clients = Callable[..., Awaitable[Client]]
