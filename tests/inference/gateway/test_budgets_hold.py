"""Whatever comes at once, no more is handed over than a budget holds, and it is all."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.contracts import EventStatus
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.limited import budget, quota
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway

OUTPUT_PICOS = 15
# As the simulator writes them.
TOKENS = re.compile(rb" t[0-9]+")


@dataclass(frozen=True, slots=True)
class Sent:
    """One request of many."""

    stream: bool
    max_tokens: int
    choices: int
    # Whether the client goes away after the first bytes.
    leaves: bool


every_request = st.builds(
    Sent,
    stream=st.booleans(),
    max_tokens=st.integers(1, 150),
    choices=st.integers(1, 2),
    leaves=st.booleans(),
)


@settings(
    max_examples=25,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    limit=st.integers(0, 260),
    in_money=st.booleans(),
    requests=st.lists(every_request, min_size=1, max_size=6),
)
def test_no_more_is_handed_over_than_a_budget_holds(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    limit: int,
    in_money: bool,
    requests: list[Sent],
) -> None:
    gateway.reset()
    limit *= OUTPUT_PICOS if in_money else 1
    place = (
        budget(gateway, limit) if in_money else quota(gateway, "output_tokens", limit)
    )
    gateway.meter.budgets.extension_s = 0.2
    with ThreadPoolExecutor(len(requests)) as pool:
        seen = list(pool.map(lambda sent: _send(gateway, model, sent), requests))
    wait_until(lambda: gateway.meter.open_requests == 0)

    budgets = gateway.meter.budgets
    assert budgets.posted[place] <= limit
    assert not budgets.holds
    assert len(gateway.meter.outcomes) + len(gateway.meter.voided) == len(requests)
    billed = sum(
        outcome.counts.output_tokens - _given_back(gateway, number)
        for number, outcome in enumerate(gateway.meter.outcomes)
    )
    # Nobody has read what was not billed.
    assert sum(seen) <= billed
    if any(
        outcome.status is EventStatus.BUDGET_EXHAUSTED
        for outcome in gateway.meter.outcomes
    ):
        assert gateway.metrics.budget_ends


def _given_back(gateway: RunningGateway, number: int) -> int:
    outcome = gateway.meter.outcomes[number]
    corrected = [each.outcome for each in gateway.meter.corrections]
    return outcome.counts.output_tokens if outcome in corrected else 0


def _send(gateway: RunningGateway, model: str, sent: Sent) -> int:
    """Send one and return how many tokens its client has read."""
    with RawClient(gateway.port, gateway.key) as raw:
        raw.chat(model, stream=sent.stream, max_tokens=sent.max_tokens, n=sent.choices)
        if sent.leaves:
            raw.read_some()
            return len(TOKENS.findall(raw.so_far.body))
        got = raw.read()
        assert got.status in {200, 429}
        return len(TOKENS.findall(got.body))
