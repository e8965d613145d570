"""Whose turn is next: classes, shares, and what leaves no trace."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from inference.routing.serving import Priority
from inference.scheduling.accounts import Charge, Ticket, cost
from inference.scheduling.fair_queue import FairQueue
from tests.inference.scheduling.asks import ask


def served(queue: FairQueue) -> tuple[Ticket, Charge]:
    head = queue.head()
    assert head is not None
    return head, queue.serve(head)


def test_within_a_tenant_it_is_first_come_first_served() -> None:
    queue = FairQueue()
    tickets = [queue.join(ask(1)) for _ in range(5)]
    assert [served(queue)[0] for _ in range(5)] == tickets
    assert queue.head() is None


def test_a_better_class_is_served_first() -> None:
    queue = FairQueue()
    for priority in (Priority.FLEX, Priority.DEFAULT, Priority.PRIORITY):
        for _ in range(2):
            queue.join(ask(priority.value, priority=priority))
    order = [served(queue)[0].ask.priority for _ in range(6)]
    assert order == sorted(order, reverse=True)


def test_who_comes_late_is_neither_behind_nor_ahead() -> None:
    queue = FairQueue()
    for _ in range(40):
        queue.join(ask(1))
    for _ in range(20):
        served(queue)
    for _ in range(20):
        queue.join(ask(2))
    turns = Counter(served(queue)[0].ask.tenant_id for _ in range(20))
    assert turns == {1: 10, 2: 10}


def test_what_was_used_while_nobody_waited_is_no_debt() -> None:
    queue = FairQueue()
    for _ in range(1_000):
        queue.settle(queue.charge(ask(1)), input_tokens=100, output_tokens=100)
    for tenant_id in (1, 2):
        for _ in range(20):
            queue.join(ask(tenant_id))
    turns = Counter(served(queue)[0].ask.tenant_id for _ in range(20))
    assert max(turns.values()) <= 11


def test_what_was_not_used_is_given_back_and_learned() -> None:
    queue = FairQueue()
    for tenant_id in (1, 2):
        for _ in range(200):
            queue.join(ask(tenant_id, output_tokens=4_000))
    used: Counter[int] = Counter()
    for _ in range(200):
        ticket, charge = served(queue)
        tenant_id = ticket.ask.tenant_id
        # The first answers at length, the second in a word.
        output = 1_000 if tenant_id == 1 else 10
        queue.settle(charge, input_tokens=100, output_tokens=output)
        used[tenant_id] += int(cost(100, output))
    assert abs(used[1] - used[2]) <= 2 * cost(100, 1_000)


def test_a_refund_of_before_it_was_lifted_is_no_credit() -> None:
    queue = FairQueue()
    early = queue.charge(ask(2, input_tokens=50_000))
    for _ in range(1_000):
        queue.settle(queue.charge(ask(1)), input_tokens=100, output_tokens=100)
    for tenant_id in (1, 2):
        for _ in range(50):
            queue.join(ask(tenant_id))
    queue.settle(early)
    turns = Counter(served(queue)[0].ask.tenant_id for _ in range(20))
    assert max(turns.values()) <= 11


def test_accounts_that_say_nothing_are_forgotten() -> None:
    queue = FairQueue()
    for tenant_id in range(10_000):
        queue.settle(queue.charge(ask(tenant_id)), input_tokens=100, output_tokens=100)
    assert len(queue) < 1_000


def test_who_has_most_in_line_makes_room() -> None:
    queue = FairQueue()
    for tenant_id, waiting, weight in ((1, 5, 100), (2, 8, 200), (3, 1, 100)):
        tickets = [queue.join(ask(tenant_id, weight=weight)) for _ in range(waiting)]
        if tenant_id == 1:
            last = tickets[-1]
    assert queue.over() is last
    flex = queue.join(ask(4, priority=Priority.FLEX))
    assert queue.over() is flex


# What happens: a request joins, the head is served, one that waits leaves, one ends.
TENANTS = st.integers(1, 4)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("join"), TENANTS, st.sampled_from(Priority), st.integers(1, 400)
        ),
        st.tuples(st.sampled_from(("serve", "leave", "end")), st.integers(0, 9)),
    ),
    max_size=120,
)


@given(STEPS)
def test_whatever_happens_nobody_is_lost(steps: list[tuple[object, ...]]) -> None:
    """The queue never idles while somebody waits, and what leaves is gone."""
    queue = FairQueue()
    waiting: list[Ticket] = []
    running: list[Charge] = []
    for step in steps:
        match step:
            case ("join", int(tenant_id), Priority() as priority, int(tokens)):
                waiting.append(
                    queue.join(ask(tenant_id, priority=priority, input_tokens=tokens))
                )
            case ("serve", int()) if waiting:
                best = max(each.ask.priority for each in waiting)
                ticket, charge = served(queue)
                assert ticket.ask.priority is best
                waiting.remove(ticket)
                running.append(charge)
            case ("leave", int(number)) if waiting:
                ticket = waiting.pop(number % len(waiting))
                queue.leave(ticket)
                queue.leave(ticket)
            case ("end", int(number)) if running:
                charge = running.pop(number % len(running))
                queue.settle(charge, input_tokens=number * 30, output_tokens=number)
            case _:
                pass
        assert queue.waiting == len(waiting)
        assert (queue.head() is None) == (not waiting)
        assert sum(claim.waiting for claim in queue.claims()) == len(waiting)
    while waiting:
        waiting.remove(served(queue)[0])
    assert queue.head() is None


@given(
    st.lists(st.integers(1, 500), min_size=30, max_size=60),
    st.lists(st.integers(1, 500), min_size=30, max_size=60),
    st.sampled_from((50, 100, 300)),
    st.integers(1, 6),
)
def test_two_who_wait_are_never_far_apart(
    first: list[int], second: list[int], weight: int, places: int
) -> None:
    """By weight, no further than a request of each, and what runs of them."""
    queue = FairQueue()
    for tenant_id, sizes, of in ((1, first, 100), (2, second, weight)):
        for tokens in sizes:
            queue.join(ask(tenant_id, weight=of, input_tokens=tokens, output_tokens=50))
    had = {1: 0.0, 2: 0.0}
    left = {1: len(first), 2: len(second)}
    running: list[Charge] = []
    # Output is guessed at first: what runs may be charged wrongly by that much.
    largest = cost(500, 50)
    bound = largest * (1 + 100 / weight) + places * cost(0, 50) * (1 + 100 / weight)
    while all(left.values()):
        ticket, charge = served(queue)
        tenant_id = ticket.ask.tenant_id
        left[tenant_id] -= 1
        had[tenant_id] += cost(ticket.ask.input_tokens, 20) * 100 / ticket.ask.weight
        running.append(charge)
        if len(running) == places:
            done = running.pop(0)
            account = done.account
            used_input = done.worth - cost(0, min(50, account.output_mean or 256))
            queue.settle(done, input_tokens=max(0, round(used_input)), output_tokens=20)
        assert abs(had[1] - had[2]) <= bound


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 300)), max_size=80),
    st.integers(1, 300),
)
def test_nobody_starves_within_a_class(
    others: list[tuple[int, int]], tokens: int
) -> None:
    """Whoever waits is served before each other tenant has had more than it by two."""
    queue = FairQueue()
    for tenant_id, size in others:
        queue.join(ask(tenant_id, input_tokens=size, output_tokens=1))
    queue.join(ask(9, input_tokens=tokens, output_tokens=1))
    had: Counter[int] = Counter()
    while True:
        ticket, _ = served(queue)
        if ticket.ask.tenant_id == 9:
            break
        had[ticket.ask.tenant_id] += int(cost(ticket.ask.input_tokens, 1))
    assert all(each <= cost(300, 1) for each in had.values())


def test_what_others_charged_is_learned() -> None:
    here, there = FairQueue(is_exchanged=True), FairQueue(is_exchanged=True)
    for _ in range(10):
        here.join(ask(1))
        there.join(ask(1))
        here.join(ask(2))
    for _ in range(5):
        served(there)
    [(account, told)] = there.take_unsaid(100)
    assert account.tenant_id == 1
    mine = dict(here.take_unsaid(100))
    assert set(mine.values()) == {0.0}
    here.learn(
        [(each, told if each.tenant_id == 1 else 0.0) for each in mine], here.levels()
    )
    # The other one catches up first.
    order = [served(here)[0].ask.tenant_id for _ in range(7)]
    assert order[:5] == [2] * 5
    assert {1, 2} == set(order[5:])


def test_what_cannot_be_said_is_said_later() -> None:
    queue = FairQueue(is_exchanged=True)
    queue.settle(queue.charge(ask(1)), input_tokens=50, output_tokens=10)
    said = queue.take_unsaid(100)
    assert [worth for _, worth in said] == [cost(50, 10)]
    assert queue.take_unsaid(100) == []
    queue.untold(said)
    assert queue.take_unsaid(100) == said


@given(st.lists(st.integers(1, 6), min_size=1, max_size=300))
def test_levels_never_fall(tenants: list[int]) -> None:
    queue = FairQueue()
    levels = []
    for tenant_id in tenants:
        queue.charge(ask(tenant_id))
        levels.append([level.counter for level in queue.levels()])
    for before, after in pairwise(levels):
        assert all(a <= b for a, b in zip(before, after, strict=True))
