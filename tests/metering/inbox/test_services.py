"""Events are kept once, parked ones are driven anew by people, old ones forgotten."""

import dataclasses
import datetime as dt

import pytest
from django.db import IntegrityError

from kit.acting import Actor, ActorKind, acting_as
from kit.errors import Conflict
from kit.orm.atomic import atomic
from metering.inbox import handlers, services
from metering.inbox.models import WebhookEvent
from metering.inbox.told import Told
from tenants.models import AuditEntry
from tests.factories.inbox import NOW, Remembering, take_in, told

State = WebhookEvent.State
DAY = dt.timedelta(days=1)

pytestmark = pytest.mark.usefixtures("operator_db")


def event(event_id: str = "evt_1") -> WebhookEvent:
    return WebhookEvent.objects.get(event_id=event_id)


def test_an_event_is_kept_once_for_each_account() -> None:
    Remembering()
    assert take_in(told()) == 1
    assert take_in(told(), told("evt_2")) == 1
    assert take_in(told(), account="europe") == 1
    assert WebhookEvent.objects.count() == 3
    assert {each.state for each in WebhookEvent.objects.all()} == {State.WAITING}


def test_what_came_first_stays_whatever_is_told_later_under_its_id() -> None:
    Remembering()
    take_in(told())
    take_in(told(object_id="in_other"))
    assert event().object_id == "in_1"


def test_what_nobody_acts_on_is_ignored() -> None:
    Remembering("refund.*")
    take_in(
        told("evt_1", "customer.created"),
        told("evt_2", "refund.updated", object_id=""),
        told("evt_3", "refund.updated", object_id="re_1"),
        told("evt_4", "refundx.updated", object_id="re_1"),
    )
    states = dict(WebhookEvent.objects.values_list("event_id", "state"))
    assert states == {
        "evt_1": State.IGNORED,
        "evt_2": State.IGNORED,
        "evt_3": State.WAITING,
        "evt_4": State.IGNORED,
    }


def test_a_problem_parks_it_until_somebody_drives_it_anew() -> None:
    Remembering()
    take_in(told(), problem="It is of another version.")
    assert event().state == State.PARKED
    later = NOW + DAY
    with acting_as(Actor(ActorKind.COMMAND)):
        services.redrive(event=event(), now=later)
    row = event()
    assert (row.state, row.attempts, row.next_at) == (State.WAITING, 0, later)
    entry = AuditEntry.objects.latest("seq")
    assert (entry.object_kind, entry.action) == ("webhook_event", "redrive")
    with pytest.raises(Conflict, match="waiting"):
        services.redrive(event=row, now=later)


def test_a_parked_event_can_be_dismissed() -> None:
    Remembering()
    take_in(told(), problem="Whose is it?")
    services.dismiss(event=event(), now=NOW)
    assert (event().state, event().problem) == (State.IGNORED, "Whose is it?")
    with pytest.raises(Conflict, match="ignored"):
        services.dismiss(event=event(), now=NOW)


def test_old_events_are_forgotten_unless_somebody_must_look() -> None:
    Remembering()
    take_in(told("evt_1", "customer.created"), told("evt_2"))
    take_in(told("evt_3"), problem="?")
    kept = NOW + services.KEPT_FOR
    assert services.purge(now=kept) == 0
    assert services.purge(now=kept + DAY) == 1
    assert set(WebhookEvent.objects.values_list("event_id", flat=True)) == {
        "evt_2",
        "evt_3",
    }


@pytest.mark.parametrize("changes", [{"object_id": "in_2"}, {"received_at": NOW + DAY}])
def test_what_came_cannot_be_changed(changes: dict[str, object]) -> None:
    Remembering()
    take_in(told())
    with pytest.raises(IntegrityError, match="stays as it came"), atomic():
        WebhookEvent.objects.update(**changes)


def test_what_was_seen_through_stays_so() -> None:
    take_in(told())
    with pytest.raises(IntegrityError, match="seen through"), atomic():
        WebhookEvent.objects.update(state=State.WAITING, next_at=NOW)


def test_what_waits_cannot_be_deleted() -> None:
    Remembering()
    take_in(told())
    with pytest.raises(IntegrityError, match="not seen through"), atomic():
        WebhookEvent.objects.all().delete()


def test_what_says_that_nobody_needs_to_read_is_ignored() -> None:
    def wants(found: Told) -> bool:
        return found.changed is None or "name" in found.changed

    handlers.handles("customer.updated", wants=wants)(lambda *_: None)
    changes = {"evt_1": {"balance"}, "evt_2": {"name", "balance"}, "evt_3": None}
    for event_id, changed in changes.items():
        said = told(event_id, "customer.updated", "cus_1")
        names = None if changed is None else frozenset(changed)
        take_in(dataclasses.replace(said, changed=names))
    states = dict(WebhookEvent.objects.values_list("event_id", "state"))
    assert states == {
        "evt_1": State.IGNORED,
        "evt_2": State.WAITING,
        "evt_3": State.WAITING,
    }


def test_what_one_does_not_want_another_may() -> None:
    handlers.handles("customer.updated", wants=lambda _: False)(lambda *_: None)
    take_in(told("evt_1", "customer.updated", "cus_1"))
    Remembering("customer.*")
    take_in(told("evt_2", "customer.updated", "cus_1"))
    states = dict(WebhookEvent.objects.values_list("event_id", "state"))
    assert states == {"evt_1": State.IGNORED, "evt_2": State.WAITING}
