"""Meters count what was used, hour by hour, whatever becomes of calls."""

import datetime as dt
from dataclasses import replace

import pytest
from pytest_django import Settings

from kit.contracts import TokenCounts
from metering.billing.models import ProviderCustomer
from metering.collection.meters import deciding
from metering.collection.meters.noting import TAKEN, forget_use, note_use
from metering.collection.meters.telling import tell_use
from metering.collection.models import (
    MeterCurrencies,
    MeterDifference,
    MeterEvent,
    MeterProgress,
)
from metering.usage.services import roll_up
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import commit, make_epoch, make_use
from tests.metering.collection.meters.scene import DAY, HOUR, MINUTE, Metered

ALL_WAYS = ["drop_before", "commit_then_drop", "commit_then_500", "error_500"]
PATH = "/v1/billing/meter_events"


def test_an_hour_that_is_over_is_told_once(metered: Metered) -> None:
    metered.use(requests=3, input_tokens=900, output_tokens=70, reasoning_tokens=20)
    metered.use(metered.hour + HOUR, input_tokens=5)
    told = [
        ("input_tokens", 1, 900, "told"),
        ("output_tokens", 1, 70, "told"),
    ]
    assert metered.run() == told
    assert metered.run() == told
    assert len(metered.sent()) == 2
    assert (metered.counted(), metered.counted("output_tokens")) == (900, 70)
    # The hour that was running is told once it is over.
    metered.wait(HOUR)
    assert metered.run()[2:] == [("input_tokens", 1, 5, "told")]


def test_what_is_told_names_its_hour_and_tenant_for_good(metered: Metered) -> None:
    metered.use(input_tokens=900)
    metered.run()
    row = MeterEvent.objects.get()
    microseconds = metered.tenant.created_at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    mark = f"{metered.tenant.pk}-{microseconds // dt.timedelta(microseconds=1)}"
    assert row.identifier == f"{mark}:input_tokens:{metered.hour:%Y%m%dT%H}:1"
    [use] = metered.account.uses[metered.meters["input_tokens"]]
    assert (use.identifier, use.at) == (row.identifier, metered.hour.timestamp())


def test_what_an_hour_gained_later_is_told_alone(metered: Metered) -> None:
    metered.use(input_tokens=900)
    metered.run()
    metered.use(input_tokens=25)
    metered.use(price=make_price(model="other"), input_tokens=75)
    assert metered.run() == [
        ("input_tokens", 1, 900, "told"),
        ("input_tokens", 2, 100, "told"),
    ]
    assert metered.counted() == 1000


def test_what_comes_days_late_is_told_by_the_longer_look(metered: Metered) -> None:
    metered.use(metered.hour, input_tokens=900)
    metered.run()
    metered.wait(5 * DAY)
    metered.use(input_tokens=100)
    assert note_use(now=metered.now) == 0
    assert note_use(now=metered.now, reach=TAKEN) == 1
    tell_use(now=metered.now)
    assert metered.counted() == 1000


def test_events_of_gateways_come_to_the_same(metered: Metered) -> None:
    use = make_use(price=metered.price, admitted_at=metered.hour, tenant=metered.tenant)
    counts = TokenCounts(
        input_tokens=10, cached_input_tokens=5, output_tokens=7, reasoning_tokens=3
    )
    epoch = make_epoch(started_at=metered.hour)
    commit(epoch, *[replace(use, counts=counts)] * 3)
    roll_up()
    metered.run()
    commit(epoch, replace(use, counts=counts))
    roll_up()
    metered.run()
    names = ("input_tokens", "cached_input_tokens", "output_tokens")
    assert [metered.counted(name) for name in names] == [40, 20, 28]


@pytest.mark.parametrize("fault", ALL_WAYS)
def test_a_call_that_goes_wrong_counts_once(metered: Metered, fault: str) -> None:
    metered.use(input_tokens=900)
    metered.standin.plan(fault, method="POST", path=PATH)
    [(*_, state)] = metered.run()
    assert (state, len(metered.problems())) == ("waiting", 1)
    for _ in range(2):
        metered.wait(2 * MINUTE)
        [(*_, state)] = metered.run()
    assert (state, metered.problems()) == ("told", [])
    assert metered.counted() == 900


def test_two_calls_of_a_meter_at_once_are_refused_and_made_again(
    metered: Metered,
) -> None:
    metered.use(input_tokens=900)
    metered.standin.plan("lock_timeout", method="POST", path=PATH)
    assert metered.run()[0][3] == "waiting"
    metered.wait(2 * MINUTE)
    # Under another key: the first one keeps its refusal for a day.
    assert metered.run()[0][3] == "told"
    assert metered.counted() == 900


def test_what_is_there_already_was_told(metered: Metered) -> None:
    metered.use(input_tokens=900)
    metered.standin.plan("commit_then_drop", method="POST", path=PATH)
    metered.run()
    # Its key is gone with the answer; its identifier is not.
    MeterEvent.objects.update(sent_at=None, try_at=metered.now)
    assert metered.run() == [("input_tokens", 1, 900, "told")]
    assert metered.counted() == 900
    assert len(metered.sent()) == 2


def test_one_event_of_an_hour_is_in_doubt_at_most(metered: Metered) -> None:
    metered.use(input_tokens=900)
    metered.standin.plan("drop_before", method="POST", path=PATH)
    metered.run()
    metered.use(input_tokens=100)
    assert [each[3] for each in metered.run()] == ["waiting", "waiting"]
    assert len(metered.sent()) == 1
    metered.wait(2 * MINUTE)
    assert [each[3] for each in metered.run()] == ["told", "told"]


@pytest.mark.parametrize("fault", ["commit_then_500", "error_500"])
def test_what_was_refused_a_day_ago_is_asked_of_the_meter(
    metered: Metered, fault: str
) -> None:
    metered.use(input_tokens=900)
    metered.standin.plan(fault, method="POST", path=PATH)
    metered.run()
    metered.wait(2 * MINUTE)
    # Its key keeps the failure, and the workers are down for a day.
    metered.run()
    metered.wait(DAY)
    assert metered.run()[0][3] == "told"
    assert metered.counted() == 900


@pytest.mark.parametrize("fault", ["drop_before", "commit_then_drop"])
def test_after_a_day_in_doubt_the_meter_decides(metered: Metered, fault: str) -> None:
    metered.use(input_tokens=900)
    metered.run()
    metered.use(input_tokens=100)
    metered.standin.plan(fault, method="POST", path=PATH)
    assert metered.run()[1][3] == "waiting"
    metered.wait(2 * DAY)
    assert metered.run()[1][3] == "told"
    assert metered.counted() == 1000


def test_a_meter_that_counts_something_else_is_looked_at(metered: Metered) -> None:
    metered.use(input_tokens=900)
    metered.standin.plan("drop_before", method="POST", path=PATH)
    metered.run()
    customer = ProviderCustomer.objects.get().reference
    metered.stripe.v1.billing.meter_events.create(
        {
            "event_name": "tollgate_input_tokens",
            "payload": {"stripe_customer_id": customer, "value": "7"},
            "timestamp": int(metered.hour.timestamp()),
        }
    )
    metered.wait(2 * DAY)
    assert metered.run()[0][3] == "waiting"
    assert metered.problems() == [
        "The meter counts 7 of its hour, and was told 0.",
    ]


def test_a_database_of_yesterday_tells_nothing_again(metered: Metered) -> None:
    metered.use(input_tokens=900)
    metered.run()
    MeterEvent.objects.all().delete()
    metered.wait(2 * DAY)
    note_use(now=metered.now, reach=TAKEN)
    tell_use(now=metered.now)
    assert metered.events() == [("input_tokens", 1, 900, "told")]
    assert metered.counted() == 900


def test_a_missing_meter_is_said_once_and_waited_for(metered: Metered) -> None:
    meter = metered.meters["input_tokens"]
    metered.stripe.v1.billing.meters.deactivate(meter)
    metered.use(input_tokens=900, output_tokens=70)
    assert [each[3] for each in metered.run()] == ["waiting", "told"]
    progress = MeterProgress.objects.get()
    assert progress.problem == "No active meter sums up tollgate_input_tokens."
    assert metered.problems() == []
    metered.stripe.v1.billing.meters.reactivate(meter)
    assert [each[3] for each in metered.run()] == ["told", "told"]
    progress.refresh_from_db()
    assert progress.problem == ""


def test_a_meter_that_does_not_add_up_is_none(metered: Metered) -> None:
    metered.stripe.v1.billing.meters.deactivate(metered.meters["input_tokens"])
    metered.make_meter("input_tokens", formula="last")
    metered.use(input_tokens=900)
    assert metered.run()[0][3] == "waiting"
    assert "tollgate_input_tokens" in MeterProgress.objects.get().problem


def test_what_is_refused_is_parked_in_the_end(metered: Metered) -> None:
    metered.use(input_tokens=900)
    metered.run()
    reference = ProviderCustomer.objects.get().reference
    ProviderCustomer.objects.update(reference="cus_gone")
    metered.use(input_tokens=100)
    for _ in range(10):
        metered.run()
        metered.wait(6 * HOUR + MINUTE)
    assert metered.events()[1][3] == "parked"
    assert "customer" in metered.problems()[0]
    # After a day the meter is asked first, which is refused as well.
    assert 1 < len(metered.sent()) < 11
    ProviderCustomer.objects.update(reference=reference)
    assert metered.run()[1][3] == "parked"
    deciding.tell_anew(event=MeterEvent.objects.get(state="parked"), now=metered.now)
    assert metered.run() == [
        ("input_tokens", 1, 900, "told"),
        ("input_tokens", 2, 100, "told"),
    ]
    assert metered.counted() == 1000


def test_meters_take_nothing_older_than_35_days(metered: Metered) -> None:
    metered.stripe.v1.billing.meters.deactivate(metered.meters["input_tokens"])
    metered.use(input_tokens=900)
    metered.run()
    metered.wait(36 * DAY)
    metered.stripe.v1.billing.meters.reactivate(metered.meters["input_tokens"])
    assert metered.run()[0][3] == "parked"
    assert metered.problems() == ["Meters take no more than 35 days."]
    metered.wait(5 * DAY)
    assert forget_use(now=metered.now) == 1


def test_what_no_meter_was_there_for_is_parked_before_it_is_forgotten(
    metered: Metered,
) -> None:
    metered.use(input_tokens=900)
    metered.run()
    metered.use(input_tokens=100, output_tokens=5)
    metered.stripe.v1.billing.meters.deactivate(metered.meters["input_tokens"])
    assert metered.run()[1] == ("input_tokens", 2, 100, "waiting")
    metered.wait(35 * DAY)
    metered.run()
    assert [each[3] for each in metered.events()] == ["told", "parked", "told"]
    assert metered.problems() == [
        "Meters take no more than 35 days. No active meter was there for it."
    ]


def test_what_was_used_before_it_was_switched_on_is_not_told(metered: Metered) -> None:
    MeterProgress.objects.update(account="another")
    metered.use(input_tokens=900)
    metered.use(metered.hour + HOUR, input_tokens=50)
    assert metered.run() == []
    metered.wait(HOUR)
    assert metered.run() == [("input_tokens", 1, 50, "told")]


def test_nothing_is_told_unless_it_is_asked_for(
    metered: Metered, settings: Settings
) -> None:
    settings.STRIPE_METER_EVENTS = False
    metered.use(input_tokens=900)
    assert metered.run() == []
    assert ProviderCustomer.objects.count() == 0


def test_each_account_is_told_of_its_currencies(
    metered: Metered, settings: Settings
) -> None:
    settings.STRIPE_ACCOUNTS = {
        "europe": {
            "api_key": "sk_test_europe",
            "currencies": ("EUR",),
            "meter_events": True,
        }
    }
    MeterProgress.objects.create(account="europe", told_from=metered.hour - DAY)
    euros = make_price(currency="EUR")
    metered.use(input_tokens=900)
    metered.use(price=euros, input_tokens=40)
    note_use(now=metered.now)
    rows = MeterEvent.objects.order_by("account").values_list("account", "quantity")
    assert list(rows) == [("default", 900), ("europe", 40)]


def test_a_currency_that_another_account_takes_stays_told_of_before(
    metered: Metered, settings: Settings
) -> None:
    euros = make_price(currency="EUR")
    hour = metered.hour
    metered.use(price=euros, input_tokens=40)
    metered.use(hour - DAY - HOUR, price=euros, input_tokens=30)
    metered.run()
    settings.STRIPE_ACCOUNTS = {
        "europe": {
            "api_key": "sk_test_europe",
            "currencies": ("EUR",),
            "meter_events": True,
        }
    }
    # It takes other currencies already.
    MeterProgress.objects.create(account="europe", told_from=hour - 2 * DAY)
    MeterCurrencies.objects.create(
        account="europe", since=hour - 2 * DAY, codes="CHF", takes_these=True
    )
    # What was used before anybody looked is still the old one's.
    metered.use(price=euros, input_tokens=5)
    note_use(now=metered.now, reach=TAKEN)
    rows = MeterEvent.objects.order_by("account", "hour", "seq")
    before = [
        ("default", 30, "told"),
        ("default", 40, "told"),
        ("default", 5, "waiting"),
    ]
    listed = rows.values_list("account", "quantity", "state")
    assert list(listed) == before
    metered.wait(HOUR)
    metered.use(hour + HOUR, price=euros, input_tokens=7)
    note_use(now=metered.now, reach=TAKEN)
    assert list(listed.all()) == [*before, ("europe", 7, "waiting")]
    assert not MeterDifference.objects.exists()


def test_one_tenants_trouble_is_no_other_tenants(metered: Metered) -> None:
    other = make_tenant()
    metered.use(input_tokens=900)
    metered.use(tenant=other, input_tokens=40)
    metered.standin.plan("drop_before", method="POST", path="/v1/customers")
    metered.run()
    told = MeterEvent.objects.filter(state="told")
    assert [row.tenant_id for row in told] == [other.pk]
    assert len(metered.problems()) == 1
