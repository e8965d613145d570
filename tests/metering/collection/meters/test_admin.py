"""Operators see what meters are not told, and have it told anew."""

import pytest

from metering.collection.models import MeterDifference, MeterEvent, MeterProgress
from tenants.models import AuditEntry
from tests.admin import action, confirm, page, signed_in, words
from tests.metering.collection.meters.scene import HOUR, Metered

EVENTS = "collection_meterevent"


@pytest.fixture
def parked(metered: Metered) -> MeterEvent:
    metered.use(input_tokens=900)
    metered.run()
    MeterEvent.objects.update(state="parked", problem="No such customer.")
    return MeterEvent.objects.get()


def test_the_list_says_what_is_not_told_and_why(parked: MeterEvent) -> None:
    MeterProgress.objects.update(problem="No active meter sums up tokens.")
    MeterDifference.objects.create(
        tenant=parked.tenant,
        account="default",
        counted="input_tokens",
        hour=parked.hour - HOUR,
        told=9,
        used=7,
        since=parked.hour,
    )
    admin = signed_in()
    listed = words(admin.get(page(EVENTS, "changelist")).content)
    assert "1 event not told" in listed
    assert "default : No active meter sums up tokens." in listed
    assert "1 hour of which more was told than was used." in listed
    assert "No such customer." in listed
    differing = admin.get(page("collection_meterdifference", "changelist"))
    assert "input tokens" in words(differing.content)


def test_the_list_says_when_all_was_told(operator_db: None) -> None:
    listed = words(signed_in().get(page(EVENTS, "changelist")).content)
    assert "Every event was told." in listed


def test_a_parked_event_is_told_anew_under_the_next_number(
    metered: Metered, parked: MeterEvent
) -> None:
    confirm(signed_in(), action(EVENTS, "tell_anew", parked.pk))
    parked.refresh_from_db()
    assert parked.state == "dropped"
    assert AuditEntry.objects.filter(object_kind="meter_event").exists()
    assert metered.run()[1] == ("input_tokens", 2, 900, "told")


def test_what_was_told_is_not_told_anew(metered: Metered) -> None:
    metered.use(input_tokens=900)
    metered.run()
    row = MeterEvent.objects.get()
    signed_in().post(action(EVENTS, "tell_anew", row.pk), {"confirmed": "on"})
    row.refresh_from_db()
    assert row.state == "told"
