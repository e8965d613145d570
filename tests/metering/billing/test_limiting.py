"""Calls keep their pace: measured at the other end, whoever makes them."""

import threading
import time

import pytest
from django.db import connections

from kit.orm.roles import OPERATOR, as_operator
from metering.billing.limiting import AHEAD_S_MAX, Pace
from metering.billing.models import CallPace
from metering.billing.providers.stripe.client import StripeAccount
from metering.billing.providers.stripe.client.transport import endpoint_of
from tests.databases import Database
from tests.metering.billing.callers import Calls, started
from tests.standins.stripe import StripeStandIn

SECOND_US = 1_000_000
READ = "GET /v1/invoices/*"


@pytest.fixture
def live(standin: StripeStandIn) -> StripeStandIn:
    standin.add_account("live", api_key="rk_live_any")
    standin.hold_to_limits()
    return standin


def test_slots_are_an_interval_apart(fresh_database: Database) -> None:
    pace = Pace("default", account_per_s=80, endpoint_per_s=20)
    taken = [
        pace._taken(READ, account_us=12_500, endpoint_us=50_000) for _ in range(20)
    ]
    # Each is told how long it still has to wait: time goes by between them.
    assert taken[0] <= 0
    assert 19 * 50_000 - 10 * SECOND_US < taken[-1] <= 19 * 50_000
    with as_operator():
        free = dict(CallPace.objects.values_list("endpoint", "free_at_us"))
    assert free.keys() == {"", READ}


def test_endpoints_have_a_pace_each_and_accounts_share_nothing(
    fresh_database: Database,
) -> None:
    here = Pace("default", account_per_s=80, endpoint_per_s=20)
    here.hold_off(READ, seconds=10)
    assert here._taken(READ, account_us=1, endpoint_us=1) > 5 * SECOND_US
    assert here._taken("GET /v1/customers", account_us=1, endpoint_us=1) <= SECOND_US
    there = Pace("europe", account_per_s=80, endpoint_per_s=20)
    assert there._taken(READ, account_us=1, endpoint_us=1) <= 0


def test_a_clock_that_was_set_back_holds_nobody_up_for_long(
    fresh_database: Database,
) -> None:
    with as_operator():
        in_an_hour = int((time.time() + 3600) * SECOND_US)
        CallPace.objects.create(account="default", endpoint=READ, free_at_us=in_an_hour)
    pace = Pace("default", account_per_s=80, endpoint_per_s=20)
    taken = pace._taken(READ, account_us=12_500, endpoint_us=50_000)
    assert taken <= AHEAD_S_MAX * SECOND_US


def test_a_transaction_of_the_caller_keeps_nobody_waiting(operator_db: None) -> None:
    pace = Pace("alone", account_per_s=80, endpoint_per_s=20)
    pace.wait(READ)
    seen: list[int] = []

    def look() -> None:
        try:
            seen.append(pace._taken(READ, account_us=1, endpoint_us=1))
        finally:
            connections.close_all()

    other = threading.Thread(target=look)
    other.start()
    other.join(10)
    assert len(seen) == 1
    with connections[OPERATOR].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM billing_callpace WHERE account = 'alone'")
        assert cursor.fetchone() == (2,)


def test_processes_together_keep_below_the_limits(
    fresh_database: Database, live: StripeStandIn
) -> None:
    calls = Calls(fresh_database, live.url, api_key="rk_live_any", threads=3, each=9)
    begun = time.monotonic()
    processes = [started(calls) for _ in range(3)]
    for process in processes:
        process.join(100)
    took = time.monotonic() - begun
    entries = live.journal("GET")
    assert len(entries) == 3 * 3 * 9
    assert {entry["status"] for entry in entries} == {404}
    # Nobody is let through before its slot.
    assert took >= 80 / 20


def test_what_came_too_fast_all_the_same_is_sent_again_under_its_key(
    fresh_database: Database, standin: StripeStandIn
) -> None:
    """Others may use the account, too, and the SDK gives up at the first 429."""
    account = _paced(standin)
    for _ in range(2):
        standin.plan("rate_limited", path="/v1/customers")
    assert account.customers.create({"name": "Acme"}, key="customer:1:1")
    entries = standin.journal()
    assert [entry["status"] for entry in entries] == [429, 429, 200]
    assert {entry["idempotency_key"] for entry in entries} == {"customer:1:1"}
    with as_operator():
        assert CallPace.objects.filter(endpoint="POST /v1/customers").exists()


def test_what_a_key_keeps_is_not_asked_for_again(
    fresh_database: Database, standin: StripeStandIn
) -> None:
    account = _paced(standin)
    standin.plan("error_500", path="/v1/customers")
    for _ in range(2):
        with pytest.raises(Exception, match="unknown error"):
            account.customers.create({"name": "Acme"}, key="customer:1:1")
    assert [entry["replayed"] for entry in standin.journal()] == [False, True]


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("post", "/v1/invoices", "POST /v1/invoices"),
        ("get", "/v1/invoices/in_1Nx?expand[]=a", "GET /v1/invoices/*"),
        ("post", "/v1/invoices/in_1/add_lines", "POST /v1/invoices/*/add_lines"),
        ("get", "/v1/invoice_payments", "GET /v1/invoice_payments"),
        ("post", "/v2/billing/meter_events", "POST /v2/billing/meter_events"),
    ],
)
def test_an_endpoint_is_a_path_without_its_ids(
    method: str, path: str, endpoint: str
) -> None:
    assert endpoint_of(method, f"https://api.stripe.com{path}") == endpoint


def _paced(standin: StripeStandIn) -> StripeAccount:
    return StripeAccount(
        api_key="sk_test_any",
        api_base=standin.url,
        network_retries_max=0,
        pace=Pace("default", account_per_s=80, endpoint_per_s=20),
    )
