"""Operators see what is undone, for how long, and let it go on; others do not."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from metering.billing import operations
from metering.billing.models import Invoice, ProviderOperation
from tenants.models import AuditEntry
from tests.admin import action, confirm, page, signed_in, words
from tests.factories.accounts import make_person, sign_in
from tests.metering.billing.providers.scene import NOW, make_draft

State = ProviderOperation.State
CALLS = "billing_provideroperation"


@pytest.fixture
def admin(operator_db: None) -> Client:
    return signed_in()


@pytest.fixture
def parked(operator_db: None) -> ProviderOperation:
    return _parked("in_1")


def _parked(subject: str) -> ProviderOperation:
    invoice = make_draft(100, provider="stripe")
    return ProviderOperation.objects.create(
        tenant_id=invoice.tenant_id,
        invoice=invoice,
        provider="stripe",
        account="europe",
        name="finalise",
        subject=subject,
        attempt=operations.REFUSALS_MAX,
        refusals=operations.REFUSALS_MAX,
        state=State.PARKED,
        error="The key may not do this.",
    )


def test_the_list_says_what_is_undone_and_since_when(
    admin: Client, parked: ProviderOperation
) -> None:
    ProviderOperation.objects.filter(pk=parked.pk).update(created_at=NOW)
    listed = words(admin.get(page(CALLS, "changelist")).content)
    assert "1 call still to be done" in listed
    assert "1 parked" in listed
    assert "The key may not do this." in listed
    ProviderOperation.objects.update(state=State.SUCCEEDED)
    listed = words(admin.get(page(CALLS, "changelist")).content)
    assert "Nothing is left to be done." in listed


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("undone=yes", True),
        ("state__exact=parked", True),
        ("state__exact=unknown", False),
        ("account=europe", True),
        ("account=default", False),
        ("name=finalise", True),
    ],
)
def test_the_list_is_narrowed(
    admin: Client, parked: ProviderOperation, asked: str, shown: bool
) -> None:
    answer = admin.get(f"{page(CALLS, 'changelist')}?{asked}")
    assert answer.status_code == 200
    assert ("may not do this" in words(answer.content)) is shown


def test_a_parked_call_is_let_go_on_and_it_is_audited(
    admin: Client, parked: ProviderOperation
) -> None:
    assert confirm(admin, action(CALLS, "let_go_on", parked.pk)).status_code == 302
    parked.refresh_from_db()
    assert (parked.state, parked.refusals) == (State.FAILED, 0)
    assert AuditEntry.objects.get(action="let_go_on").actor_kind == "operator"


def test_many_are_let_go_on_at_once(admin: Client, parked: ProviderOperation) -> None:
    chosen = [parked.pk, _parked("in_2").pk, _done("in_3").pk]
    asked = {"action": "let_go_on", "_selected_action": chosen}
    shown = words(admin.post(page(CALLS, "changelist"), asked).content)
    assert "Calls that were parked: 2." in shown
    answer = admin.post(page(CALLS, "changelist"), {**asked, "confirmed": "yes"})
    assert answer.status_code == 302
    states = ProviderOperation.objects.order_by("pk").values_list("state", "refusals")
    assert list(states) == [("failed", 0), ("failed", 0), ("succeeded", 0)]
    assert AuditEntry.objects.filter(action="let_go_on").count() == 2


def test_who_may_only_look_lets_nothing_go_on(parked: ProviderOperation) -> None:
    user = make_person("looking")
    user.is_staff = True
    user.save()
    user.groups.add(Group.objects.get(name="Support"))
    looking = sign_in(Client(), user)
    assert looking.get(page(CALLS, "change", parked.pk)).status_code == 200
    address = action(CALLS, "let_go_on", parked.pk)
    assert confirm(looking, address).status_code == 403
    asked = {"action": "let_go_on", "_selected_action": [parked.pk], "confirmed": "yes"}
    looking.post(page(CALLS, "changelist"), asked)
    parked.refresh_from_db()
    assert parked.state == State.PARKED


def test_an_invoice_is_tried_now(admin: Client) -> None:
    invoice = make_draft(100, provider="stripe")
    Invoice.objects.filter(pk=invoice.pk).update(tries=3, try_after=NOW)
    address = page("billing_invoice", "change", invoice.pk)
    assert "Try now" in words(admin.get(address).content)
    confirm(admin, action("billing_invoice", "try_now", invoice.pk))
    invoice.refresh_from_db()
    assert (invoice.tries, invoice.try_after) == (0, None)


def _done(subject: str) -> ProviderOperation:
    row = _parked(subject)
    row.state, row.refusals = State.SUCCEEDED, 0
    row.save()
    return row
