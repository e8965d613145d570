"""Around every page of a tenant: whose it is, where to go, what is left or spent."""

import pytest
from django.test import Client

from kit.orm.roles import as_operator
from tenants import services
from tenants.models import Role, Tenant
from tests.factories.accounts import sign_in
from tests.factories.tenants import make_member, make_tenant
from tests.pages.reading import text

pytestmark = pytest.mark.usefixtures("fresh_database")


@pytest.mark.parametrize("role", Role.values)
def test_every_role_sees_whose_pages_these_are_and_as_what(role: str) -> None:
    member = make_member(tenant=make_tenant(zone="Europe/Berlin"), role=role)
    page = sign_in(Client(), member.user).get(f"/console/{member.tenant.slug}/")

    said = text(page.content)
    assert page.status_code == 200
    assert member.tenant.name in said
    assert f"{Role(role).label} · Europe/Berlin" in said
    whose = "Your projects so far" if role == Role.DEVELOPER else "Spend so far"
    assert f"{whose} 0.00 USD" in said


def test_prepaid_credit_is_always_in_the_head() -> None:
    prepaid = Tenant.PaymentMode.PREPAID
    member = make_member(tenant=make_tenant(payment_mode=prepaid), role="viewer")
    page = sign_in(Client(), member.user).get(f"/console/{member.tenant.slug}/tokens/")

    assert "Credit left 0.00 USD" in text(page.content)


def test_a_suspension_is_said_above_every_page() -> None:
    member = make_member()
    with as_operator():
        services.suspend_tenant(tenant=member.tenant)
    person = sign_in(Client(), member.user)

    for page in ("", "tokens/"):
        said = text(person.get(f"/console/{member.tenant.slug}/{page}").content)
        assert f"{member.tenant.name} is suspended." in said
