"""Each member chooses which mails to get; what must be sent is nobody's choice."""

import csv
import io

import pytest
from django.test import Client

from kit.acting import acting_as
from kit.errors import InvalidRequest, PermissionDenied
from kit.orm.roles import as_operator, as_tenant
from pages.console.notifications.forms import MEANINGS
from pages.console.notifications.mails import BILLS, TO_ONE
from tenants import services
from tenants.mails.topics import choose_mails
from tenants.models import Mail, Member, Role
from tenants.selectors import actor_in
from tests.factories.accounts import make_operator, sign_in
from tests.factories.tenants import make_member
from tests.pages.reading import text

pytestmark = pytest.mark.usefixtures("fresh_database")


def page(member: Member, path: str = "mine/") -> str:
    """Return the address of a page."""
    return f"/console/{member.tenant.slug}/notifications/{path}"


def off(member: Member) -> list[str]:
    """Return what a member wants no mails of."""
    with as_operator():
        found: list[str] = Member.objects.get(pk=member.pk).mails_off
    return found


@pytest.mark.parametrize("role", Role.values)
def test_every_role_chooses_for_itself(role: str) -> None:
    member = make_member(role=role)
    other = make_member(tenant=member.tenant)
    person = sign_in(Client(), member.user)
    assert person.get(page(member)).content.decode().count(" checked") == 4

    answer = person.post(page(member), {"wanted": ["top_ups"]}, follow=True)

    assert "Your choice is kept" in text(answer.content)
    assert answer.content.decode().count(" checked") == 1
    assert (off(member), off(other)) == (["limits", "models", "webhooks"], [])
    person.post(page(member), {"wanted": ["limits", "top_ups", "models", "webhooks"]})
    assert off(member) == []


def test_none_at_all_is_a_choice_and_invoices_are_none() -> None:
    member = make_member()
    person = sign_in(Client(), member.user)
    assert person.post(page(member), {"wanted": ["invoice"]}).status_code == 400
    assert off(member) == []
    assert person.post(page(member)).status_code == 302
    assert off(member) == ["limits", "top_ups", "models", "webhooks"]


def test_of_a_suspended_tenant_it_is_chosen_too() -> None:
    member = make_member()
    with as_operator():
        services.suspend_tenant(tenant=member.tenant)
    sign_in(Client(), member.user).post(page(member))
    assert off(member) != []


def test_nobody_chooses_for_others() -> None:
    member = make_member()
    other = make_member(tenant=member.tenant)
    with as_tenant(member.tenant_id), acting_as(actor_in(member)):
        with pytest.raises(PermissionDenied):
            choose_mails(member=other, wanted=[])
        with pytest.raises(InvalidRequest, match="no topic 'invoice'"):
            choose_mails(member=member, wanted=["invoice"])
    person = sign_in(Client(), make_operator())
    person.post(f"/admin/tenants/{member.tenant_id}/look/")
    assert person.get(page(member)).status_code == 403
    assert off(other) == []


def test_the_table_names_all_kinds_and_nobody_who_wants_none() -> None:
    owner = make_member(email="ada@example.org")
    silent = make_member(tenant=owner.tenant, role="admin", email="alan@example.org")
    make_member(tenant=owner.tenant, role="billing", email="bill@example.org")
    with as_operator():
        Member.objects.filter(pk=silent.pk).update(mails_off=["limits"])
    person = sign_in(Client(), owner.user)

    file = person.get(f"{page(owner, '')}?file=mails").content.decode("utf-8-sig")

    rows = {row["when"]: row for row in csv.DictReader(io.StringIO(file))}
    spent, paused = MEANINGS["budget.spent"], MEANINGS["webhook_endpoint.paused"]
    assert "alan@example.org" not in rows[spent]["readers"]
    assert "alan@example.org" in rows[paused]["readers"]
    always = {when for when, row in rows.items() if row["choice"] == "always sent"}
    assert always == {*BILLS.values(), *(meaning for _, meaning, _ in TO_ONE)}
    for when in BILLS.values():
        assert rows[when]["readers"] == "bill@example.org"
    assert {*BILLS, *(kind for kind, _, _ in TO_ONE), "alert"} >= set(Mail.Kind.values)
