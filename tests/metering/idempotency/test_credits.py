"""Credits: only failures of ours, only what stands, at most two of a key."""

import datetime as dt
import threading

import psycopg
import pytest
from django.db import connections

from kit.contracts import EventKind, EventStatus, TokenCounts
from kit.orm.roles import as_operator
from metering.idempotency import services
from metering.idempotency.models import Claim, Retry
from metering.pricing.rating import charge_picos
from metering.usage.corrections import Correction, post_corrections
from tests.databases import Database
from tests.metering.idempotency.world import COUNTS, World

OURS = {EventStatus.UNDELIVERED, EventStatus.ENGINE_ERROR, EventStatus.DRAINED}


def credit(world: World) -> int:
    with as_operator():
        return services.credit_retries(now=world.now)


def attempt(world: World, key: str, status: EventStatus) -> str:
    verdict, request_id = world.claim(key)
    world.end(request_id, status)
    return verdict


@pytest.mark.parametrize("status", list(EventStatus))
def test_only_what_ended_by_our_fault_is_credited(
    world: World, status: EventStatus
) -> None:
    assert attempt(world, "k", status) == "new"
    assert credit(world) == 0
    assert attempt(world, "k", EventStatus.OK) == "retry"
    assert credit(world) == (status in OURS)

    one = charge_picos(world.use.price, COUNTS)
    assert world.charged() == one * (1 if status in OURS else 2)


def test_a_credit_comes_with_the_retry_s_own_event(world: World) -> None:
    _, failed = world.claim("k")
    world.end(failed, EventStatus.DRAINED)
    _, running = world.claim("k")
    assert credit(world) == 0
    world.end(running)
    assert credit(world) == 1
    (correction,) = world.corrections()
    assert correction.kind == EventKind.RETRY
    assert correction.corrects == failed
    assert correction.output_tokens == -COUNTS.output_tokens
    assert credit(world) == 0
    assert len(world.corrections()) == 1


def test_without_a_retry_nothing_is_credited(world: World) -> None:
    attempt(world, "k", EventStatus.ENGINE_ERROR)
    attempt(world, "other", EventStatus.OK)
    assert credit(world) == 0


def test_what_was_taken_back_before_is_not_taken_back_again(world: World) -> None:
    _, failed = world.claim("k")
    world.end(failed, EventStatus.ENGINE_ERROR)
    with as_operator():
        output = TokenCounts(output_tokens=-COUNTS.output_tokens)
        correction = Correction(
            world.use.tenant_id, failed, EventKind.UNDELIVERED, "one", output
        )
        post_corrections([correction], poster="a test")
    attempt(world, "k", EventStatus.OK)
    assert credit(world) == 1
    assert world.charged() == charge_picos(world.use.price, COUNTS)


def test_an_attempt_of_which_nothing_stands_takes_nobody_s_credit(
    world: World,
) -> None:
    for _ in range(5):
        _, failed = world.claim("k")
        world.end(failed, EventStatus.ENGINE_ERROR, TokenCounts())
    for _ in range(3):
        attempt(world, "k", EventStatus.ENGINE_ERROR)
    credit(world)
    assert list(world.credits().values()) == [1, 2]
    assert world.charged() == charge_picos(world.use.price, COUNTS)


def test_of_a_thousand_retries_two_are_credited(world: World) -> None:
    ids = []
    for number in range(1001):
        verdict, request_id = world.claim("k", "the same body")
        assert verdict == ("retry" if number else "new")
        world.end(request_id, EventStatus.ENGINE_ERROR)
        ids.append(request_id)
        if number % 400 == 399:
            credit(world)
    credit(world)

    assert world.credits() == {ids[0]: 1, ids[1]: 2}
    assert {event.corrects for event in world.corrections()} == set(ids[:2])
    assert world.charged() == 999 * charge_picos(world.use.price, COUNTS)
    with as_operator():
        left = Retry.objects.filter(tenant_id=world.use.tenant_id, judged_at=None)
        assert not left.exists()


def test_two_workers_at_once_credit_once(world: World) -> None:
    for key in range(20):
        attempt(world, str(key), EventStatus.DRAINED)
        attempt(world, str(key), EventStatus.OK)
    counts: list[int] = []

    def work() -> None:
        counts.append(credit(world))
        connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(counts) == 20
    assert len(world.corrections()) == 20


def test_a_third_credit_is_refused_by_the_database_itself(
    world: World, database: Database
) -> None:
    for _ in range(4):
        attempt(world, "k", EventStatus.DRAINED)
    credit(world)
    with psycopg.connect(database.url_for("operator")) as connection:
        for number in (2, 3):
            with pytest.raises(psycopg.errors.IntegrityError):
                connection.execute(
                    "UPDATE idempotency_retry SET credit = %s"
                    " WHERE tenant_id = %s AND number = 3",
                    [number, world.use.tenant_id],
                )
            connection.rollback()


def test_an_attempt_that_left_nothing_does_not_hide_the_one_before(
    world: World,
) -> None:
    attempt(world, "k", EventStatus.DRAINED)
    world.claim("k")
    world.die()
    assert credit(world) == 0
    assert attempt(world, "k", EventStatus.OK) == "retry"
    assert credit(world) == 1


def test_old_keys_are_forgotten_in_batches(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "PURGE_BATCH", 2)
    for key in range(5):
        attempt(world, str(key), EventStatus.DRAINED)
    _, last = world.claim("0")
    began = world.now
    world.pass_time(dt.timedelta(hours=23, minutes=59))
    attempt(world, "young", EventStatus.OK)

    def purge(at: dt.datetime) -> tuple[int, int]:
        with as_operator():
            services.purge(now=at)
            mine = {"tenant_id": world.use.tenant_id}
            claims, retries = Claim.objects.filter(**mine), Retry.objects.filter(**mine)
            return claims.count(), retries.count()

    assert purge(world.now) == (6, 1)
    assert purge(began + services.KEPT) == (1, 1)
    # Its retry still ends, and is credited for.
    world.end(last)
    assert credit(world) == 1
    assert purge(began + services.KEPT + services.GRACE) == (0, 0)
