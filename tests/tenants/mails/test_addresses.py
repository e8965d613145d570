"""Bills go to addresses whose owners agreed, and to members who see to them."""

import datetime as dt
import re

import pytest
from django.core import mail
from django.db import ProgrammingError
from pytest_django.fixtures import Settings

from kit.acting import Actor, ActorKind, acting_as
from kit.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    RateLimited,
)
from kit.orm.roles import as_operator, as_tenant
from tenants import services
from tenants.mails import addresses, sending
from tenants.models import BillingAddress, Mail, Role, Tenant
from tests.factories.tenants import make_member, make_tenant

pytestmark = pytest.mark.usefixtures("fresh_database")

NOW = dt.datetime.now(dt.UTC)
HOUR = dt.timedelta(hours=1)
BOOKS = "books@acme.example"


@pytest.fixture(autouse=True)
def mail_is_set(settings: Settings) -> None:
    """Let mails go to Django's outbox."""
    settings.EMAIL_IS_SET = True
    settings.PUBLIC_URL = "https://gate.example.com/"


def added(tenant: Tenant, email: str = BOOKS, now: dt.datetime = NOW) -> BillingAddress:
    """Name an address, as the tenant's role."""
    with as_tenant(tenant.pk):
        return addresses.add_billing_address(tenant=tenant, email=email, now=now)


def sent(now: dt.datetime = NOW) -> int:
    """Run the scan and the outbox."""
    with as_operator():
        addresses.ask_for_answers(now=now)
        return sending.send_waiting(now=now)


def link() -> str:
    """Return the text of the link in the latest mail."""
    (found,) = re.findall(r"/billing-address/([^/]+)/", str(mail.outbox[-1].body))
    return str(found)


def readers(tenant: Tenant) -> tuple[str, ...]:
    """Return whom bills go to."""
    with as_operator():
        return addresses.bill_readers(tenant)


def test_an_address_gets_bills_once_its_owner_said_so() -> None:
    tenant = make_tenant(billing_email="ops@acme.example")
    make_member(tenant=tenant, role=Role.BILLING, email="carol@acme.example")
    added(tenant, " Books@Acme.example ")
    assert [sent(), sent()] == [1, 0]
    [message] = mail.outbox
    assert message.to == [BOOKS]
    before = ("ops@acme.example", "carol@acme.example")
    assert readers(tenant) == before

    with as_operator():
        row = addresses.confirm(text=link(), now=NOW)
        again = addresses.confirm(text=link(), now=NOW + HOUR)

    assert row.confirmed_at == again.confirmed_at == NOW
    assert set(readers(tenant)) == {*before, BOOKS}


@pytest.mark.parametrize(("declines", "days"), [(True, 365), (False, 30)])
def test_who_is_forgotten_is_asked_no_oftener(declines: bool, days: int) -> None:
    tenant, day = make_tenant(), dt.timedelta(days=1)
    row = added(tenant)
    with as_operator():
        if declines:
            addresses.decline(text=addresses.link_text(row), now=NOW)
        BillingAddress.objects.update(asked=addresses.ASKED_OF_ONE_MAX)
        services.forget_person(email=BOOKS.title(), now=NOW)
        # Once more: nobody is left to be forgotten.
        services.forget_person(email=BOOKS, now=NOW)
        addresses.forget_digests(now=NOW + (days - 1) * day)
        row.refresh_from_db()
    assert row.email == ""
    refused = Conflict if declines else RateLimited
    with pytest.raises(refused):
        added(tenant, now=NOW + (days - 1) * day)
    added(make_tenant(), now=NOW + day)

    with as_operator():
        assert addresses.forget_digests(now=NOW + days * day) == 1
        row.refresh_from_db()
    assert row.digest == ""


def test_those_who_do_not_answer_keep_nobody_from_being_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(addresses, "RUN_MAX", 2)
    tenant = make_tenant()
    for number in range(2):
        added(tenant, f"a{number}@acme.example")
    assert sent() == 2
    added(tenant, now=NOW + HOUR)
    assert sent(NOW + HOUR) == 1
    assert mail.outbox[-1].to == [BOOKS]


def test_an_address_that_is_named_twice_gets_a_bill_once() -> None:
    tenant = make_tenant(billing_email="Books@acme.example")
    make_member(tenant=tenant, role=Role.BILLING, email=BOOKS)

    assert len(readers(tenant)) == 1


def test_owners_get_bills_where_nobody_else_does() -> None:
    tenant = make_tenant()
    make_member(tenant=tenant, role=Role.OWNER, email="ada@acme.example")
    make_member(tenant=tenant, role=Role.ADMIN, email="bob@acme.example")
    assert readers(tenant) == ("ada@acme.example",)

    make_member(tenant=tenant, role=Role.BILLING, email="carol@acme.example")

    assert readers(tenant) == ("carol@acme.example",)


def test_another_mail_makes_the_link_before_it_dead() -> None:
    tenant = make_tenant()
    row = added(tenant)
    sent()
    first = link()
    with as_tenant(tenant.pk):
        with pytest.raises(RateLimited):
            addresses.ask_again(address=row, now=NOW)
        addresses.ask_again(address=row, now=NOW + HOUR)
    assert sent(NOW + HOUR) == 1

    with as_operator():
        with pytest.raises(NotFound):
            addresses.opened(text=first)
        assert addresses.opened(text=link()).pk == row.pk


@pytest.mark.parametrize("text", ["", "x", "WzEsMV0:1:abc"])
def test_a_link_of_nobody_opens_nothing(text: str) -> None:
    with as_operator(), pytest.raises(NotFound):
        addresses.opened(text=text)


def test_what_was_removed_is_asked_and_billed_no_more() -> None:
    tenant = make_tenant()
    row = added(tenant)
    sent()
    with as_tenant(tenant.pk):
        addresses.remove_billing_address(address=row, now=NOW)

    with as_operator(), pytest.raises(NotFound):
        addresses.confirm(text=link(), now=NOW)
    assert readers(tenant) == ()


def test_five_at_most_and_each_once() -> None:
    tenant = make_tenant()
    for number in range(addresses.ADDRESSES_MAX):
        added(tenant, f"a{number}@acme.example")
    with pytest.raises(Conflict, match="remove one"):
        added(tenant, "more@acme.example")
    with pytest.raises(Conflict, match="already"):
        added(tenant, "A1@acme.example")
    for email in ("nobody", "=?utf-8?q?a=0ab?=@acme.example"):
        with pytest.raises(InvalidRequest):
            added(tenant, email)


def test_a_tenant_gives_no_address_that_nobody_asked() -> None:
    tenant = make_tenant(billing_email="ops@acme.example")
    member = make_member(tenant=tenant, role=Role.ADMIN)
    admin = Actor(ActorKind.MEMBER, member.pk, tenant_id=tenant.pk, member_id=member.pk)
    with as_tenant(tenant.pk), acting_as(admin):
        with pytest.raises(PermissionDenied, match="Operators give"):
            services.update_tenant(tenant=tenant, billing_email="eve@evil.example")
        services.update_tenant(tenant=tenant, billing_email="ops@acme.example")
        services.update_tenant(tenant=tenant, billing_email="")
    with as_operator():
        assert addresses.bill_readers(Tenant.objects.get(pk=tenant.pk)) == ()


def test_operators_give_no_address_that_is_mailed_as_another() -> None:
    tenant, wrong = make_tenant(), "=?utf-8?q?eve?=@acme.example"
    with as_operator(), pytest.raises(InvalidRequest) as refused:
        services.update_tenant(tenant=tenant, billing_email=wrong)
    assert refused.value.param == "billing_email"
    with as_operator(), pytest.raises(InvalidRequest):
        services.create_tenant(slug="other", name="Other", billing_email=wrong)


def test_strangers_are_not_written_to_without_end() -> None:
    tenant = make_tenant()
    for number in range(addresses.ASKED_MAX):
        row = added(tenant, f"a{number}@acme.example")
        with as_tenant(tenant.pk):
            addresses.remove_billing_address(address=row, now=NOW)
    with pytest.raises(RateLimited):
        added(tenant, "one-more@acme.example")


def test_one_address_is_asked_three_times_whatever_was_removed() -> None:
    tenant, day = make_tenant(), dt.timedelta(days=1)
    for number in range(addresses.ASKED_OF_ONE_MAX):
        row = added(tenant, now=NOW + number * day)
        with as_tenant(tenant.pk):
            addresses.remove_billing_address(address=row, now=NOW)
    later = NOW + 20 * day
    with pytest.raises(RateLimited, match="30 days"):
        added(tenant, now=later)
    added(tenant, "other@acme.example", now=later)
    assert added(tenant, now=NOW + 40 * day).asked == 1


def test_one_is_asked_again_no_oftener() -> None:
    tenant, now = make_tenant(), NOW
    row = added(tenant)
    with as_tenant(tenant.pk):
        for _ in range(addresses.ASKED_OF_ONE_MAX - 1):
            now += HOUR
            addresses.ask_again(address=row, now=now)
        with pytest.raises(RateLimited, match="30 days"):
            addresses.ask_again(address=row, now=now + HOUR)


def test_whoever_declines_is_asked_no_more_by_that_tenant() -> None:
    tenant = make_tenant()
    added(tenant)
    sent()
    text = link()
    with as_operator():
        addresses.decline(text=text, now=NOW)
        for answer in (addresses.decline, addresses.confirm):
            with pytest.raises(NotFound):
                answer(text=text, now=NOW)
    year = addresses.DECLINED_FOR
    for now in (NOW + HOUR, NOW + year - HOUR):
        with pytest.raises(Conflict, match="declined"):
            added(tenant, now=now)
    assert readers(tenant) == ()
    added(make_tenant())
    added(tenant, now=NOW + year)


def test_what_was_confirmed_is_declined_no_more_and_a_tenant_undoes_no_no() -> None:
    tenant = make_tenant()
    row = added(tenant)
    sent()
    with as_operator():
        addresses.confirm(text=link(), now=NOW)
        with pytest.raises(NotFound):
            addresses.decline(text=link(), now=NOW)
    with pytest.raises(ProgrammingError), as_tenant(tenant.pk):
        BillingAddress.objects.filter(pk=row.pk).update(declined_at=None)


def test_a_tenant_confirms_nothing_by_itself() -> None:
    tenant = make_tenant()
    row = added(tenant)
    with pytest.raises(ProgrammingError), as_tenant(tenant.pk):
        BillingAddress.objects.filter(pk=row.pk).update(confirmed_at=NOW)
    with pytest.raises(ProgrammingError), as_tenant(tenant.pk):
        BillingAddress.objects.create(
            tenant=tenant, email="x@acme.example", asked_at=NOW, confirmed_at=NOW
        )


def test_a_person_is_forgotten_in_addresses_and_in_the_log() -> None:
    tenant = make_tenant()
    added(tenant)
    sent()
    with as_operator():
        Mail.objects.update(refused=[BOOKS, "b@acme.example"])
        services.forget_person(email=BOOKS, now=NOW)
        assert BillingAddress.objects.get().email == ""
        row = Mail.objects.get()
    assert (row.addresses, row.refused) == ([], ["b@acme.example"])
