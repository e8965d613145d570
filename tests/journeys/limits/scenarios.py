"""What must hold of budgets on several processes, each scenario with its figures.

The answer is always a tenth of the `max_tokens` that is asked for, as agents ask. A
scenario raises where a promise is broken, and returns the figures to be shown.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.journeys.limits.clients import (
    LAG,
    Call,
    ask_all,
    received_picos,
    served,
)
from tests.journeys.limits.cluster import Books, Cluster, Customer

ANSWERS = 37
# How long after a token was handed over its client has surely read it.
READ_S_MAX = 0.5


@dataclass(frozen=True)
class Figures:
    """One run of one scenario."""

    calls: int
    served: int
    ended_early: int
    refused: int
    overspent: int
    unspent: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.calls:>6,} calls {self.served:>6,} served"
            f" {self.ended_early:>4,} ended early {self.refused:>6,} refused"
            f"  overspent {self.overspent:>3,}  unspent {self.unspent:>12,} picos"
            f"  {self.seconds:6.1f} s"
        )


def budget_for_some_answers(
    cluster: Cluster, *, seed: int, streamed: bool | None, calls: int, at_once: int
) -> Figures:
    """Spend a budget that is worth exactly `ANSWERS` answers, and no token more."""
    draw = random.Random(seed)
    answer_tokens, prompt_words = draw.randint(5, 60), draw.randint(1, 80)
    cluster.engine.change(answer_tokens_max=answer_tokens, inter_token_ms=0)
    customer = cluster.customer(
        input_rate=f"{draw.randint(1, 9)}", output_rate=f"{draw.randint(5, 40)}"
    )
    one = customer.cost(prompt_tokens=prompt_words + 7, output_tokens=answer_tokens)
    limit = ANSWERS * one
    cluster.limit(customer, limit)
    cluster.await_published(customer)
    made = asyncio.run(
        ask_all(
            cluster,
            customer,
            calls,
            at_once=at_once,
            streamed=streamed,
            max_tokens=10 * answer_tokens,
            prompt_words=prompt_words,
        )
    )
    books = cluster.at_rest(customer)
    require_honest_bills(made, books, customer)
    require_true_refusals(made, customer, limit=limit)
    figures = figures_of(made, books, limit=limit)
    least = customer.cost(prompt_tokens=prompt_words + 7, output_tokens=1)
    assert figures.overspent == 0, figures
    assert figures.unspent < least, (
        f"{figures}: an answer costs {one}, its start {least}"
    )
    return figures


def agents(
    cluster: Cluster,
    *,
    streamed: bool,
    count: int,
    rounds: int,
    answer_tokens: int = 200,
) -> Figures:
    """Let agents that ask for far more than they use spend half of a budget."""
    cluster.engine.change(answer_tokens_max=answer_tokens, inter_token_ms=2)
    customer = cluster.customer()
    cost = customer.cost(prompt_tokens=12 + 7, output_tokens=answer_tokens)
    limit = 2 * count * rounds * cost
    cluster.limit(customer, limit)
    cluster.await_published(customer)
    made = asyncio.run(
        ask_all(
            cluster,
            customer,
            count * rounds,
            at_once=count,
            streamed=streamed,
            max_tokens=32_000,
        )
    )
    books = cluster.at_rest(customer)
    require_honest_bills(made, books, customer)
    figures = figures_of(made, books, limit=limit)
    assert figures.served == count * rounds, figures
    return figures


def exhausted_in_the_middle(cluster: Cluster, *, streams: int) -> Figures:
    """End many streams where their common budget ends, each with the proper event."""
    answer_tokens = 400
    cluster.engine.change(answer_tokens_max=answer_tokens, inter_token_ms=5)
    customer = cluster.customer()
    cost = customer.cost(prompt_tokens=12 + 7, output_tokens=answer_tokens // 2)
    limit = streams * cost + 12_345
    cluster.limit(customer, limit)
    cluster.await_published(customer)
    made = asyncio.run(
        ask_all(
            cluster,
            customer,
            streams,
            at_once=streams,
            streamed=True,
            max_tokens=10 * answer_tokens,
        )
    )
    books = cluster.at_rest(customer)
    require_honest_bills(made, books, customer)
    figures = figures_of(made, books, limit=limit)
    assert figures.overspent == 0, figures
    assert all(call.is_served or call.is_spent for call in made)
    assert figures.unspent < customer.cost(prompt_tokens=0, output_tokens=1), figures
    return figures


def figures_of(calls: Sequence[Call], books: Books, *, limit: int) -> Figures:
    """Sum up a run against its limit."""
    return Figures(
        calls=len(calls),
        served=len(served(calls)),
        ended_early=sum(call.is_spent and call.status == 200 for call in calls),
        refused=sum(call.is_spent and call.status != 200 for call in calls),
        overspent=max(0, books.posted - limit),
        unspent=max(0, limit - books.posted),
        seconds=max(call.ended_at for call in calls)
        - min(call.began_at for call in calls),
    )


def require_honest_bills(
    calls: Sequence[Call], books: Books, customer: Customer
) -> None:
    """Hold what was billed against what was delivered, and what is posted to it."""
    strange = [call for call in calls if not (call.is_served or call.is_spent)]
    assert not strange, strange[:3]
    assert books.posted == books.charged, books
    assert books.charged == received_picos(calls, customer), (
        books,
        received_picos(calls, customer),
    )


def require_true_refusals(
    calls: Sequence[Call], customer: Customer, *, limit: int
) -> None:
    """Show that whenever the budget refused, too little was left to begin with.

    What had been read a moment later bounds what had been used.
    """
    for refused in calls:
        if not (refused.is_spent and refused.status != 200):
            continue
        until = refused.ended_at + READ_S_MAX + 3 * LAG[0]
        used = sum(
            customer.cost(
                prompt_tokens=call.prompt_tokens,
                output_tokens=sum(at <= until for at in call.token_times),
            )
            for call in calls
            if call.status == 200 and call.token_times and call.token_times[0] <= until
        )
        least = customer.cost(prompt_tokens=refused.prompt_tokens, output_tokens=1)
        assert limit - used < least, f"refused while {limit - used} were left"
