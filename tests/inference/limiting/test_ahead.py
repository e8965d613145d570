"""Taking ahead from a real store: nothing too much, nothing lost, nobody kept out."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from inference.gateway.metrics import GatewayMetrics
from inference.gateway.rates import Rates, Taken
from inference.limiting.ahead import AheadLimiter
from inference.limiting.connection import StoreAwayError
from inference.limiting.guarded import GuardedLimiter
from inference.limiting.limiter import SLOT_US, Rule
from inference.limiting.slots import SlotBook
from inference.limiting.stock import ASKED_MIN, LIFE_US, PART, WINDOW_US_MIN, may_stock
from inference.limiting.valkey import PREFIX, ValkeyLimiter
from kit.clock import boot_us
from kit.contracts import TokenCounts
from kit.errors import RateLimited
from tests.eventually import eventually
from tests.inference.limiting.asking import (
    LIMIT,
    RULES,
    SLOTS,
    USED,
    Client,
    Clients,
    Standing,
    flow,
    name,
    unhurried,
)
from tests.inference.limiting.conftest import Connect
from tests.inference.limiting.rules import HOUR_US, slot
from tests.inference.limiting.store import Store, answered


@pytest.fixture
async def another(connect: Connect) -> AsyncIterator[Clients]:
    """Provide a function that returns another process's client."""
    made: list[AheadLimiter] = []

    async def client(clock: Callable[[], int] = boot_us) -> Client:
        made.append(AheadLimiter(await connect(), clock=clock))
        return Client(made[-1])

    yield client
    for limiter in made:
        await limiter.close()


async def given_back(*clients: Client) -> None:
    """Return once the store has all that was taken ahead and not used."""
    await eventually(lambda: not any(each.limiter._live for each in clients))
    for each in clients:
        await answered(each.limiter._store)


def level(store: Store, rule: Rule) -> float:
    """Return what the store counts as used of a flow."""
    kept = store.admin.get(f"{PREFIX}{rule.key}:{rule.window_us}")
    return int(kept.split()[0]) / rule.window_us if kept else 0.0


def used(store: Store) -> tuple[int, int, int]:
    """Return what the store counts as used of all rules, to one."""
    spent, of_tokens = (round(level(store, rule)) for rule in RULES[:2])
    return spent, of_tokens, store.admin.zcard(SLOTS)


def asked(store: Store) -> int:
    """Return how many scripts the store has run."""
    stats = store.admin.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in _RUN)


_RUN = ("evalsha", "eval")


async def test_whoever_asks_often_seldom_asks_the_store(
    another: Clients, store: Store
) -> None:
    client = await another(Standing())
    before = asked(store)
    await client.ask(500)
    assert asked(store) - before < 200
    assert client.limiter.metrics.ahead > 400
    assert client.limiter.metrics.allowed == 500


async def test_small_limits_are_asked_for_each_time(
    another: Clients, store: Store
) -> None:
    client = await another()
    rules = (*RULES, flow(127, unit="few"))
    assert not may_stock(rules)
    before = asked(store)
    await client.ask(20, rules)
    assert client.limiter.metrics.ahead == 0
    assert asked(store) - before >= 20


async def test_at_the_end_everything_is_as_without_it(
    another: Clients, store: Store
) -> None:
    """Nothing is lost and nothing is kept, however requests end."""
    chance = random.Random(5)
    clients = [await another(unhurried) for _ in range(3)]
    expected = [0, 0]

    async def use(client: Client) -> None:
        await asyncio.sleep(chance.random() * 1.5)
        taken = await client.take()
        await asyncio.sleep(chance.choice((0, 0.001, 0.02, 0.15)))
        way = chance.random()
        if way < 0.2:
            taken.give_back()
            taken.release()
            return
        if way < 0.6:
            taken.release()
            taken.release()
            await asyncio.sleep(chance.random() * 0.02)
        counts = TokenCounts(chance.randrange(200), 5, chance.randrange(40))
        taken.settle(counts)
        taken.release()
        expected[0] += 1
        expected[1] += counts.input_tokens + 5 + counts.output_tokens

    await asyncio.gather(*(use(each) for each in clients for _ in range(600)))
    assert sum(each.limiter.metrics.ahead for each in clients) > 100
    await eventually(lambda: not any(each.limiter._stocks for each in clients))
    await eventually(lambda: used(store)[::2] == (expected[0], 0))
    _, tokens_spent, _ = used(store)
    # What drained meanwhile: of a month's some millionths.
    assert tokens_spent == pytest.approx(expected[1], abs=10)
    for client in clients:
        assert len(client.limiter.slots) == len(client.limiter.slots._kept) == 0
        assert client.limiter.metrics.unsaid == 0
        assert not client.limiter._stocked


async def test_never_more_than_the_limit_pass_and_all_of_it_does(
    another: Clients, store: Store
) -> None:
    """Several processes up to the edge and beyond, at random."""
    chance = random.Random(9)
    clients = [await another() for _ in range(3)]
    rule = flow(640, HOUR_US)
    slots = slot(200, name=name("slots")).rule
    began_us = now_us(store)
    running = highest = 0
    # Each has something ahead when the crowd comes, however busy the machine is.
    for each in clients:
        await each.stock_up((rule, slots))
    allowed = sum(each.limiter.metrics.allowed for each in clients)

    async def use(client: Client) -> None:
        nonlocal allowed, running, highest
        await asyncio.sleep(chance.random() * 1.5)
        try:
            taken = await client.take((rule, slots))
        except RateLimited:
            return
        allowed += 1
        running += 1
        highest = max(highest, running)
        await asyncio.sleep(chance.random() * 0.01)
        running -= 1
        taken.settle(USED)

    await asyncio.gather(*(use(each) for each in clients for _ in range(400)))
    lasted_us = now_us(store) - began_us
    assert allowed <= rule.limit + rule.limit * lasted_us // rule.window_us
    assert highest <= slots.limit
    await given_back(*clients)
    # And in the end all of it is given.
    with suppress(RateLimited):
        while True:
            await clients[0].take((rule, slots))
            allowed += 1
    lasted_us = now_us(store) - began_us
    most = rule.limit + rule.limit * lasted_us // rule.window_us
    assert most - 1 <= allowed <= most


async def test_nobody_is_refused_but_for_what_others_have_ahead(
    another: Clients,
) -> None:
    clients = [await another() for _ in range(3)]
    rule = flow(640)
    others, client = clients[1:], clients[0]
    for each in others:
        await each.stock_up((rule,))
    allowed = sum(each.limiter.metrics.allowed for each in others)
    with suppress(RateLimited):
        while True:
            await client.ask(1, (rule,))
            allowed += 1
    assert allowed >= rule.limit - len(others) * (rule.limit // PART)
    await given_back(*clients)
    with suppress(RateLimited):
        while True:
            await client.ask(1, (rule,))
            allowed += 1
    assert allowed == rule.limit


async def test_beyond_half_of_a_limit_nothing_is_taken_ahead(
    another: Clients,
) -> None:
    client = await another(clock := Standing())
    rule = flow(1_000)
    await client.ask(500, (rule,))
    before = client.limiter.metrics.ahead
    assert before > 300
    other = await another()
    await other.ask(20, (rule,))
    assert other.limiter.metrics.ahead == 0
    assert not other.limiter._stocked
    await client.ask(480, (rule,))
    assert client.limiter.metrics.ahead - before <= 1_000 // PART
    with pytest.raises(RateLimited):
        await client.ask(1, (rule,))
    clock.us += LIFE_US
    await eventually(lambda: not client.limiter._live)
    assert not client.limiter._stocked


async def test_whoever_is_refused_passes_after_waiting_as_told(
    another: Clients,
) -> None:
    """Also where somebody else holds some of it ahead."""
    client, other = await another(), await another()
    rule = flow(640, 2 * WINDOW_US_MIN)
    await client.stock_up((rule,))
    refused = None
    while refused is None:
        try:
            await other.ask(1, (rule,))
        except RateLimited as error:
            refused = error
    wait_ms = int((refused.headers or {})["retry-after-ms"])
    await asyncio.sleep(wait_ms / 1000 + 0.002)
    await other.ask(1, (rule,))


async def test_what_is_unused_goes_back_soon_and_at_the_end(
    another: Clients, store: Store
) -> None:
    client = await another()
    await client.stock_up()
    assert store.admin.zcard(SLOTS) > 0
    sent = client.limiter.metrics.allowed
    await eventually(lambda: not used(store)[2])
    spent, of_tokens, held = used(store)
    assert (spent, held) == (sent, 0)
    assert 100 * sent - 10 <= of_tokens <= 100 * sent
    await client.stock_up()
    assert store.admin.zcard(SLOTS) > 0
    sent = client.limiter.metrics.allowed
    await client.limiter.close()
    spent, of_tokens, held = used(store)
    assert (spent, held) == (sent, 0)
    assert 100 * sent - 10 <= of_tokens <= 100 * sent


async def test_corrections_are_told_soon(another: Clients, store: Store) -> None:
    # Its stock is never old: no giving back tells of it.
    client = await another(Standing())
    await client.stock_up()
    taken = await client.take()
    before = level(store, RULES[1])
    taken.settle(TokenCounts(input_tokens=40_000))
    await eventually(lambda: level(store, RULES[1]) > before + 39_000)
    assert client.limiter._live


async def test_slots_of_stocks_are_renewed_and_those_of_the_dead_lapse(
    another: Clients, store: Store
) -> None:
    client, dead = await another(), await another()
    await client.stock_up()
    held = [await client.take() for _ in range(2)]
    for _ in range(100):
        await dead.stock_up()
        if any(stock.free for stock in dead.limiter._stocks.values()):
            break
    dead.limiter._timer.cancel()  # type: ignore[union-attr]
    await dead.limiter._store.close()
    await given_back(client)
    assert store.admin.zcard(SLOTS) > 2
    # One half of their lives passes before they are renewed, and one after it.
    store.age(SLOTS, SLOT_US // 2)
    client.limiter.renew(client.rates.running)
    await answered(client.limiter._store)
    store.age(SLOTS, SLOT_US // 2)
    await client.ask(1, (*RULES, flow(5, unit="few")))
    await eventually(lambda: store.admin.zcard(SLOTS) == 2)
    for each in held:
        each.settle(USED)
    await eventually(lambda: store.admin.zcard(SLOTS) == 0)
    # Of the flows it keeps what it had taken, at most a part of them, until it drains.
    spent = client.limiter.metrics.allowed + dead.limiter.metrics.allowed
    assert spent <= level(store, RULES[0]) <= spent + LIMIT // PART


async def test_slots_of_stocks_are_kept_while_they_are_there(
    connect: Connect,
) -> None:
    """Nobody else says that they run."""
    clock_us = 0
    limiter = AheadLimiter(await connect(slots=SlotBook(clock=lambda: clock_us)))
    client, key = Client(limiter), RULES[2].key
    await client.stock_up()
    taken = await client.take()
    held = limiter.slots.count(key)
    assert held > 1
    for _ in range(3):
        clock_us += SLOT_US - 1
        limiter.renew([])
        assert limiter.slots.count(key) >= 1
    taken.release()
    await limiter.close()
    assert limiter.slots.count(key) == 0


async def test_many_sets_share_what_may_be_taken_ahead_of_a_rule(
    another: Clients,
) -> None:
    client = await another()
    wide = flow(1_280)
    sets = [(wide, flow(10**6, unit=f"key-{key}")) for key in range(8)]
    for _ in range(10):
        for rules in sets:
            await client.ask(8, rules)
            ahead = client.limiter._stocked.get((wide.key, wide.window_us), 0)
            assert ahead <= wide.limit // PART
    assert client.limiter.metrics.ahead


async def test_equal_rules_are_one_set_and_changed_ones_another(
    another: Clients, store: Store
) -> None:
    client = await another()
    again = (RULES[0], *RULES[1:])
    assert again is not RULES
    await client.stock_up()
    await client.ask(3, again)
    assert len(client.limiter._stocks) == 1
    lowered = (flow(128), *RULES[1:])
    await client.ask(2, lowered)
    assert len(client.limiter._stocks) == 2
    await eventually(lambda: store.admin.zcard(SLOTS) == 0)


@asynccontextmanager
async def guarded(store: ValkeyLimiter) -> AsyncIterator[GuardedLimiter]:
    limiter = GuardedLimiter(AheadLimiter(store), processes=lambda: 4)
    await limiter.begin()
    yield limiter
    await limiter.close()


async def test_a_frozen_store_is_not_felt_by_who_passes(
    connect: Connect, store: Store
) -> None:
    async with guarded(await connect(deadline_s=0.1)) as limiter:
        rates = Rates(limiter=limiter, metrics=GatewayMetrics())

        async def ask() -> Taken:
            return await rates.take(RULES, input_tokens=90, output_tokens=10)

        while limiter.metrics.ahead < 3:
            (await ask()).settle(USED)
        store.freeze()
        try:
            before = limiter.metrics.ahead
            taken = [await ask() for _ in range(3)]
            while not limiter.metrics.is_open:
                taken.append(await ask())
            assert limiter.metrics.ahead > before
            by_stock = limiter.metrics.ahead
            taken += [await ask() for _ in range(20)]
            assert limiter.metrics.ahead == by_stock
            for each in taken:
                each.settle(USED)
        finally:
            store.thaw()
        await eventually(lambda: not limiter.metrics.is_open, seconds=20)
        await eventually(lambda: store.admin.zcard(SLOTS) == 0)
        before = limiter.metrics.ahead
        while limiter.metrics.ahead == before:
            (await ask()).settle(USED)


async def test_nothing_ahead_is_used_beside_the_share(connect: Connect) -> None:
    async with guarded(await connect()) as limiter:
        rates = Rates(limiter=limiter, metrics=GatewayMetrics())
        while limiter.metrics.ahead < 3:
            taken = await rates.take(RULES, input_tokens=90, output_tokens=10)
            taken.settle(USED)
        before = limiter.metrics.ahead
        limiter._open(StoreAwayError("for the test"))
        for _ in range(3):
            taken = await rates.take(RULES, input_tokens=90, output_tokens=10)
            taken.settle(USED)
        assert limiter.metrics.ahead == before
        assert limiter.metrics.fallbacks == 3


async def test_a_take_that_was_cancelled_gives_back_what_was_ahead_too(
    another: Clients, store: Store
) -> None:
    client = await another()
    for _ in range(3):
        tasks = [asyncio.create_task(client.take()) for _ in range(4 * ASKED_MIN)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await eventually(lambda: used(store) == (0, 0, 0))
    assert client.limiter.metrics.unsaid == 0


async def test_what_was_taken_long_before_it_is_heard_of_lets_nobody_pass(
    connect: Connect, store: Store
) -> None:
    """A process that is held up reads an answer late, and it was in time."""
    clock_us = 10**9
    limiter = AheadLimiter(await connect(), clock=lambda: clock_us)
    client = Client(limiter)
    await client.ask(ASKED_MIN)
    stock = limiter._stocks[RULES]
    asking = asyncio.create_task(client.take())
    await asyncio.sleep(0)
    assert stock.is_asking
    clock_us += LIFE_US
    (await asking).settle(USED)
    assert stock.free
    assert limiter.try_take(RULES, input_tokens=90, output_tokens=10) is None
    await eventually(lambda: store.admin.zcard(SLOTS) == 0)
    assert used(store)[0] == ASKED_MIN + 1
    await limiter.close()


async def test_a_store_that_forgets_is_told_anew(
    another: Clients, store: Store
) -> None:
    client = await another()
    for _ in range(5):
        await client.stock_up()
        store.admin.script_flush()
    await client.stock_up()
    store.admin.flushall()
    await client.ask(50)
    await eventually(lambda: store.admin.zcard(SLOTS) == 0)
    assert client.limiter.metrics.unsaid == 0


def now_us(store: Store) -> int:
    """Return the store's time."""
    seconds, us = store.admin.time()
    return int(seconds * 1_000_000 + us)
