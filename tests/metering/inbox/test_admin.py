"""Operators see what is not seen through, and since when; they drive it anew."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from metering.inbox.models import WebhookEvent
from tenants.models import AuditEntry
from tests.admin import action, confirm, page, signed_in, words
from tests.factories.accounts import make_person, sign_in
from tests.factories.inbox import Remembering, take_in, told

EVENTS = "inbox_webhookevent"
State = WebhookEvent.State


@pytest.fixture
def admin(operator_db: None) -> Client:
    Remembering()
    return signed_in()


def test_the_list_says_what_is_not_seen_through(admin: Client) -> None:
    take_in(told("evt_1"))
    take_in(told("evt_2"), problem="It is of another version.")
    listed = words(admin.get(page(EVENTS, "changelist")).content)
    assert "2 events not seen through" in listed
    assert "1 waiting" in listed
    assert "1 parked" in listed
    assert "It is of another version." in listed


def test_the_list_says_when_nothing_is_left(admin: Client) -> None:
    listed = words(admin.get(page(EVENTS, "changelist")).content)
    assert "Every event was seen through." in listed


@pytest.mark.parametrize(
    ("act", "state"), [("drive_anew", State.WAITING), ("dismiss", State.IGNORED)]
)
def test_a_parked_event_is_driven_anew_or_dismissed(
    admin: Client, act: str, state: str
) -> None:
    take_in(told(), problem="?")
    row = WebhookEvent.objects.get()
    confirm(admin, action(EVENTS, act, row.pk))
    row.refresh_from_db()
    assert row.state == state
    assert AuditEntry.objects.filter(object_kind="webhook_event").exists()


def test_support_sees_events_and_drives_none(operator_db: None) -> None:
    take_in(told(), problem="?")
    row = WebhookEvent.objects.get()
    person = make_person("support")
    person.is_staff = True
    person.save()
    person.groups.add(Group.objects.get(name="Support"))
    support = sign_in(Client(), person)
    assert support.get(page(EVENTS, "changelist")).status_code == 200
    assert support.get(action(EVENTS, "drive_anew", row.pk)).status_code == 403
