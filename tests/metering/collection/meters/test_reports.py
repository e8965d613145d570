"""What a meter did not count after all is parked, and told anew by people."""

import json
from typing import Any

import pytest
from pytest_django import Settings

from metering.billing.providers.stripe.client import events
from metering.collection.meters import deciding
from metering.collection.meters.reports import not_counted
from metering.collection.models import MeterEvent
from metering.inbox.catching_up import catch_up
from metering.inbox.handlers import handlers_for
from metering.inbox.models import Progress, WebhookEvent
from metering.inbox.processing import process_next
from metering.inbox.told import told_by
from tests.factories.inbox import take_in
from tests.metering.collection.meters.scene import DAY, Metered
from tests.standins.stripe.world import meter_reports

GONE = "meter_event_customer_not_found"
NO_METER = "v1.billing.meter.no_meter_found"


def told(metered: Metered, *quantities: int) -> list[MeterEvent]:
    """Tell of as many events of one hour."""
    for quantity in quantities:
        metered.use(input_tokens=quantity)
        metered.run()
    return list(MeterEvent.objects.order_by("pk"))


def report(metered: Metered, *rows: MeterEvent, named_by_key: bool = False) -> Any:
    """Let the meter find out that it cannot count these, and say so."""
    account = metered.account
    refused = [
        (row.identifier, f"{row.identifier}/1" if named_by_key else row.identifier)
        for row in rows
    ]
    with metered.standin.engine.opened(account):
        meter = account.rows["billing.meter"][metered.meters["input_tokens"]]
        return meter_reports.report(account, meter, refused, GONE)


def heard(metered: Metered, notice: Any) -> WebhookEvent:
    """Take the notice in as a webhook brings it, and see it through."""
    event = events.event_in(json.dumps(notice).encode())
    take_in(told_by(event), now=metered.now)
    while process_next(now=metered.now):
        pass
    return WebhookEvent.objects.get(event_id=notice["id"])


@pytest.mark.parametrize("named_by_key", [False, True])
def test_what_a_report_names_is_parked_with_its_reason(
    metered: Metered, named_by_key: bool
) -> None:
    first, second = told(metered, 900, 50)
    event = heard(metered, report(metered, first, named_by_key=named_by_key))
    assert (event.state, event.problem) == ("done", "")
    assert [each[3] for each in metered.run()] == ["parked", "told"]
    assert metered.problems() == [f"Not counted: Error {GONE}."]
    assert metered.counted() == second.quantity
    # Once somebody has looked, it is told under the next number.
    deciding.tell_anew(event=first, now=metered.now)
    assert metered.run()[2] == ("input_tokens", 3, 900, "told")
    assert metered.counted() == 950


def test_a_report_that_names_not_all_stays_to_be_looked_at(metered: Metered) -> None:
    rows = told(metered, *range(1, 13))
    event = heard(metered, report(metered, *rows))
    assert event.state == "waiting"
    assert "Not counted, and not named: 2. There were 12" in event.problem
    states = [each[3] for each in metered.events()]
    assert (states.count("parked"), states.count("told")) == (10, 2)


def test_a_report_about_no_meter_is_read_too(metered: Metered) -> None:
    [row] = told(metered, 900)
    with metered.standin.engine.opened(metered.account):
        refused = [(row.identifier, row.identifier)]
        notice = meter_reports.report(metered.account, None, refused, "no_meter")
    assert handlers_for(NO_METER) == [not_counted]
    assert heard(metered, notice).state == "done"
    row.refresh_from_db()
    assert row.state == "parked"


@pytest.mark.parametrize(
    "named",
    [
        "",
        "of-somebody-else",
        "1-2:input_tokens:20261199T99:1",
        "1-2:tokens:20261101T01:1",
    ],
)
def test_events_of_others_are_none_of_ours(metered: Metered, named: str) -> None:
    [row] = told(metered, 900)
    with metered.standin.engine.opened(metered.account):
        notice = meter_reports.report(metered.account, None, [("", named)], "no_meter")
    assert heard(metered, notice).state == "done"
    row.refresh_from_db()
    assert row.state == "told"


def test_a_report_that_no_webhook_brought_is_caught_up_with(metered: Metered) -> None:
    [row] = told(metered, 900)
    # More than a page of them.
    for _ in range(100):
        report(metered)
    report(metered, row)
    now = metered.now
    assert catch_up(now=now) >= 101
    while process_next(now=now):
        pass
    row.refresh_from_db()
    assert row.state == "parked"
    metered.wait(DAY)
    assert catch_up(now=metered.now) == 0


def test_reports_that_cannot_be_listed_hold_up_nothing_else(metered: Metered) -> None:
    [row] = told(metered, 900)
    path = "/v2/core/events"
    metered.standin.plan("lock_timeout", method="GET", path=path)
    now = metered.now
    catch_up(now=now)
    progress = Progress.objects.get()
    assert (progress.listed_to, progress.reports_to) == (now, None)
    assert progress.problem
    report(metered, row)
    assert catch_up(now=now) == 1
    progress.refresh_from_db()
    assert (progress.reports_to, progress.problem) == (now, "")


def test_reports_are_listed_only_where_meters_are_told(
    metered: Metered, settings: Settings
) -> None:
    settings.STRIPE_METER_EVENTS = False
    catch_up(now=metered.now)
    calls = [call["path"] for call in metered.standin.journal("GET")]
    assert "/v1/events" in calls
    assert "/v2/core/events" not in calls
