"""The admin's fields of routing and fallbacks, and what is done to many replicas."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from inference.control import services
from inference.control.models import Pulse, Replica
from inference.control.shares import share_of
from tenants.models import AuditEntry
from tests.admin import action, confirm, page, signed_in, words
from tests.admin.forms import fields_of
from tests.factories.accounts import make_person, sign_in
from tests.factories.control import make_model, make_replica
from tests.pages.operations.pulses import make_pulse, well

MODEL, REPLICA = "control_servedmodel", "control_replica"


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def write(client: Client, model_id: int, **said: str) -> Any:
    """Send a model's page back with some fields written anew."""
    address = page(MODEL, "change", model_id)
    return client.post(address, fields_of(client.get(address)) | said)


def test_fallbacks_are_lines_in_order(admin: Client) -> None:
    first, second = make_model(name="first"), make_model(name="second")
    model = make_model(name="demo")
    assert write(admin, model.pk, fallbacks="second\r\nfirst\r\n").status_code == 302
    assert model.fallbacks == [second, first]
    address = page(MODEL, "change", model.pk)
    assert fields_of(admin.get(address))["fallbacks"].split() == ["second", "first"]
    # What was not touched stays.
    assert write(admin, model.pk, description="new").status_code == 302
    model.refresh_from_db()
    assert (model.description, model.fallbacks) == ("new", [second, first])
    for wrong, said in (
        ("nothing", "There is no served model 'nothing'."),
        ("demo", "they are one"),
    ):
        refused = write(admin, model.pk, fallbacks=wrong)
        shown = refused if refused.status_code == 200 else admin.get(refused.url)
        assert said in words(shown.content)
    assert write(admin, model.pk, fallbacks="").status_code == 302
    model.refresh_from_db()
    assert model.fallbacks == []


def test_fallbacks_that_changed_meanwhile_are_not_written_over(admin: Client) -> None:
    first, second = make_model(name="first"), make_model(name="second")
    model = make_model()
    address = page(MODEL, "change", model.pk)
    opened = fields_of(admin.get(address))
    services.update_model(model=model, fallbacks=[first])
    stale = admin.post(address, opened | {"fallbacks": "second"})
    assert "fallbacks is now “first”" in words(stale.content)
    assert model.fallbacks == [first]
    assert admin.post(address, fields_of(stale)).status_code == 302
    model.refresh_from_db()
    assert model.fallbacks == [second]


@pytest.mark.parametrize(
    ("written", "permille"), [("2.5", 25), ("100", 1000), ("0.1", 1), ("", 0)]
)
def test_a_canary_share_is_written_in_per_cent(
    admin: Client, written: str, permille: int
) -> None:
    model = make_model(canary_permille=500)
    assert write(admin, model.pk, canary_permille=written).status_code == 302
    model.refresh_from_db()
    assert model.canary_permille == permille
    shown = fields_of(admin.get(page(MODEL, "change", model.pk)))["canary_permille"]
    assert float(shown) == permille / 10


@pytest.mark.parametrize("written", ["0.25", "100.1", "-1", "some", "nan", "inf"])
def test_what_is_no_share_is_said_beside_the_field(admin: Client, written: str) -> None:
    model = make_model(canary_permille=500)
    assert write(admin, model.pk, canary_permille=written).status_code == 200
    model.refresh_from_db()
    assert model.canary_permille == 500


def test_who_may_only_look_sees_who_stands_in(operator_db: None) -> None:
    model = make_model(fallbacks=[make_model(name="first"), make_model(name="second")])
    person = make_person("looker")
    person.is_staff = True
    person.save()
    person.groups.add(Group.objects.get(name="Support"))
    client = sign_in(Client(), person)
    text = words(client.get(page(MODEL, "change", model.pk)).content)
    assert "first, second" in text


def run(admin: Client, name: str, rows: list[Replica], **more: str) -> str:
    """Ask for an action on replicas, as the list or the page after it does."""
    form = {"action": name, ACTION_CHECKBOX_NAME: [each.pk for each in rows], **more}
    answer = admin.post(page(REPLICA, "changelist"), form, follow=True)
    return words(answer.content)


def test_many_replicas_are_drained_disabled_and_activated(admin: Client) -> None:
    model = make_model(name="demo")
    rows = [make_replica(model=model) for _ in range(3)]
    some, states = rows[:2], Replica.objects.order_by("pk").values_list("state")
    asked = run(admin, "drain_replicas", some)
    assert "Drain 2 replicas?" in asked
    assert "Models left without an active replica: 0." in asked
    assert [state for (state,) in states] == ["active"] * 3
    assert "Draining: 2 replicas." in run(
        admin, "drain_replicas", some, confirmed="yes"
    )
    assert [state for (state,) in states.all()] == ["draining", "draining", "active"]
    last = run(admin, "disable_replicas", rows)
    assert "Models left without an active replica: 1 (demo)." in last
    refused = run(admin, "disable_replicas", rows, confirmed="yes")
    assert "Nothing was done." in refused
    run(admin, "disable_replicas", rows, confirmed="yes", phrase="disable 3")
    assert {state for (state,) in states.all()} == {"disabled"}
    asked = run(admin, "activate_replicas", rows)
    assert "Requests at a time that they take: 768." in asked
    run(admin, "activate_replicas", rows, confirmed="yes")
    assert {state for (state,) in states.all()} == {"active"}
    assert LogEntry.objects.filter(change_message="Activated.").count() == 3
    told = AuditEntry.objects.filter(object_kind="replica", object_id=rows[0].pk)
    assert told.count() == 4


def test_one_replica_is_counted_too(admin: Client) -> None:
    replica = make_replica(model=make_model(name="demo"))
    asked = words(admin.get(action(REPLICA, "drain", replica.pk)).content)
    assert "Models left without an active replica: 1 (demo)." in asked
    make_replica(model=replica.model)
    asked = words(admin.get(action(REPLICA, "disable", replica.pk)).content)
    assert "Models left without an active replica: 0." in asked


def test_a_weight_is_set_with_what_it_comes_to(admin: Client) -> None:
    model = make_model(name="demo")
    row, _ = (make_replica(model=model) for _ in range(2))
    address = action(REPLICA, "set_weight", row.pk)
    asked = words(admin.get(address).content)
    assert "Of the requests of demo by 100: 50.0 %." in asked
    assert "By 50: 33.3 %, 200: 66.6 %." in asked
    confirm(admin, address, weight="300")
    row.refresh_from_db()
    assert row.weight == 300
    assert "75.0 %" in words(admin.get("/admin/routes/").content)
    for wrong in ("0", "1001", "many"):
        confirm(admin, address, weight=wrong)
    row.refresh_from_db()
    assert row.weight == 300


def test_a_list_says_how_replicas_are_and_draining_counts_what_runs(
    admin: Client,
) -> None:
    row = make_replica(model=make_model(name="demo"))
    make_pulse(
        now=timezone.now(),
        replicas=well(row, running=7, waiting=2, filled_permille=640),
    )
    listed = words(admin.get(page(REPLICA, "changelist")).content)
    assert "healthy 7 (2 waiting) 64 % 0 -" in listed
    asked = words(admin.get(action(REPLICA, "drain", row.pk)).content)
    assert "Requests that run there now: 7." in asked
    assert "Models left without an active replica: 1 (demo)." in asked
    Pulse.objects.all().delete()
    asked = words(admin.get(action(REPLICA, "drain", row.pk)).content)
    assert "No gateway says what runs there." in asked


def test_shares_count_slots_and_leave_out_what_gets_nothing() -> None:
    def replica(**how: Any) -> Replica:
        return Replica(**{"slots": 10, "weight": 100, "state": "active", **how})

    large, small = replica(slots=30), replica()
    others = [small, replica(state="draining"), replica(canary=True)]
    assert share_of(large, others).percent == "75.0 %"
    assert share_of(large, others, weight=50).percent == "60.0 %"
    assert share_of(replica(state="disabled"), others).percent == "0.0 %"
    assert share_of(replica(canary=True), others).percent == "50.0 %"
    assert share_of(replica(state="disabled"), []).percent == "0.0 %"


def test_a_model_retires_by_a_dialog_that_refuses_what_cannot_be(admin: Client) -> None:
    model, other = make_model(name="demo"), make_model(name="next")
    address = action(MODEL, "retire", model.pk)
    asked = words(admin.get(address).content)
    assert "Now demo does not retire." in asked
    assert "Tenants that called it within 30 days: 0." in asked
    at = (timezone.now() + timedelta(days=50)).replace(second=0, microsecond=0)

    confirm(admin, address, retires_at=f"{at:%Y-%m-%dT%H:%M}", successor=str(other.pk))

    model.refresh_from_db()
    assert (model.retires_at, model.successor) == (at, other)
    asked = words(admin.get(address).content)
    assert f"Now demo retires at {at:%Y-%m-%d %H:%M} UTC, then call next." in asked
    shown = words(admin.get(page(MODEL, "changelist")).content)
    assert "retiring" in shown
    for wrong in ({"retires_at": "soon"}, {"retires_at": "2020-01-01T00:00"}, {}):
        confirm(admin, address, successor="", **wrong)
    confirm(admin, address, retires_at=f"{at:%Y-%m-%dT%H:%M}", successor=str(model.pk))
    model.refresh_from_db()
    assert (model.retires_at, model.successor) == (at, other)
    (told,) = AuditEntry.objects.filter(action="plan_retirement")
    assert told.object_id == str(model.pk)

    confirm(admin, action(MODEL, "call_off_retirement", model.pk))

    model.refresh_from_db()
    assert model.retires_at is None
    assert model.successor is None
